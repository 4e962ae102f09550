import { describe, expect, it } from "vitest";
import { DecodePace } from "./decode-pace.ts";

/** A pace that has learned 20 ms per token from this many answers of each of two endpoints. */
function paceAfter(answers: number): DecodePace {
  const pace = new DecodePace();
  for (let answer = 0; answer < answers; answer += 1) {
    pace.note(0, 5, 20);
    pace.note(1, 5, 20);
  }
  return pace;
}

describe("the time per further token", () => {
  it("is that of a usual engine before any answer, and grows with the requests there", () => {
    expect(new DecodePace().tpotMs(0, 1)).toBeCloseTo(20, 9);
    expect(new DecodePace().tpotMs(0, 32)).toBeCloseTo(30, 9);
  });

  it("is learned for each endpoint, and forgotten with it", () => {
    const pace = paceAfter(100);
    for (let answer = 0; answer < 100; answer += 1) pace.note(1, 5, 40);
    expect(pace.tpotMs(1, 5)).toBeGreaterThan(1.5 * pace.tpotMs(0, 5));
    pace.forget(1);
    expect(pace.tpotMs(1, 5)).toBe(pace.tpotMs(2, 5));
  });

  it.each([
    ["answers that came at once", 0],
    ["answers of more tokens than any engine makes", 1e-300],
    ["clients that read nothing", 1e300],
  ])("stays a number after many %s", (_, ms) => {
    const pace = new DecodePace();
    for (let answer = 0; answer < 100_000; answer += 1) pace.note(0, 5, ms);
    for (let answer = 0; answer < 2_000; answer += 1) pace.note(0, 5, 20);
    // Of an endpoint without answers of its own too.
    for (const slot of [0, 1]) {
      expect(pace.tpotMs(slot, 5)).toBeGreaterThan(0);
      expect(pace.tpotMs(slot, 5)).toBeLessThan(Number.POSITIVE_INFINITY);
    }
  });

  it("is hardly moved by one client that reads a token an hour", () => {
    const pace = paceAfter(100);
    pace.note(1, 5, 3_600_000);
    // One sample of at most 10 x 20 ms among about 100 of 20 ms.
    expect(pace.tpotMs(0, 5)).toBeLessThan(23);
  });
});
