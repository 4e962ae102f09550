import { expect, it } from "vitest";
import { setLatest } from "./set-latest.ts";

it("drops the entry that was set longest ago", () => {
  const map = new Map<string, number>();
  for (const entry of [
    ["a", 1],
    ["b", 2],
    ["a", 3],
    ["c", 4],
  ] as const)
    setLatest(map, entry, 2);
  expect([...map]).toEqual([
    ["a", 3],
    ["c", 4],
  ]);
});
