import { describe, expect, it } from "vitest";
import { itKeepsThePickerContract, itPicksBestFirst } from "#test/contract/picker.ts";
import { pluginDeps } from "#test/support/plugin-deps.ts";
import { seededRandom } from "../../../std/random.ts";
import type { PluginDeps } from "../../../core/data-plane-plugin.ts";
import { maxScorePicker } from "./max-score.ts";

const pickerOf = (maxNumOfEndpoints: number, random: PluginDeps["random"]) =>
  maxScorePicker.create({ maxNumOfEndpoints }, pluginDeps({ random }));

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

describe("max-score-picker", () => {
  itKeepsThePickerContract(pickerOf);
  itPicksBestFirst(pickerOf);

  it("picks the highest total", () => {
    const picker = pickerOf(1, seededRandom(1));
    expect(picker.pick(Float64Array.of(0.2, 0.9, 0.5))).toEqual([1]);
  });

  it("picks the highest three in order", () => {
    const picker = pickerOf(3, seededRandom(1));
    expect(picker.pick(Float64Array.of(0.2, 0.9, 0.5, 0.7, 0.1))).toEqual([1, 3, 2]);
  });

  it("picks all candidates if there are fewer than the maximum", () => {
    expect(pickerOf(5, seededRandom(1)).pick(Float64Array.of(0.2, 0.9))).toEqual([1, 0]);
  });

  // 3 of 4 tie: 9,000 draws give 3,000 each with a standard deviation of
  // sqrt(9,000 x 1/3 x 2/3) = 45; four of those are 180.
  it.each([1, 4])("breaks ties evenly, picking %i", (maxNumOfEndpoints) => {
    const [tied, worse, tiedToo, tiedThree] = firstsIn(9_000, [2, 1, 2, 2], maxNumOfEndpoints);
    expect(worse).toBe(0);
    for (const count of [tied, tiedToo, tiedThree]) {
      expect(Math.abs((count ?? 0) - 3_000)).toBeLessThan(180);
    }
  });

  it("breaks ties in every order after the first too", () => {
    const picker = pickerOf(3, seededRandom(7));
    const orders = new Set<string>();
    for (let draw = 0; draw < 200; draw += 1) {
      orders.add(picker.pick(Float64Array.of(1, 1, 1)).join());
    }
    // 3! orders
    expect(orders.size).toBe(6);
  });

  it("draws no random number if one is best", () => {
    const picker = pickerOf(1, () => {
      throw new Error("no tie to break");
    });
    expect(picker.pick(Float64Array.of(0.2, 0.9, 0.5))).toEqual([1]);
  });

  it.each([{ maxNumOfEndpoints: 0 }, { maxNumOfEndpoints: 1.5 }, { max: 1 }])(
    "refuses %j",
    (parameters) => {
      expect(maxScorePicker.load(parameters).kind).toBe("invalid");
    },
  );

  it("picks one endpoint by default", () => {
    expect(maxScorePicker.load({})).toMatchObject({ parameters: { maxNumOfEndpoints: 1 } });
  });
});
