import type { RequestFollower } from "../core/request-follower.ts";
import type { Clock } from "../std/clock.ts";
import type { PoolView } from "./pool-view.ts";
import type { Routing } from "./routing.ts";

export interface ExchangeParts {
  readonly clock: Pick<Clock, "nowMs" | "wallMs">;
  readonly pool: PoolView;
  /** The routing in force. */
  readonly routing: () => Routing;
  /** Followers of every request, including refused ones. */
  readonly followers: readonly RequestFollower[];
  /** Runs with 1 when a request begins to wait for admission, with -1 when it stops. */
  readonly onWait: (change: 1 | -1) => void;
  /** True if the ingress connects to the endpoint itself, and may call `retry`. */
  readonly retries?: boolean;
}
