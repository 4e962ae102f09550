import { describe, expect, it } from "vitest";
import { itKeepsThePickerContract } from "#test/contract/picker.ts";
import { pluginDeps } from "#test/support/plugin-deps.ts";
import { seededRandom } from "../../../std/random.ts";
import type { PluginDeps } from "../../../core/data-plane-plugin.ts";
import { weightedRandomPicker } from "./weighted-random.ts";

const pickerOf = (maxNumOfEndpoints: number, random: PluginDeps["random"]) =>
  weightedRandomPicker.create({ maxNumOfEndpoints }, pluginDeps({ random }));

/** Returns the numbers one after another, and then always 0. */
function chances(...numbers: number[]): () => number {
  let at = 0;
  return () => numbers[at++] ?? 0;
}

/** Number of times that each index is first in `draws` picks. */
function firstsIn(draws: number, totals: readonly number[], maxNumOfEndpoints: number): number[] {
  const picker = pickerOf(maxNumOfEndpoints, seededRandom(42));
  const firsts = totals.map(() => 0);
  for (let draw = 0; draw < draws; draw += 1) {
    const [first = -1] = picker.pick(Float64Array.from(totals));
    firsts[first] = (firsts[first] ?? 0) + 1;
  }
  return firsts;
}

describe("weighted-random-picker", () => {
  itKeepsThePickerContract(pickerOf);

  it.each([
    // u = 1 - chance: 0.25 ^ (1/1) = 0.25, 0.25 ^ (1/2) = 0.5
    { chance: [0.75, 0.75], picked: 1 },
    // 0.81 ^ (1/1) = 0.81, 0.64 ^ (1/2) = 0.8
    { chance: [0.19, 0.36], picked: 0 },
    // 0.79 ^ (1/1) = 0.79, 0.64 ^ (1/2) = 0.8
    { chance: [0.21, 0.36], picked: 1 },
  ])("picks $picked of the totals 1 and 2 for the chance $chance", ({ chance, picked }) => {
    expect(pickerOf(1, chances(...chance)).pick(Float64Array.of(1, 2))).toEqual([picked]);
    const order = [picked, 1 - picked];
    expect(pickerOf(2, chances(...chance)).pick(Float64Array.of(1, 2))).toEqual(order);
  });

  // 1 : 2 : 5 of 8,000 draws: standard deviations of sqrt(8,000 p (1 - p)) are 30, 39, 43; four of
  // them 118, 155, 173.
  it.each([1, 3])("picks in proportion to the totals, %i at a time", (maxNumOfEndpoints) => {
    const [one = 0, two = 0, five = 0, none] = firstsIn(8_000, [1, 2, 5, 0], maxNumOfEndpoints);
    expect(Math.abs(one - 1_000)).toBeLessThan(118);
    expect(Math.abs(two - 2_000)).toBeLessThan(155);
    expect(Math.abs(five - 5_000)).toBeLessThan(173);
    expect(none).toBe(0);
  });

  // 3,000 of 9,000 each, standard deviation 45; four of them 180.
  it.each([1, 3])("picks evenly if all totals are 0, %i at a time", (maxNumOfEndpoints) => {
    for (const count of firstsIn(9_000, [0, 0, 0], maxNumOfEndpoints)) {
      expect(Math.abs(count - 3_000)).toBeLessThan(180);
    }
  });

  it("keeps the proportion of tiny totals", () => {
    // 1 : 3; standard deviation sqrt(8,000 x 1/4 x 3/4) = 39, four of them 155.
    const [one = 0] = firstsIn(8_000, [1e-9, 3e-9], 1);
    expect(Math.abs(one - 2_000)).toBeLessThan(155);
  });

  it("takes a total of 0 only after all others", () => {
    const picker = pickerOf(4, seededRandom(3));
    for (let draw = 0; draw < 100; draw += 1) {
      const picked = picker.pick(Float64Array.of(0, 1, 0, 1e-300));
      expect(new Set(picked.slice(0, 2))).toEqual(new Set([1, 3]));
      expect(new Set(picked.slice(2))).toEqual(new Set([0, 2]));
    }
  });

  it("picks one endpoint by default", () => {
    expect(weightedRandomPicker.load({})).toMatchObject({ parameters: { maxNumOfEndpoints: 1 } });
  });

  it.each([{ maxNumOfEndpoints: 0 }, { maxNumOfEndpoints: 1.5 }, { max: 1 }])(
    "refuses %j",
    (parameters) => {
      expect(weightedRandomPicker.load(parameters).kind).toBe("invalid");
    },
  );
});
