import { describe, expect, it } from "vitest";
import { itKeepsTheScorerContract, scoresIn } from "#test/contract/scorer.ts";
import { buildWithHooks } from "#test/support/build-plugin.ts";
import {
  aContext,
  aDecision,
  anEndpoint,
  aResponseHead,
  endpoints,
} from "#test/support/builders.ts";
import { firstTokenScorer } from "./first-token.ts";

interface Answer {
  readonly slot: number;
  readonly firstTokenMs: number;
  /** Slot of the endpoint that served; the same one if left out. */
  readonly servedBy?: number;
}

/** The scorer once it has followed these requests. */
function scorerAfter(answers: readonly Answer[]) {
  const { scorer, hooks } = buildWithHooks(firstTokenScorer, { windowRequests: 2 });
  for (const { slot, firstTokenMs, servedBy = slot } of answers) {
    const context = aContext();
    const decision = aDecision({ endpoints: [anEndpoint({ slot })] });
    const follower = hooks.sent({ context, decision });
    const atMs = context.nowMs + firstTokenMs;
    follower?.responseHead?.(aResponseHead({ served: anEndpoint({ slot: servedBy }) }), atMs);
    follower?.firstToken?.(atMs);
  }
  return scorer;
}

const scoresAfter = (answers: readonly Answer[]) =>
  scoresIn(scorerAfter(answers), aContext(), endpoints(3));

describe("first-token-scorer", () => {
  itKeepsTheScorerContract(scorerAfter([]));
  itKeepsTheScorerContract(scorerAfter([{ slot: 7, firstTokenMs: 90 }]));

  it("scores by place between the soonest and the latest usual first token", () => {
    const scores = scoresAfter([
      { slot: 0, firstTokenMs: 100 },
      // 100 + (200 - 100) / 2 = 150
      { slot: 0, firstTokenMs: 200 },
      { slot: 1, firstTokenMs: 350 },
      { slot: 2, firstTokenMs: 200 },
    ]);
    // (350 - 150) / 200, (350 - 350) / 200, (350 - 200) / 200
    expect(scores).toEqual([1, 0, 0.75]);
  });

  it("scores an endpoint 0.5 until it has served a request itself", () => {
    expect(scoresAfter([{ slot: 0, firstTokenMs: 10, servedBy: 1 }])).toEqual([0.5, 0.5, 0.5]);
  });
});
