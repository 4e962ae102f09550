import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { anEndpoint, endpoints } from "#test/support/builders.ts";
import { scoreFewest, scoreLowest, type SlotValues, unknownScore } from "./ranges.ts";

const valueIn = (values: readonly number[]) => (slot: number) => values[slot] ?? Number.NaN;

/** The scores of counts as columns; functions with the same counts must give the same scores. */
function scoresOf(
  counts: readonly number[],
  others: readonly number[] = [],
  candidates = endpoints(counts.length),
): number[] {
  const scores = new Float64Array(candidates.length);
  const columns = { counts: Float64Array.from(counts), others: Float64Array.from(others) };
  scoreFewest(columns, candidates, scores);
  const byColumn = [...scores];
  scoreFewest({ counts: valueIn(counts), others: valueIn(others) }, candidates, scores);
  expect([...scores]).toEqual(byColumn);
  return byColumn;
}

/** The scores of values as a column; a function with the same values must give the same scores. */
function lowestOf(values: readonly number[], candidates = endpoints(values.length)): number[] {
  const scoresBy = (given: SlotValues) => {
    const scores = new Float64Array(candidates.length);
    scoreLowest(given, candidates, scores);
    return [...scores];
  };
  const scores = scoresBy(Float64Array.from(values));
  expect(scoresBy(valueIn(values))).toEqual(scores);
  return scores;
}

const unzipped = (rows: readonly (readonly [number, number])[]) =>
  [rows.map(([count]) => count), rows.map(([, other]) => other)] as const;

describe("scoreFewest", () => {
  it("scores by the position between the lowest and the highest count", () => {
    // 1 - (10 - 10) / 10, 1 - (20 - 10) / 10, 1 - (18 - 10) / 10
    expect(scoresOf([10, 20, 18]).map((score) => Number(score.toFixed(12)))).toEqual([1, 0, 0.2]);
  });

  it.each([
    // The least busy has 20 requests, and 18 is the range: 1 - 1 / 18
    { counts: [0, 1], others: [20, 30], scores: [1, 1 - 1 / 18] },
    // 20 apart is more than 18: 1 - 5 / 20, 1 - 20 / 20
    { counts: [0, 5, 20], others: [20, 30, 40], scores: [1, 0.75, 0] },
    // 40 apart is more than 20: 1 - 10 / 40, 1 - 40 / 40
    { counts: [0, 10, 40], others: [20, 20, 20], scores: [1, 0.75, 0] },
    // 22 next to 23 with 8 running each: the least busy has 30. 1 - 1 / 28
    { counts: [22, 23], others: [8, 8], scores: [1, 1 - 1 / 28] },
    // With an idle one, every difference counts in full: 1 - 1 / 1
    { counts: [0, 1, 0], others: [20, 30, 0], scores: [1, 0, 1] },
    // The least busy is not the one with the fewest: 4 requests. 1 - 1 / 2
    { counts: [3, 4], others: [90, 0], scores: [1, 0.5] },
    // One with 2 requests is hardly busy, so one more counts in full: 1 - 1 / 1
    { counts: [1, 2], others: [90, 0], scores: [1, 0] },
    // Fractions of requests: the least busy has 4.5. 1 - 0.5 / 2.5
    { counts: [0.5, 1], others: [4, 4], scores: [1, 0.8] },
  ])("scores $counts next to $others others $scores", ({ counts, others, scores }) => {
    expect(scoresOf(counts, others)).toEqual(scores);
  });

  it("scores 1 for equal counts, also if all are zero", () => {
    expect(scoresOf([7, 7])).toEqual([1, 1]);
    expect(scoresOf([0, 0])).toEqual([1, 1]);
    expect(scoresOf([0, 0], [3, 90])).toEqual([1, 1]);
  });

  it.each([Number.NaN, Infinity, -Infinity, -1])("counts %d as unknown", (value) => {
    // 1 - 0 / 4 and 1 - 4 / 4, as if the second were not there
    expect(scoresOf([0, value, 4])).toEqual([1, unknownScore, 0]);
    expect(scoresOf([0, value, 4], [0, 90, 0])).toEqual([1, unknownScore, 0]);
    expect(scoresOf([value])).toEqual([unknownScore]);
  });

  it.each([Number.NaN, Infinity, -Infinity, -1])("counts %d others as none", (value) => {
    expect(scoresOf([0, 1], [value, value])).toEqual([1, 0]);
  });

  it("counts a slot beyond the columns as unknown", () => {
    expect(scoresOf([3], [], [anEndpoint({ slot: 9 })])).toEqual([unknownScore]);
  });

  it("accepts the largest numbers", () => {
    expect(scoresOf([0, Number.MAX_VALUE])).toEqual([1, 0]);
    const both = scoresOf([Number.MAX_VALUE, Number.MAX_VALUE], [Number.MAX_VALUE, 0]);
    expect(both).toEqual([1, 1]);
  });

  it("reads counts by slot and writes scores by position", () => {
    const candidates = [anEndpoint({ slot: 2 }), anEndpoint({ slot: 0 })];
    // Slots 2 and 0 hold 6 and 2; slot 1 is not a candidate and has no effect.
    expect(scoresOf([2, 100, 6], [], candidates)).toEqual([0, 1]);
  });

  const pool = fc.array(fc.tuple(fc.nat(200), fc.nat(200)), { minLength: 1, maxLength: 20 });

  it("keeps the order of counts, between 0 and 1, with the lowest at 1", () => {
    fc.assert(
      fc.property(pool, (rows) => {
        const [counts, others] = unzipped(rows);
        const scores = scoresOf(counts, others);
        expect(scores.every((score) => score >= 0 && score <= 1)).toBe(true);
        expect(scores[counts.indexOf(Math.min(...counts))]).toBe(1);
        const ranks = (a: number, b: number) => (counts[a] ?? 0) - (counts[b] ?? 0);
        const inOrder = counts.map((_, index) => index).toSorted(ranks);
        for (const [at, index] of inOrder.slice(1).entries()) {
          const before = inOrder[at] ?? 0;
          const isHigher = ranks(before, index) < 0;
          expect((scores[before] ?? 0) > (scores[index] ?? 0)).toBe(isHigher);
        }
      }),
    );
  });

  it("is the plain range if counts differ by the least load or more", () => {
    fc.assert(
      fc.property(pool, (rows) => {
        const [counts, others] = unzipped(rows);
        const [min, max] = [Math.min(...counts), Math.max(...counts)];
        const least = Math.min(...rows.map(([count, other]) => count + other));
        fc.pre(max > min && max - min >= least);
        for (const [index, score] of scoresOf(counts, others).entries()) {
          expect(score).toBeCloseTo((max - (counts[index] ?? 0)) / (max - min), 9);
        }
      }),
    );
  });

  it("does not increase differences of scores if all endpoints are busier", () => {
    fc.assert(
      fc.property(pool, fc.nat(100), (rows, more) => {
        const [counts, others] = unzipped(rows);
        const calm = scoresOf(counts, others);
        const busy = scoresOf(
          counts,
          others.map((other) => other + more),
        );
        for (const [index, score] of busy.entries()) {
          expect(score).toBeGreaterThanOrEqual((calm[index] ?? 0) - 1e-12);
        }
      }),
    );
  });
});

