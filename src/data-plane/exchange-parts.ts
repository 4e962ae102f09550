import type { RequestFollower } from "../core/request-follower.ts";
import type { FailedAttempt } from "../core/request-record.ts";
import type { HeaderPair } from "../core/request.ts";
import type { Tracer } from "../core/request-trace.ts";
import type { Clock } from "../std/clock.ts";
import type { PoolView } from "./pool-view.ts";
import type { Routing, UnderstoodRequest } from "./routing.ts";

export interface ExchangeParts {
  readonly clock: Pick<Clock, "nowMs" | "wallMs">;
  readonly pool: PoolView;
  /** The routing in force. */
  readonly routing: () => Routing;
  /** Followers of every request, including refused ones. */
  readonly followers: readonly RequestFollower[];
  /** Undefined if no request is traced. */
  readonly tracer?: Tracer | undefined;
  /** Runs with 1 when a request begins to wait for admission, with -1 when it stops. */
  readonly onWait: (change: 1 | -1) => void;
  /** True if the ingress connects to the endpoint itself, and may call `retry`. */
  readonly retries?: boolean;
}

/** A request that is to be sent, for the first time or after an attempt that reached no endpoint. */
export interface Unsent {
  readonly understood: UnderstoodRequest;
  readonly failed?: FailedAttempt;
}

/** Changes to the head of a response. */
export interface ResponseHeadChange {
  readonly set: readonly HeaderPair[];
  /** True if the length of the body will differ from the one in the head. */
  readonly changesLength: boolean;
}
