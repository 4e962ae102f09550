import { describe, expect, it } from "vitest";
import { itKeepsTheScorerContract, scoresByRow } from "#test/contract/scorer.ts";
import { aLoad } from "#test/support/builders.ts";
import { buildScorer } from "#test/support/build-plugin.ts";
import { anAttribute } from "#test/support/pools.ts";
import { endpointAttributeScorer } from "./endpoint-attribute.ts";

const lower = { type: "linear_lower_is_better" };
const higher = { type: "linear_higher_is_better" };
const from2To10 = { normalization: { fixedRange: { min: 2, max: 10 } } };

const scorerWith = (algorithm: unknown) =>
  buildScorer(endpointAttributeScorer, { attributeKey: "gpu", algorithm });

function scoresFor(algorithm: unknown, ...values: (number | undefined)[]) {
  const rows = values.map((value) =>
    value === undefined ? {} : { attributes: { [anAttribute]: value } },
  );
  return scoresByRow(scorerWith(algorithm), aLoad(rows));
}

describe("endpoint-attribute-scorer", () => {
  itKeepsTheScorerContract(scorerWith(lower));
  itKeepsTheScorerContract(scorerWith(higher));
  itKeepsTheScorerContract(scorerWith({ ...lower, ...from2To10 }));

  it("scores by the position between the lowest and the highest value", () => {
    // (2 - 2) / 8, (4 - 2) / 8, (10 - 2) / 8
    expect(scoresFor(higher, 2, 4, 10)).toEqual([0, 0.25, 1]);
    // 1 minus that
    expect(scoresFor(lower, 2, 4, 10)).toEqual([1, 0.75, 0]);
    // (-4 - -4) / 4, (-3 - -4) / 4, (0 - -4) / 4
    expect(scoresFor(higher, -4, -3, 0)).toEqual([0, 0.25, 1]);
  });

  it("scores values that differ little almost the same", () => {
    // 20 wide from 20 up: 1 - 1 / 20, and 1 - 5 / 20
    expect(scoresFor(lower, 20, 21, 25)).toEqual([1, 0.95, 0.75]);
    // 20 wide from 21 down to 1: (20 - 1) / 20, (21 - 1) / 20
    expect(scoresFor(higher, 20, 21)).toEqual([0.95, 1]);
    // 4 is nearest to 0, so 4 wide from -5 up: 1 - 1 / 4
    expect(scoresFor(lower, -5, -4)).toEqual([1, 0.75]);
    // Values on both sides of 0 have no common part.
    expect(scoresFor(higher, -0.1, 0.1)).toEqual([0, 1]);
    // 30 apart is more than 20.
    expect(scoresFor(lower, 20, 50)).toEqual([1, 0]);
  });

  it("scores 1 if all values are equal", () => {
    expect(scoresFor(lower, 7, 7)).toEqual([1, 1]);
    expect(scoresFor(higher, 0)).toEqual([1]);
  });

  it("scores by the position in a fixed range, and as its end beyond it", () => {
    // (2 - 2) / 8, (4 - 2) / 8, and 0 and 1 outside
    expect(scoresFor({ ...higher, ...from2To10 }, 2, 4, 1, 11)).toEqual([0, 0.25, 0, 1]);
    expect(scoresFor({ ...lower, ...from2To10 }, 2, 4, 1, 11)).toEqual([1, 0.75, 1, 0]);
  });

  it("scores an unknown value 0, and the others as if it were not there", () => {
    const unknown = [undefined, Number.NaN, Infinity, -Infinity];
    // (10 - 2) / 8 and (4 - 2) / 8 from below
    expect(scoresFor(lower, 2, ...unknown, 4, 10)).toEqual([1, 0, 0, 0, 0, 0.75, 0]);
    expect(scoresFor({ ...lower, ...from2To10 }, ...unknown)).toEqual([0, 0, 0, 0]);
  });

  it("scores 0 for all if no producer has the attribute", () => {
    expect(scoresByRow(scorerWith(lower), aLoad([{}, {}]))).toEqual([0, 0]);
  });

  it("stays within bounds over the widest range of numbers", () => {
    const max = Number.MAX_VALUE;
    expect(scoresFor(higher, -max, 0, max)).toEqual([0, 0.5, 1]);
    expect(scoresFor(higher, 0, Number.MIN_VALUE)).toEqual([0, 1]);
  });

  it("reads the attribute of another producer", () => {
    const load = aLoad([
      { attributes: { "dcgm-extractor/gpu": 0.2, [anAttribute]: 5 } },
      { attributes: { "dcgm-extractor/gpu": 0.8, [anAttribute]: 1 } },
    ]);
    const parameters = { attributeKey: "gpu", producer: "dcgm-extractor", algorithm: lower };
    expect(scoresByRow(buildScorer(endpointAttributeScorer, parameters), load)).toEqual([1, 0]);
  });

  it.each([
    {},
    { attributeKey: "gpu" },
    { attributeKey: "", algorithm: lower },
    { attributeKey: "gpu", algorithm: { type: "linear" } },
    { attributeKey: "gpu", algorithm: { ...lower, normalization: { fixedRange: {} } } },
    {
      attributeKey: "gpu",
      algorithm: { ...lower, normalization: { fixedRange: { min: 2, max: 2 } } },
    },
    {
      attributeKey: "gpu",
      algorithm: {
        ...lower,
        normalization: { fixedRange: { min: 0, max: 1 }, adaptiveRange: {} },
      },
    },
    { attributeKey: "GPUUtilization/dcgm-extractor", algorithm: lower },
  ])("refuses %j", (parameters) => {
    expect(endpointAttributeScorer.load(parameters).kind).toBe("invalid");
  });

  it("accepts a name with a slash if the producer is given", () => {
    const parameters = { attributeKey: "llm-d.ai/queue", producer: "", algorithm: lower };
    expect(endpointAttributeScorer.load(parameters).kind).toBe("loaded");
  });
});
