import type { Attributes } from "../../core/request-trace.ts";
import type { Scheduled } from "./scheduler.ts";
import type { HeldRequest } from "./held-request.ts";

/** Attributes of the span of a decision. */
export function decisionAttributesOf(scheduled: Scheduled | HeldRequest): Attributes {
  const outcome = { "pointsman.decision.outcome": scheduled.kind };
  if (scheduled.kind === "held") return outcome;
  if (scheduled.kind === "refused") {
    const { recordId, refusal } = scheduled;
    return { ...outcome, "pointsman.decision.id": recordId, "error.type": refusal.code };
  }
  const { recordId, profile, candidateCount, targets, score, latency, prefixHit } =
    scheduled.decision;
  return {
    ...outcome,
    "pointsman.decision.id": recordId,
    "pointsman.decision.profile": profile,
    "pointsman.decision.candidates": candidateCount,
    "pointsman.decision.endpoint": targets[0].endpoint.id,
    "pointsman.decision.score": Number.isNaN(score) ? undefined : score,
    "pointsman.predicted_ttft_ms": latency?.ttftMs,
    "pointsman.predicted_prefix_hit": prefixHit?.ratio,
  };
}
