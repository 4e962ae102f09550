import fc from "fast-check";
import { expect, it } from "vitest";
import { BestTotals } from "./best-totals.ts";

it("finds the totals that a sort would put first, whatever it found before", () => {
  const count = fc.constantFrom(9, 30, 60);
  const totals = count.chain((length) =>
    fc.array(fc.integer({ min: 0, max: 30 }), { minLength: length, maxLength: length }),
  );
  fc.assert(
    fc.property(fc.array(totals, { minLength: 1, maxLength: 6 }), (calls) => {
      const best = new BestTotals(8);
      for (const all of calls) {
        const found = [...best.of(Float64Array.from(all))];
        const expected = all.toSorted((a, b) => b - a).slice(0, 8);
        expect(new Set(found).size).toBe(found.length);
        expect(found.map((index) => all[index]).toSorted((a = 0, b = 0) => b - a)).toEqual(
          expected,
        );
        expect(all[found[0] ?? 0]).toBe(expected.at(-1));
      }
    }),
  );
});
