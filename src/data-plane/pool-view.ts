import type { SentRequest } from "../core/data-plane-plugin.ts";
import type { Endpoint } from "../core/endpoint.ts";
import type { PoolSnapshot } from "../core/pool-snapshot.ts";
import type { RequestFollower } from "../core/request-follower.ts";

/** The pool, as far as requests read and change it. */
export interface PoolView {
  /** Brings the state up to date and returns it. Readers must not keep it beyond their decision. `nowMs`: monotonic. */
  snapshot(nowMs: number): PoolSnapshot;
  /** Counts a request that leaves now, and returns the parts of the pool that follow it. */
  send(sent: SentRequest): readonly RequestFollower[];
  /** The endpoint of the pool at an `ip:port`. */
  endpointAt(hostPort: string): Endpoint | undefined;
}
