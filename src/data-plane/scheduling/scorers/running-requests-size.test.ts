import { describe, expect, it } from "vitest";
import { itKeepsTheScorerContract, scoresByRow } from "#test/contract/scorer.ts";
import { aLoad } from "#test/support/builders.ts";
import { pluginDeps } from "#test/support/plugin-deps.ts";
import { runningRequestsSizeScorer } from "./running-requests-size.ts";

const scorer = runningRequestsSizeScorer.create({}, pluginDeps());
const scoresFor = (...running: number[]) =>
  scoresByRow(scorer, aLoad(running.map((runningRequests) => ({ runningRequests }))));

describe("running-requests-size-scorer", () => {
  itKeepsTheScorerContract(scorer);

  it.each([
    // (16 - 0) / 16, (16 - 12) / 16, (16 - 16) / 16
    { running: [0, 12, 16], scores: [1, 0.25, 0] },
    // (9 - 9) / (9 - 1), (9 - 1) / (9 - 1), (9 - 5) / (9 - 1)
    { running: [9, 1, 5], scores: [0, 1, 0.5] },
    { running: [7, 7], scores: [1, 1] },
  ])("scores $running running requests $scores", ({ running, scores }) => {
    expect(scoresFor(...running)).toEqual(scores);
  });

  it("scores an unknown batch 0.5, and the others as if it were not there", () => {
    expect(scoresFor(4, Number.NaN, 0)).toEqual([0, 0.5, 1]);
  });

  it("ranks by running requests alone", () => {
    const load = aLoad([
      { runningRequests: 3, waitingRequests: 90, kvCacheUsedRatio: 1, inFlightRequests: 90 },
      { runningRequests: 4, waitingRequests: 0, kvCacheUsedRatio: 0 },
    ]);
    // The least has 4 requests: 1 - 1 / (4 - 2)
    expect(scoresByRow(scorer, load)).toEqual([1, 0.5]);
  });

  it("scores batches that differ little almost the same", () => {
    // The smaller one has 20, so 18 is the least range: 1 - 1 / 18
    expect(scoresFor(20, 21)).toEqual([1, 1 - 1 / 18]);
  });

  it("takes no parameters", () => {
    expect(runningRequestsSizeScorer.params.safeParse({}).success).toBe(true);
    expect(runningRequestsSizeScorer.params.safeParse({ threshold: 1 }).success).toBe(false);
  });
});
