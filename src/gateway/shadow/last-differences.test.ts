import { expect, it } from "vitest";
import { LastDifferences } from "./last-differences.ts";

it.each([0, 3, 50, 51, 130])("keeps the last 50 of %i, the latest one first", (count) => {
  const differences = new LastDifferences();
  for (let number = 0; number < count; number += 1) {
    differences.add({
      wallMs: number * 1_000,
      requestId: `${number}`,
      model: "m",
      picked: "a",
      shadowPick: "b",
      reason: "tie",
      ttftDifferenceMs: null,
      hitDifferenceTokens: null,
    });
  }
  const listed = differences.list();
  const expected = Array.from({ length: Math.min(50, count) }, (_, index) => count - 1 - index);
  expect(listed.map(({ requestId }) => Number(requestId))).toEqual(expected);
  expect(listed.map(({ at }) => Date.parse(at) / 1_000)).toEqual(expected);
});
