import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Picker } from "../../src/core/data-plane-plugin.ts";
import { type Random, seededRandom } from "../../src/std/random.ts";

/** Builds the picker under test with its `maxNumOfEndpoints` and a source of chance. */
export type PickerFactory = (maxNumOfEndpoints: number, random: Random) => Picker;

/** Weights times scores: never negative, often equal. */
const totals = fc
  .array(fc.oneof(fc.constantFrom(0, 0.5, 1), fc.double({ min: 0, max: 100, noNaN: true })), {
    maxLength: 40,
  })
  .map((values) => Float64Array.from(values));

const seed = fc.integer();

/** What every picker owes the scheduler, however it chooses. */
export function itKeepsThePickerContract(pickerOf: PickerFactory): void {
  describe.each([1, 2, 5, 1_000])("with maxNumOfEndpoints %i", (maxNumOfEndpoints) => {
    it("picks distinct candidates and not too many", () => {
      fc.assert(
        fc.property(totals, seed, (judged, chance) => {
          const picked = pickerOf(maxNumOfEndpoints, seededRandom(chance)).pick(judged);
          expect(picked.filter((index) => !isIndexOf(judged, index))).toEqual([]);
          expect(new Set(picked).size).toBe(picked.length);
          expect(picked.length).toBeLessThanOrEqual(maxNumOfEndpoints);
        }),
      );
    });

    it("picks nothing only where there is nothing", () => {
      fc.assert(
        fc.property(totals, seed, (judged, chance) => {
          const picked = pickerOf(maxNumOfEndpoints, seededRandom(chance)).pick(judged);
          expect(picked.length === 0).toBe(judged.length === 0);
        }),
      );
    });

    it("leaves the totals as they are", () => {
      fc.assert(
        fc.property(totals, (judged) => {
          const before = Float64Array.from(judged);
          pickerOf(maxNumOfEndpoints, seededRandom(1)).pick(judged);
          expect(judged).toEqual(before);
        }),
      );
    });
  });

  it("picks the same again from the same chance", () => {
    fc.assert(
      fc.property(totals, seed, (judged, chance) => {
        const pick = () => pickerOf(3, seededRandom(chance)).pick(judged);
        expect(pick()).toEqual(pick());
      }),
    );
  });
}

/** What a picker that goes by totals owes beside the contract. */
export function itPicksBestFirst(pickerOf: PickerFactory): void {
  it.each([1, 2, 5, 1_000])("puts the best %i first, in order", (maxNumOfEndpoints) => {
    fc.assert(
      fc.property(totals, seed, (judged, chance) => {
        const picked = pickerOf(maxNumOfEndpoints, seededRandom(chance)).pick(judged);
        const best = [...judged].toSorted((a, b) => b - a).slice(0, maxNumOfEndpoints);
        expect(picked.map((index) => judged[index])).toEqual(best);
      }),
    );
  });
}

function isIndexOf(judged: Float64Array, index: number): boolean {
  return Number.isInteger(index) && index >= 0 && index < judged.length;
}
