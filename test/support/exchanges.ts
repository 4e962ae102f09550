import type { Outcome } from "../../src/core/decision.ts";
import type { RequestFollower } from "../../src/core/request-follower.ts";

/** Turns a defect of a stage into a failed test. */
export const throwsDefects: RequestFollower = {
  failed: (_head, cause) => {
    throw cause;
  },
};

/** The outcome of a request that did not have to wait. */
export function decidedAtOnce(outcome: Outcome | Promise<Outcome>): Outcome {
  if (outcome instanceof Promise) throw new Error("the request waits for admission");
  return outcome;
}

/** The outcome of a request that was routed without a wait. */
export function routedIn(
  outcome: Outcome | Promise<Outcome>,
): Extract<Outcome, { kind: "routed" }> {
  const decided = decidedAtOnce(outcome);
  if (decided.kind === "routed") return decided;
  throw new Error(decided.kind === "refused" ? decided.refusal.message : "the request is gone");
}
