import fc from "fast-check";
import { expect, it } from "vitest";
import { ScoreRows } from "./score-rows.ts";

it("gives each decision the memory of the one before", () => {
  const rows = new ScoreRows();
  const first = rows.take(3);
  rows.begin();
  expect(rows.take(3)).toBe(first);
});

it("gives the rows of one decision separate memory, of the length that was asked for", () => {
  const counts = fc.array(fc.nat({ max: 20 }), { maxLength: 8 });
  fc.assert(
    fc.property(fc.array(counts, { maxLength: 10 }), (decisions) => {
      const rows = new ScoreRows();
      for (const each of decisions) {
        rows.begin();
        const taken = each.map((count, index) => rows.take(count).fill(index));
        expect(taken.map((row) => Array.from(row))).toEqual(
          each.map((length, index) => Array.from({ length }, () => index)),
        );
      }
    }),
  );
});
