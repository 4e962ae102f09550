import { expect, it } from "vitest";
import { aPrefixMatch } from "#test/support/request-data.ts";
import { matchColumnsOf } from "./match-columns.ts";

it("makes columns of a match that has none, up to the highest slot", () => {
  const match = aPrefixMatch({ totalBlocks: 4, matchedBlocks: [1, 0, 3], blockTokens: 32 });
  const { matchedBlocks, blockTokens } = matchColumnsOf(match, Int32Array.of(2, 0));
  // Slot 1 was not asked for.
  expect([...matchedBlocks]).toEqual([1, 0, 3]);
  expect([...blockTokens]).toEqual([32, 0, 32]);
});

it("takes the columns of a match that has them", () => {
  const columns = { matchedBlocks: new Uint32Array(3), blockTokens: new Float64Array(3) };
  const match = { ...aPrefixMatch({ totalBlocks: 4, matchedBlocks: [] }), columns };
  expect(matchColumnsOf(match, Int32Array.of(0))).toBe(columns);
});
