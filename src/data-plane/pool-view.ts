import type { SentRequest } from "../core/data-plane-plugin.ts";
import type { Endpoint } from "../core/endpoint.ts";
import type { RequestFollower } from "../core/request-follower.ts";
import type { SchedulingInput } from "./scheduling/scheduler.ts";

/** The pool at one instant: all that a decision knows besides its request. */
export type PoolSnapshot = Omit<SchedulingInput, "request">;

/** The pool, as far as requests read and change it. */
export interface PoolView {
  /** Readers must not keep it beyond the decision that it was taken for. `nowMs`: monotonic. */
  snapshot(nowMs: number): PoolSnapshot;
  /** Counts a request that leaves now, and returns the parts of the pool that follow it. */
  send(sent: SentRequest): readonly RequestFollower[];
  /** The endpoint of the pool at an `ip:port`. */
  endpointAt(hostPort: string): Endpoint | undefined;
}
