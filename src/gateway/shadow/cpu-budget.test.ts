import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { seededRandom } from "../../std/random.ts";
import { CpuBudget } from "./cpu-budget.ts";

interface Load {
  readonly share: number;
  readonly perSecond: number;
  readonly learnMs: number;
  readonly compareMs: number;
  readonly seconds: number;
}

/** Evenly spaced requests; returns the time spent in the second half, as a share of it. */
function usedBy(budget: CpuBudget, { perSecond, learnMs, compareMs, seconds }: Load): number {
  const random = seededRandom(3);
  let halfMs = 0;
  for (let count = 0; count < perSecond * seconds; count += 1) {
    const nowMs = (count * 1_000) / perSecond;
    const work = budget.workOn(nowMs, { learn: random, compare: random });
    if (work !== undefined) budget.spent(work === "learn" ? learnMs : learnMs + compareMs);
    if (nowMs < (seconds * 1_000) / 2) halfMs = budget.totalMs;
  }
  return (budget.totalMs - halfMs) / ((seconds * 1_000) / 2);
}

const aLoad = fc.record({
  share: fc.double({ min: 0.005, max: 0.5, noNaN: true }),
  perSecond: fc.integer({ min: 1, max: 2_000 }),
  learnMs: fc.double({ min: 0.001, max: 1, noNaN: true }),
  compareMs: fc.double({ min: 0.001, max: 1, noNaN: true }),
  seconds: fc.constant(30),
});

describe("CpuBudget", () => {
  it("stays within its share of the time, whatever requests cost", () => {
    fc.assert(
      fc.property(aLoad, (load) => {
        // A window is cut off at 1.25 of its budget, after the request that exceeds it.
        const lastMs = (load.learnMs + load.compareMs) / 1_000;
        const used = usedBy(new CpuBudget(load.share), load);
        expect(used).toBeLessThanOrEqual(load.share * 1.25 + lastMs + 1e-9);
      }),
      { numRuns: 60 },
    );
  });

  it("compares every request while the budget allows it", () => {
    const budget = new CpuBudget(0.1);
    // 100 x 0.5 ms are half of 100 ms.
    usedBy(budget, { share: 0.1, perSecond: 100, learnMs: 0.2, compareMs: 0.3, seconds: 10 });
    expect([budget.learned, budget.compared]).toEqual([1, 1]);
  });

  it("learns from every request as long as learning alone fits, and compares fewer", () => {
    const budget = new CpuBudget(0.1);
    // Learning takes 20 ms of 100 ms a second, and comparing 200 ms.
    usedBy(budget, { share: 0.1, perSecond: 200, learnMs: 0.1, compareMs: 1, seconds: 60 });
    expect(budget.learned).toBe(1);
    // (80 - 20) / 200
    expect(budget.compared).toBeGreaterThan(0.1);
    expect(budget.compared).toBeLessThan(0.5);
  });

  it("recovers from one slow request within seconds", () => {
    const budget = new CpuBudget(0.02);
    budget.workOn(0, { learn: () => 0, compare: () => 0 });
    budget.spent(900);
    usedBy(budget, { share: 0.02, perSecond: 50, learnMs: 0.05, compareMs: 0.05, seconds: 12 });
    expect(budget.compared).toBe(1);
  });
});
