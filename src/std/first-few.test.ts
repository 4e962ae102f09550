import { expect, it } from "vitest";
import { firstFew } from "./first-few.ts";

it.each([
  { items: [], max: 2, shown: [] },
  { items: ["a", "b"], max: 2, shown: ["a", "b"] },
  { items: ["a", "b", "c"], max: 2, shown: ["a", "b", "and 1 more"] },
  { items: ["a", "b", "c", "d"], max: 2, shown: ["a", "b", "and 2 more"] },
])("shows $shown of $items", ({ items, max, shown }) => {
  expect(firstFew(items, max)).toEqual(shown);
});

it("shows ten by default", () => {
  const names = Array.from({ length: 12 }, (_, index) => `pod-${index}`);
  expect(firstFew(names)).toEqual([...names.slice(0, 10), "and 2 more"]);
});
