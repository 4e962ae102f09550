import type { Decision } from "../core/decision.ts";
import type { ResponseHead } from "../core/request-follower.ts";
import type { AnswerView } from "./answer.ts";
import type { PoolView } from "./pool-view.ts";

/**
 * The endpoint that served a request, and those that failed before it: a proxy tries the targets of a decision in order.
 *
 * @param servedBy `ip:port`; undefined if the proxy does not report it
 */
function servedAs(
  servedBy: string | undefined,
  decision: Decision | undefined,
  pool: Pick<PoolView, "current" | "endpointAt">,
): Pick<ResponseHead, "served" | "failedBefore"> {
  if (servedBy === undefined) return { served: undefined, failedBefore: [] };
  const targets = decision?.targets ?? [];
  const index = targets.findIndex(({ hostPort }) => hostPort === servedBy);
  const target = targets[index];
  return target === undefined
    ? { served: pool.endpointAt(servedBy), failedBefore: [] }
    : {
        // It may have left since the decision.
        served: pool.current(target.endpoint),
        failedBefore: targets.slice(0, index).map(({ endpoint }) => endpoint),
      };
}

/** The head of a response for followers. */
export function headOf(
  { httpStatus, servedBy, isUnreached, retryAfterMs, isEventStream }: AnswerView,
  decision: Decision | undefined,
  pool: Pick<PoolView, "current" | "endpointAt">,
): ResponseHead {
  const served = servedAs(servedBy, decision, pool);
  return { httpStatus, servedBy, ...served, isUnreached, retryAfterMs, isEventStream };
}
