import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { endpoints } from "#test/support/builders.ts";
import { pickAttributes, scorerAttributes } from "./stage-attributes.ts";

const picked = (totals: readonly number[], ...indexes: readonly number[]) =>
  pickAttributes({
    judged: endpoints(totals.length),
    totals: Float64Array.from(totals),
    picked: indexes,
  });

describe("the span of a pick", () => {
  it("names the picked endpoint first, then the best of the others", () => {
    const { id } = endpoints(3)[2] ?? { id: "" };
    expect(picked([1, 3, 2], 2)).toMatchObject({
      "llm_d.epp.picker.candidate_endpoints": 3,
      "llm_d.epp.picker.top_endpoints": [id, expect.any(String), expect.any(String)],
      "llm_d.epp.picker.top_scores": [2, 3, 1],
      // The picked one has less than another, as with a random picker.
      "pointsman.picker.margin": -1,
    });
  });

  it("has no margin without a second endpoint", () => {
    expect(picked([1], 0)["pointsman.picker.margin"]).toBeUndefined();
  });

  it("has the five best totals, whatever they are", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20), { minLength: 1, maxLength: 40 }), (totals) => {
        const best = totals.indexOf(Math.max(...totals));
        const sorted = totals.toSorted((a, b) => b - a);
        const shown = picked(totals, best);
        expect(shown["llm_d.epp.picker.top_scores"]).toEqual(sorted.slice(0, 5));
        const [first = 0, second] = sorted;
        const margin = second === undefined ? undefined : first - second;
        expect(shown["pointsman.picker.margin"]).toBe(margin);
      }),
    );
  });
});

describe("the span of a scorer", () => {
  it("has scores as they count: clamped, and none for NaN", () => {
    const scores = Float64Array.of(2, 0.5, -1, Number.NaN);
    // (1 + 0.5 + 0 + 0) / 4
    expect(scorerAttributes({ name: "a", type: "t", weight: 2 }, scores)).toMatchObject({
      "llm_d.epp.scorer.name": "a",
      "llm_d.epp.scorer.type": "t",
      "llm_d.epp.scorer.score.max": 1,
      "llm_d.epp.scorer.score.avg": 0.375,
    });
  });
});
