import fc from "fast-check";
import { expect, it } from "vitest";
import { FenwickTree } from "./fenwick-tree.ts";

it("sums the places after any place", () => {
  const changes = fc.array(fc.tuple(fc.integer({ min: 1, max: 40 }), fc.integer()), {
    maxLength: 60,
  });
  fc.assert(
    fc.property(changes, fc.integer({ min: 0, max: 40 }), (all, place) => {
      const tree = new FenwickTree(40);
      const plain = new Int32Array(41);
      for (const [at, change] of all) {
        const small = change % 1_000;
        tree.add(at, small);
        plain[at] = (plain[at] ?? 0) + small;
      }
      const after = plain.slice(place + 1).reduce((sum, number) => sum + number, 0);
      expect(tree.sumAfter(place)).toBe(after);
      // As if they had been added one by one, up to any place.
      const again = new FenwickTree(40);
      again.replace(place, (at) => plain[at] ?? 0);
      for (let at = 0; at <= 40; at += 1) {
        const wanted = plain.slice(at + 1, place + 1).reduce((sum, number) => sum + number, 0);
        expect(again.sumAfter(at)).toBe(wanted);
      }
    }),
  );
});
