import fc from "fast-check";
import { expect, it } from "vitest";
import { UnorderedList } from "./unordered-list.ts";

it("holds the items that were added and not deleted, in any order of both", () => {
  const step = fc.record({ isAdded: fc.boolean(), at: fc.nat() });
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const list = new UnorderedList<{ place: number }>();
      const expected = new Set<{ place: number }>();
      for (const { isAdded, at } of steps) {
        if (isAdded || expected.size === 0) {
          const item = { place: -1 };
          expected.add(item);
          list.add(item);
          list.add(item);
        } else {
          const item = [...expected][at % expected.size];
          if (item === undefined) throw new Error("the set is not empty");
          expected.delete(item);
          if (!list.delete(item) || list.delete(item)) throw new Error("it leaves once");
        }
        expect(list.size).toBe(expected.size);
      }
      expect(new Set(list.list())).toEqual(expected);
      expect(new Set(list.takeAll())).toEqual(expected);
      expect([list.size, ...[...expected].filter(({ place }) => place !== -1)]).toEqual([0]);
    }),
  );
});
