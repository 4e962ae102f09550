import { describe, expect, it } from "vitest";
import { Backoff } from "./backoff.ts";

describe("a backoff", () => {
  it("doubles its pauses up to the limit, less up to half of each", () => {
    const longest = new Backoff({ firstMs: 100, maxMs: 500 }, () => 1);
    expect([1, 2, 3, 4, 5].map(() => longest.next())).toEqual([100, 200, 400, 500, 500]);
    const shortest = new Backoff({ firstMs: 100, maxMs: 500 }, () => 0);
    expect([1, 2, 3, 4].map(() => shortest.next())).toEqual([50, 100, 200, 250]);
  });

  it("begins anew after a success", () => {
    const backoff = new Backoff({ firstMs: 100, maxMs: 500 }, () => 1);
    backoff.next();
    backoff.next();
    backoff.reset();
    expect(backoff.next()).toBe(100);
  });
});
