import { describe, expect, it } from "vitest";
import { aLoad, aRequest, endpoints } from "#test/support/builders.ts";
import { maxScorePicker } from "./pickers/max-score.ts";
import type { Filter, Picker, Scorer } from "./plugin.ts";
import { runProfile, type SchedulingProfile, Scratch } from "./profile.ts";

const pool = endpoints(3);
const [first, second, third] = pool;
const context = { request: aRequest(), load: aLoad([{}, {}, {}]) };

/** Scores candidates by their slot, so that a filter does not move the scores. */
const scorerOf = (...bySlot: number[]): Scorer => ({
  score: (_context, candidates, scores) => {
    for (const [index, { slot }] of candidates.entries()) scores[index] = bySlot[slot] ?? 0;
  },
});
const keeping = (...slots: number[]): Filter => ({
  filter: (_context, candidates) => candidates.filter(({ slot }) => slots.includes(slot)),
});
const best = maxScorePicker.create({ maxNumOfEndpoints: 1 }, { random: () => 0 });
const all = maxScorePicker.create({ maxNumOfEndpoints: 9 }, { random: () => 0 });

function run(parts: Partial<SchedulingProfile>, scratch = new Scratch()) {
  const profile = { name: "default", filters: [], scorers: [], picker: best, ...parts };
  return runProfile(profile, context, { endpoints: pool, scratch });
}

describe("a scheduling profile", () => {
  it("adds up weight times score", () => {
    const scorers = [
      { scorer: scorerOf(1, 0.5, 0), weight: 2 },
      { scorer: scorerOf(0, 0.5, 0.25), weight: 3 },
    ];
    // 2 x 1 + 3 x 0 = 2; 2 x 0.5 + 3 x 0.5 = 2.5; 2 x 0 + 3 x 0.25 = 0.75
    expect(run({ scorers, picker: all })).toEqual({
      kind: "picked",
      endpoints: [second, first, third],
      score: 2.5,
    });
  });

  it.each([
    { what: "above 1", score: 7 },
    { what: "infinite", score: Infinity },
  ])("counts a score $what as 1", ({ score }) => {
    const scorers = [{ scorer: scorerOf(score, 0.9, 0.9), weight: 2 }];
    // 2 x 1
    expect(run({ scorers })).toMatchObject({ endpoints: [first], score: 2 });
  });

  it.each([
    { what: "negative", score: -5 },
    { what: "no number", score: Number.NaN },
    { what: "minus infinity", score: -Infinity },
  ])("counts a score that is $what as 0", ({ score }) => {
    const scorers = [
      { scorer: scorerOf(score, 0.1, score), weight: 1 },
      { scorer: scorerOf(0.5, 0.5, 0), weight: 1 },
    ];
    // 0 + 0.5 = 0.5; 0.1 + 0.5 = 0.6; 0 + 0 = 0
    expect(run({ scorers, picker: all })).toMatchObject({
      endpoints: [second, first, third],
      score: 0.6,
    });
  });

  it("lets a weight of 0 count for nothing", () => {
    const scorers = [
      { scorer: scorerOf(1, 0, 0), weight: 0 },
      { scorer: scorerOf(0, 0, 0.1), weight: 1 },
    ];
    expect(run({ scorers })).toMatchObject({ endpoints: [third], score: 0.1 });
  });

  it("scores and picks only what its filters leave", () => {
    const scorers = [{ scorer: scorerOf(1, 0.5, 0.75), weight: 1 }];
    expect(run({ filters: [keeping(1, 2)], scorers })).toMatchObject({
      endpoints: [third],
      score: 0.75,
    });
  });

  it("runs its filters in order, each on what the one before left", () => {
    const seen: number[][] = [];
    const noting = (filter: Filter): Filter => ({
      filter: (given, candidates) => {
        seen.push(candidates.map(({ slot }) => slot));
        return filter.filter(given, candidates);
      },
    });
    run({ filters: [noting(keeping(0, 2)), noting(keeping(1, 2)), noting(keeping(2))] });
    expect(seen).toEqual([[0, 1, 2], [0, 2], [2]]);
  });

  it("ends with nothing left, and asks no one further, where a filter empties it", () => {
    const unreachable: Filter & Scorer & Picker = {
      filter: () => expect.unreachable(),
      score: () => expect.unreachable(),
      pick: () => expect.unreachable(),
    };
    const result = run({
      filters: [keeping(), unreachable],
      scorers: [{ scorer: unreachable, weight: 1 }],
      picker: unreachable,
    });
    expect(result).toEqual({ kind: "nothing-left" });
  });

  it("says that there is no score where no scorer ran", () => {
    expect(run({ picker: { pick: () => [2] } })).toEqual({
      kind: "picked",
      endpoints: [third],
      score: Number.NaN,
    });
  });

  it("has nothing left where the picker picks nothing or nobody there is", () => {
    expect(run({ picker: { pick: () => [] } })).toEqual({ kind: "nothing-left" });
    expect(run({ picker: { pick: () => [3, -1, 0.5] } })).toEqual({ kind: "nothing-left" });
  });

  it("hands out memory that shows nothing of the profile before", () => {
    const scratch = new Scratch();
    const scorers = [{ scorer: scorerOf(1, 1, 1), weight: 5 }];
    run({ scorers }, scratch);
    // A scorer that writes nothing leaves what lies there; the totals start from 0 all the same.
    expect(run({ picker: { pick: (totals) => [...totals] } }, scratch)).toMatchObject({
      endpoints: [first, first, first],
    });
  });
});

describe("Scratch", () => {
  it("gives exactly as much room as is asked for, also beyond what it had", () => {
    const scratch = new Scratch();
    for (const count of [0, 1, 64, 65, 1_000, 3]) {
      expect(scratch.scores(count)).toHaveLength(count);
      expect([...scratch.totals(count).fill(9)]).toHaveLength(count);
      expect([...scratch.totals(count)]).toEqual(Array(count).fill(0));
    }
  });

  it("keeps its memory from one decision to the next", () => {
    const scratch = new Scratch();
    scratch.totals(500);
    expect(scratch.totals(500).buffer).toBe(scratch.totals(20).buffer);
  });

  it("keeps scores and totals apart", () => {
    const scratch = new Scratch();
    const totals = scratch.totals(4);
    scratch.scores(4).fill(9);
    expect([...totals]).toEqual([0, 0, 0, 0]);
  });
});
