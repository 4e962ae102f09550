import { describe, expect, it } from "vitest";
import { itKeepsTheScorerContract, scoresByRow } from "#test/contract/scorer.ts";
import { aLoad } from "#test/support/builders.ts";
import { buildScorer } from "#test/support/build-plugin.ts";
import { loadAwareScorer } from "./load-aware.ts";

const scoresFor = (parameters: unknown, ...waiting: number[]) =>
  scoresByRow(
    buildScorer(loadAwareScorer, parameters),
    aLoad(waiting.map((waitingRequests) => ({ waitingRequests }))),
  );

describe("load-aware-scorer", () => {
  itKeepsTheScorerContract(buildScorer(loadAwareScorer));
  itKeepsTheScorerContract(buildScorer(loadAwareScorer, { threshold: 1 }));

  it("scores on a scale that ends at the threshold", () => {
    // 0.5 x (1 - 0/10), 0.5 x (1 - 1/10), 0.5 x (1 - 5/10), 0.5 x (1 - 10/10)
    expect(scoresFor({ threshold: 10 }, 0, 1, 5, 10)).toEqual([0.5, 0.45, 0.25, 0]);
  });

  it("scores a queue beyond the threshold 0", () => {
    expect(scoresFor({ threshold: 10 }, 11, 1e9)).toEqual([0, 0]);
  });

  it("has a threshold of 128 by default", () => {
    // 0.5 x (1 - 32/128)
    expect(scoresFor({}, 32)).toEqual([0.375]);
  });

  it("scores a candidate independent of the others", () => {
    expect(scoresFor({}, 32, 0, 500)[0]).toBe(scoresFor({}, 32)[0]);
  });

  it("scores an unknown queue in the middle of its scale", () => {
    // 0.5 x 0.5
    expect(scoresFor({}, Number.NaN, Infinity, -1)).toEqual([0.25, 0.25, 0.25]);
  });

  it.each([{ threshold: 0 }, { threshold: -1 }, { threshold: 1.5 }, { treshold: 10 }])(
    "refuses %j",
    (parameters) => {
      expect(loadAwareScorer.load(parameters).kind).toBe("invalid");
    },
  );
});
