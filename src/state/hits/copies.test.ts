import { expect, it } from "vitest";
import { Copies } from "./copies.ts";

/** 10,000 requests of 100 tokens for 8 endpoints, all at once. */
function busy(): Copies {
  const copies = new Copies();
  for (let request = 0; request < 10_000; request += 1) copies.note(100, 8, 0);
  return copies;
}

it("is one for a block with a fair share of the work, and rises with its share", () => {
  const copies = busy();
  // Of 1,000,000 tokens and the 8 x 8 x 100 that are assumed: ceil(8 x share / 1.25)
  expect([1, 125_000, 150_000, 500_000, 1_000_000].map((tokens) => copies.of(tokens))).toEqual([
    1, 1, 1, 4, 7,
  ]);
});

it("is one while there are few requests, of which each has a large share", () => {
  const copies = new Copies();
  copies.note(5_000, 8, 0);
  expect(copies.of(5_000)).toBe(1);
});

it("is never more than the endpoints, and one before the first request", () => {
  expect(new Copies().of(1_000)).toBe(1);
  expect(busy().of(1e12)).toBe(8);
});
