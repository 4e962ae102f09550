import type { SentRequest } from "../core/data-plane-plugin.ts";
import type { Endpoint } from "../core/endpoint.ts";
import type { PoolSnapshot } from "../core/pool-snapshot.ts";
import type { RequestFollower } from "../core/request-follower.ts";

/** The part of the pool's state that requests read and change. */
export interface PoolView {
  /** Updates the state to `nowMs` (monotonic) and returns a snapshot, which is valid for one decision. */
  snapshot(nowMs: number): PoolSnapshot;
  /** Counts a request that leaves now, and returns the pool's followers of it. */
  send(sent: SentRequest): readonly RequestFollower[];
  /** An endpoint of a decision as the pool has it now; undefined if it has left, and its slot may be another's. */
  current(endpoint: Endpoint): Endpoint | undefined;
  /** The pool's endpoint at `hostPort` (`ip:port`); undefined if it has none. */
  endpointAt(hostPort: string): Endpoint | undefined;
}
