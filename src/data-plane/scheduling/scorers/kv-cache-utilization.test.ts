import { describe, expect, it } from "vitest";
import { itKeepsTheScorerContract, scoresByRow } from "#test/contract/scorer.ts";
import { aLoad } from "#test/support/builders.ts";
import { pluginDeps } from "#test/support/plugin-deps.ts";
import { kvCacheUtilizationScorer } from "./kv-cache-utilization.ts";

const scorer = kvCacheUtilizationScorer.create({}, pluginDeps());
const scoresFor = (...used: number[]) =>
  scoresByRow(scorer, aLoad(used.map((kvCacheUsedRatio) => ({ kvCacheUsedRatio }))));

describe("kv-cache-utilization-scorer", () => {
  itKeepsTheScorerContract(scorer);

  it.each([
    { used: 0, score: 1 }, // 1 - 0
    { used: 0.25, score: 0.75 }, // 1 - 0.25
    { used: 0.9, score: 0.1 }, // 1 - 0.9
    { used: 1, score: 0 }, // 1 - 1
  ])("scores $score with $used of the cache in use", ({ used, score }) => {
    expect(scoresFor(used)[0]).toBeCloseTo(score, 12);
  });

  it("scores an unknown use 0.5", () => {
    expect(scoresFor(Number.NaN, Number.POSITIVE_INFINITY)).toEqual([0.5, 0.5]);
  });

  it("scores more than a full cache as a full one", () => {
    expect(scoresFor(1.5)).toEqual([0]);
  });

  it("scores an endpoint independent of the other candidates", () => {
    expect(scoresFor(0.75)[0]).toBe(scoresFor(0.75, 0, 0.5)[0]);
  });

  it("takes no parameters", () => {
    expect(kvCacheUtilizationScorer.params.safeParse({}).success).toBe(true);
    expect(kvCacheUtilizationScorer.params.safeParse({ threshold: 1 }).success).toBe(false);
  });
});