describe("scoreLowest", () => {
  it("scores by the position between the lowest and the highest value, for any difference", () => {
    // (400 - 0) / 400, (400 - 300) / 400, (400 - 400) / 400
    expect(lowestOf([0, 300, 400])).toEqual([1, 0.25, 0]);
    // (0.25 - 0) / 0.25, (0.25 - 0.125) / 0.25, (0.25 - 0.25) / 0.25
    expect(lowestOf([0, 0.125, 0.25])).toEqual([1, 0.5, 0]);
  });

  it("scores 1 for equal values", () => {
    expect(lowestOf([7, 7])).toEqual([1, 1]);
    expect(lowestOf([0, 0])).toEqual([1, 1]);
    expect(lowestOf([])).toEqual([]);
  });

  it.each([Number.NaN, Infinity, -Infinity, -1])("counts %d as unknown", (value) => {
    // 1 - 0 / 4 and 1 - 4 / 4, as if the second were not there
    expect(lowestOf([0, value, 4])).toEqual([1, unknownScore, 0]);
    expect(lowestOf([value])).toEqual([unknownScore]);
  });

  it("reads values by slot and writes scores by position", () => {
    const candidates = [anEndpoint({ slot: 2 }), anEndpoint({ slot: 0 }), anEndpoint({ slot: 9 })];
    // Slots 2 and 0 hold 6 and 2, slot 9 nothing; slot 1 is no candidate.
    expect(lowestOf([2, 100, 6], candidates)).toEqual([0, 1, unknownScore]);
  });

  it("keeps every score between 0 and 1, for any results of a function", () => {
    fc.assert(
      fc.property(fc.array(fc.double(), { maxLength: 20 }), (values) => {
        expect(lowestOf(values).every((score) => score >= 0 && score <= 1)).toBe(true);
      }),
    );
  });
});
