import type { ErrorCode, Refusal } from "../../../core/errors.ts";
import type { FlowOutcome } from "../../../core/flow-control.ts";

/** An end of a wait by which the request is refused. */
export type RefusedOutcome = Exclude<FlowOutcome, "Dispatched" | "EvictedContextCancelled">;

/** The error of each outcome. */
const codes = {
  RejectedCapacity: "saturated",
  RejectedNoEndpoints: "no_endpoints",
  EvictedTTL: "wait_expired",
  EvictedNoEndpoints: "no_endpoints",
  RejectedOther: "shutting_down",
  EvictedOther: "shutting_down",
} as const satisfies Record<RefusedOutcome, ErrorCode>;

/** The refusal of a request whose wait ends so. `message` names the limit that was reached. */
export function refusalOf(
  outcome: RefusedOutcome,
  message: string,
  retryAfterSeconds?: number,
): Refusal {
  const code = codes[outcome];
  return retryAfterSeconds === undefined ? { code, message } : { code, message, retryAfterSeconds };
}
