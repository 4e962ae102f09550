import { describe, expect, it } from "vitest";
import { type Activity, nextIntervalMs, nextStretch, type Pace, stretchedMs } from "./pace.ts";

const pace: Pace = {
  intervalMs: 50,
  calmIntervalMs: 200,
  idleIntervalMs: 1_000,
  backoffMsMax: 1_000,
};
const idle: Activity = {
  isBusy: false,
  isSentTo: false,
  hasChanged: false,
  isDeciding: false,
  failuresInRow: 0,
  intervalMs: 50,
};
const after = (activity: Partial<Activity>) => nextIntervalMs(pace, { ...idle, ...activity });

describe("the interval of an endpoint", () => {
  it("is the shortest if requests were sent to it, or if it changes while others get some", () => {
    expect(after({ isSentTo: true, intervalMs: 1_000 })).toBe(50);
    expect(after({ isDeciding: true, hasChanged: true, intervalMs: 1_000 })).toBe(50);
  });

  it("doubles up to the calm one while it works and does not change", () => {
    expect([50, 100, 200].map((intervalMs) => after({ isBusy: true, intervalMs }))).toEqual([
      100, 200, 200,
    ]);
    // It was scraped seldom before its request came.
    expect(after({ isBusy: true, intervalMs: 1_000 })).toBe(200);
  });

  it("doubles up to the idle one while nothing happens, decisions or not", () => {
    expect([50, 400, 800].map((intervalMs) => after({ intervalMs }))).toEqual([100, 800, 1_000]);
    expect(after({ isDeciding: true, intervalMs: 400 })).toBe(800);
    expect(after({ hasChanged: true, intervalMs: 400 })).toBe(800);
  });

  it("doubles with every failure up to the longest pause, however busy", () => {
    const busy = { isDeciding: true, isBusy: true, isSentTo: true };
    // 50 x 2, 50 x 2^4, and the bound.
    expect([1, 4, 5, 5_000].map((failuresInRow) => after({ ...busy, failuresInRow }))).toEqual([
      100, 800, 1_000, 1_000,
    ]);
  });

  it("is never below the shortest, whatever the others are", () => {
    const slow = { ...pace, intervalMs: 5_000 };
    expect(nextIntervalMs(slow, { ...idle, intervalMs: 5_000 })).toBe(5_000);
    expect(nextIntervalMs(slow, { ...idle, failuresInRow: 3 })).toBe(5_000);
  });
});

describe("a stretched interval", () => {
  it("affects idle endpoints first, and busy ones once those are at their limit", () => {
    expect([1, 2, 4, 8].map((stretch) => stretchedMs(100, stretch, false))).toEqual([
      100, 200, 400, 800,
    ]);
    expect([1, 2, 4, 8].map((stretch) => stretchedMs(100, stretch, true))).toEqual([
      100, 100, 100, 200,
    ]);
  });

  it("ends at five seconds, unless it was longer before", () => {
    expect(stretchedMs(1_000, 8, false)).toBe(5_000);
    expect(stretchedMs(20_000, 8, false)).toBe(20_000);
  });
});

describe("the stretch of all intervals", () => {
  it("settles where scraping uses its budget", () => {
    // It would use 80 % of a core, and work is proportional to 1 / stretch.
    let stretch = 1;
    for (let step = 0; step < 10; step += 1) {
      stretch = nextStretch(stretch, { usedRatio: 0.8 / stretch, budgetRatio: 0.2 });
    }
    expect(stretch).toBeCloseTo(4, 6);
  });

  it("is 1 below the budget, also after it was more", () => {
    expect(nextStretch(1, { usedRatio: 0.01, budgetRatio: 0.2 })).toBe(1);
    expect(nextStretch(4, { usedRatio: 0.01, budgetRatio: 0.2 })).toBe(2);
    expect(nextStretch(2, { usedRatio: 0, budgetRatio: 0.2 })).toBe(1);
  });

  it("at most doubles in a step and ends at 40", () => {
    expect(nextStretch(1, { usedRatio: 1, budgetRatio: 0.01 })).toBe(2);
    expect(nextStretch(39, { usedRatio: 1, budgetRatio: 0.01 })).toBe(40);
  });
});
