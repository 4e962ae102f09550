import { describe, expect, it } from "vitest";
import { AdapterSets } from "./adapter-sets.ts";

describe("AdapterSets", () => {
  it("keeps every set with the time it was shown last, in order of first appearance", () => {
    const sets = new AdapterSets();
    for (const [atS, adapters] of [[], ["a"], ["a", "b"], ["b", "a"], ["a"]].entries()) {
      sets.show(adapters, atS, 10);
    }
    expect(sets.shown()).toEqual([
      { adapters: [], atS: 0 },
      { adapters: ["a"], atS: 4 },
      { adapters: ["a", "b"], atS: 2 },
      { adapters: ["b", "a"], atS: 3 },
    ]);
  });

  it("drops the least recently shown set beyond its bound", () => {
    const sets = new AdapterSets();
    for (const [atS, name] of ["a", "b", "a", "c"].entries()) sets.show([name], atS, 2);
    expect(sets.shown().map(({ adapters }) => adapters)).toEqual([["a"], ["c"]]);
  });
});
