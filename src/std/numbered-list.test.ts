import fc from "fast-check";
import { expect, it } from "vitest";
import { NumberedList } from "./numbered-list.ts";

it("holds the items that a Map holds, whatever comes and goes", () => {
  // A new item, or the end of one by its share of all numbers so far.
  const step = fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { nil: undefined });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const list = new NumberedList<{ readonly id: number }>();
      const reference = new Map<number, { readonly id: number }>();
      let last = -1;
      for (const share of steps) {
        if (share === undefined) {
          const item = { id: (last += 2) };
          list.add(item);
          reference.set(item.id, item);
        } else {
          const id = Math.round((share * last) / 2) * 2 + 1;
          list.delete(id);
          reference.delete(id);
        }
        expect(list.size).toBe(reference.size);
      }
      expect(list.all()).toEqual([...reference.values()]);
      for (let id = 0; id <= last + 2; id += 1) expect(list.get(id)).toBe(reference.get(id));
      list.clear();
      expect([list.size, list.get(1)]).toEqual([0, undefined]);
    }),
  );
});
