import type { SentRequest } from "./data-plane-plugin.ts";
import type { LatencyPrediction } from "./latency-prediction.ts";
import type { PrefixMatch } from "./prefix-match.ts";
import type { RequestFollower } from "./request-follower.ts";

/** Looks at each request that leaves for an endpoint, under any configuration. */
export interface RequestStudy {
  /**
   * Runs right after `RequestHooks.sent` of the plugins, on the same columns, for each attempt of a request; must not
   * throw. `match` and `prediction`: those of the decision; undefined if no plugin computes them. Returns undefined if it
   * does not follow the request.
   */
  sent(
    sent: SentRequest,
    match: PrefixMatch | undefined,
    prediction: LatencyPrediction | undefined,
  ): RequestFollower | undefined;
}
