import { describe, expect, it } from "vitest";
import { itKeepsTheScorerContract, scoresByRow } from "#test/contract/scorer.ts";
import { buildScorer } from "#test/support/build-plugin.ts";
import { aLoad } from "#test/support/builders.ts";
import { inFlightTokensScorer } from "./in-flight-tokens.ts";

const scorer = buildScorer(inFlightTokensScorer);

describe("in-flight-tokens-scorer", () => {
  itKeepsTheScorerContract(scorer);

  it("scores by place between the fewest and the most tokens", () => {
    const load = aLoad([{ inFlightTokens: 0 }, { inFlightTokens: 300 }, { inFlightTokens: 400 }]);
    // (400 - 0) / 400, (400 - 300) / 400, (400 - 400) / 400
    expect(scoresByRow(scorer, load)).toEqual([1, 0.25, 0]);
  });
});
