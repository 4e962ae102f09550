import { describe, expect, it } from "vitest";
import { anEndpoint, endpoints } from "#test/support/builders.ts";
import { scoreLowest, unknownScore } from "./ranges.ts";

function scoresOf(column: readonly number[], candidates = endpoints(column.length)): number[] {
  const scores = new Float64Array(candidates.length);
  scoreLowest(Float64Array.from(column), candidates, scores);
  return [...scores];
}

describe("scoreLowest", () => {
  it("scores by the place between the lowest and the highest value", () => {
    // (20 - 10) / 10, (20 - 20) / 10, (20 - 18) / 10
    expect(scoresOf([10, 20, 18])).toEqual([1, 0, 0.2]);
  });

  it("scores equal values 1, also where they are all zero", () => {
    expect(scoresOf([7, 7])).toEqual([1, 1]);
    expect(scoresOf([0, 0])).toEqual([1, 1]);
  });

  it.each([Number.NaN, Infinity, -Infinity, -1])("counts %d as unknown", (value) => {
    // (4 - 0) / 4 and (4 - 4) / 4, as if the second were not there
    expect(scoresOf([0, value, 4])).toEqual([1, unknownScore, 0]);
    expect(scoresOf([value])).toEqual([unknownScore]);
  });

  it("counts a slot beyond the column as unknown", () => {
    expect(scoresOf([3], [anEndpoint({ slot: 9 })])).toEqual([unknownScore]);
  });

  it("takes the largest numbers there are", () => {
    expect(scoresOf([0, Number.MAX_VALUE])).toEqual([1, 0]);
  });

  it("reads values by slot and writes scores by position", () => {
    const candidates = [anEndpoint({ slot: 2 }), anEndpoint({ slot: 0 })];
    // Slots 2 and 0 hold 6 and 2; slot 1 is no candidate and moves nobody.
    expect(scoresOf([2, 100, 6], candidates)).toEqual([0, 1]);
  });
});
