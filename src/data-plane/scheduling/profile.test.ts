import { describe, expect, it } from "vitest";
import { aContext, endpoints } from "#test/support/builders.ts";
import { pluginDeps } from "#test/support/plugin-deps.ts";
import type { Filter, Picker, Scorer } from "../../core/data-plane-plugin.ts";
import { maxScorePicker } from "./pickers/max-score.ts";
import { pickedEndpoints, type ProfileRun, runProfile, type SchedulingProfile } from "./profile.ts";
import { ScoreRows } from "./score-rows.ts";

const pool = endpoints(3);
const context = aContext({ endpoints: pool });

/** Scores candidates by their slot, so that a filter does not move the scores. */
const scorerOf = (...bySlot: number[]): Scorer => ({
  score: (_context, candidates, scores) => {
    for (const [index, { slot }] of candidates.entries()) scores[index] = bySlot[slot] ?? 0;
  },
});
const weighing = (scorer: Scorer, weight: number) => ({ name: "s", scorer, weight });
const keeping = (...slots: number[]): Filter => ({
  filter: (_context, candidates) => candidates.filter(({ slot }) => slots.includes(slot)),
});
const named = (filter: Filter) => ({ name: "f", filter });
const best = maxScorePicker.create({ maxNumOfEndpoints: 1 }, pluginDeps());
const all = maxScorePicker.create({ maxNumOfEndpoints: 9 }, pluginDeps());

function run(parts: Partial<SchedulingProfile>, rows = new ScoreRows()): ProfileRun {
  const profile = { name: "default", filters: [], scorers: [], picker: best, ...parts };
  return runProfile(profile, context, { endpoints: pool, rows });
}

const slotsPicked = (of: ProfileRun) => pickedEndpoints(of)?.map(({ slot }) => slot);

describe("a scheduling profile", () => {
  it("adds up weight times score", () => {
    const scorers = [weighing(scorerOf(1, 0.5, 0), 2), weighing(scorerOf(0, 0.5, 0.25), 3)];
    const result = run({ scorers, picker: all });
    // 2 x 1 + 3 x 0 = 2; 2 x 0.5 + 3 x 0.5 = 2.5; 2 x 0 + 3 x 0.25 = 0.75
    expect([...result.totals]).toEqual([2, 2.5, 0.75]);
    expect(result.scores.map((scores) => [...scores])).toEqual([
      [1, 0.5, 0],
      [0, 0.5, 0.25],
    ]);
    expect(slotsPicked(result)).toEqual([1, 0, 2]);
  });

  it.each([
    { what: "above 1", score: 7, total: 2 },
    { what: "infinite", score: Infinity, total: 2 },
    { what: "negative", score: -5, total: 0 },
    { what: "no number", score: Number.NaN, total: 0 },
    { what: "minus infinity", score: -Infinity, total: 0 },
  ])("counts a score that is $what within 0 and 1", ({ score, total }) => {
    const scorers = [weighing(scorerOf(score, 0.25, 1), 2)];
    // 2 x 1 or 2 x 0; 2 x 0.25 = 0.5; 2 x 1 = 2
    expect([...run({ scorers }).totals]).toEqual([total, 0.5, 2]);
  });

  it("ignores scores of weight 0", () => {
    const scorers = [weighing(scorerOf(1, 0, 0), 0), weighing(scorerOf(0, 0, 0.5), 1)];
    const result = run({ scorers });
    expect([...result.totals]).toEqual([0, 0, 0.5]);
    expect(slotsPicked(result)).toEqual([2]);
  });

  it("scores and picks only the candidates that its filters keep", () => {
    const scorers = [weighing(scorerOf(1, 0.5, 0.75), 1)];
    const result = run({ filters: [named(keeping(1, 2))], scorers });
    expect(result.judged).toEqual([pool[1], pool[2]]);
    expect([...result.totals]).toEqual([0.5, 0.75]);
    expect(slotsPicked(result)).toEqual([2]);
  });

  it("runs its filters in order, each on the result of the one before", () => {
    const seen: number[][] = [];
    const noting = (filter: Filter): Filter => ({
      filter: (given, candidates) => {
        seen.push(candidates.map(({ slot }) => slot));
        return filter.filter(given, candidates);
      },
    });
    const filters = [keeping(0, 2), keeping(1, 2), keeping(2)].map((each) => named(noting(each)));
    const { kept } = run({ filters });
    expect(seen).toEqual([[0, 1, 2], [0, 2], [2]]);
    expect(kept).toEqual([[pool[0], pool[2]], [pool[2]], [pool[2]]]);
  });

  it("ends without further calls if a filter leaves no candidate", () => {
    const unreachable: Filter & Scorer & Picker = {
      filter: () => expect.unreachable(),
      score: () => expect.unreachable(),
      pick: () => expect.unreachable(),
    };
    const result = run({
      filters: [named(keeping()), named(unreachable)],
      scorers: [weighing(unreachable, 1)],
      picker: unreachable,
    });
    expect(result).toMatchObject({ kept: [[]], judged: [], scores: [], picked: [] });
    expect(result.totals).toHaveLength(0);
    expect(pickedEndpoints(result)).toBeUndefined();
  });

  it("has no scores if no scorer ran", () => {
    const result = run({ picker: { pick: () => [2] } });
    expect(result.scores).toEqual([]);
    expect([...result.totals]).toEqual([0, 0, 0]);
    expect(slotsPicked(result)).toEqual([2]);
  });

  it("has no pick if the picker returns none or an unknown index", () => {
    expect(slotsPicked(run({ picker: { pick: () => [] } }))).toBeUndefined();
    expect(slotsPicked(run({ picker: { pick: () => [3, -1, 0.5] } }))).toBeUndefined();
    expect(slotsPicked(run({ picker: { pick: () => [3, 1] } }))).toEqual([1]);
  });

  it("begins its totals at 0, whatever the memory contains", () => {
    const rows = new ScoreRows();
    rows.take(3).fill(9);
    rows.begin();
    expect([...run({ scorers: [weighing(scorerOf(1, 0, 0.5), 1)] }, rows).totals]).toEqual([
      1, 0, 0.5,
    ]);
  });
});
