import fc from "fast-check";
import { expect, it } from "vitest";
import { OpenRequests } from "./open-requests.ts";

it("holds the requests that were added and not deleted, in any order of both", () => {
  const step = fc.record({ isAdded: fc.boolean(), at: fc.nat() });
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const open = new OpenRequests<{ place: number }>();
      const expected = new Set<{ place: number }>();
      for (const { isAdded, at } of steps) {
        if (isAdded || expected.size === 0) {
          const request = { place: 0 };
          expected.add(request);
          open.add(request);
        } else {
          const request = [...expected][at % expected.size];
          if (request === undefined) throw new Error("the set is not empty");
          expected.delete(request);
          open.delete(request);
        }
        expect(open.size).toBe(expected.size);
      }
      expect(new Set(open.list())).toEqual(expected);
    }),
  );
});
