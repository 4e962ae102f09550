import { describe, expect, it } from "vitest";
import { windowMs, windowPartMs, WindowSums } from "./window-sums.ts";

describe("sums over the window", () => {
  it("keep what is at most 50 minutes old, and drop it after an hour", () => {
    const sums = new WindowSums(1);
    const startMs = 123 * windowPartMs;
    sums.at(startMs)[0] = 5;
    expect(sums.total(startMs + windowMs - windowPartMs)[0]).toBe(5);
    expect(sums.total(startMs + windowMs)[0]).toBe(0);
  });

  it("add up the parts", () => {
    const sums = new WindowSums(2);
    for (let part = 0; part < 20; part += 1) {
      const now = sums.at(part * windowPartMs);
      now[1] = (now[1] ?? 0) + 1;
    }
    // Six parts of ten minutes.
    expect([...sums.total(19 * windowPartMs)]).toEqual([0, 6]);
  });

  it("are empty after a pause, whatever part it ends in", () => {
    const sums = new WindowSums(1);
    sums.at(0)[0] = 1;
    expect(sums.total(100 * windowMs)[0]).toBe(0);
    sums.at(100 * windowMs)[0] = 2;
    expect(sums.total(100 * windowMs + 1)[0]).toBe(2);
  });
});
