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
      tree.clear();
      expect([tree.total, tree.sumAfter(0)]).toEqual([0, 0]);
    }),
  );
});
