import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { seededRandom } from "../../std/random.ts";
import { CpuBudget } from "./cpu-budget.ts";

interface Load {
  readonly share: number;
  /** Share of the time for which the event loop is busy. */
  readonly busyShare: number;
  readonly perSecond: number;
  readonly learnMs: number;
  readonly compareMs: number;
  readonly seconds: number;
}

const usual: Load = {
  share: 0.1,
  busyShare: 1,
  perSecond: 200,
  learnMs: 0.1,
  compareMs: 0.1,
  seconds: 30,
};

/** A budget of a share, and the time of its event loop. */
function aBudget({ share, busyShare }: Pick<Load, "share" | "busyShare">) {
  const time = { nowMs: 0 };
  return { time, budget: new CpuBudget(share, () => time.nowMs * busyShare) };
}

/** Evenly spaced requests; returns the time spent in the second half, as a share of it. */
function usedBy(
  { budget, time }: ReturnType<typeof aBudget>,
  { perSecond, learnMs, compareMs, seconds }: Load,
): number {
  const random = seededRandom(3);
  let halfMs = 0;
  for (let count = 0; count < perSecond * seconds; count += 1) {
    time.nowMs = (count * 1_000) / perSecond;
    const work = budget.workOn(time.nowMs, { learn: random, compare: random });
    if (work !== undefined) budget.spent(work === "learn" ? learnMs : learnMs + compareMs);
    if (time.nowMs < (seconds * 1_000) / 2) halfMs = budget.totalMs;
  }
  return (budget.totalMs - halfMs) / ((seconds * 1_000) / 2);
}

const aLoad = fc.record({
  share: fc.double({ min: 0.005, max: 0.5, noNaN: true }),
  busyShare: fc.double({ min: 0, max: 1, noNaN: true }),
  perSecond: fc.integer({ min: 1, max: 2_000 }),
  learnMs: fc.double({ min: 0.001, max: 1, noNaN: true }),
  compareMs: fc.double({ min: 0.001, max: 1, noNaN: true }),
  seconds: fc.constant(30),
});

describe("CpuBudget", () => {
  it("stays within its share of the busy time, and a thousandth of all time, whatever requests cost", () => {
    fc.assert(
      fc.property(aLoad, (load) => {
        // A window is cut off at 1.25 of its budget, after the request that exceeds it.
        const lastMs = (load.learnMs + load.compareMs) / 1_000;
        const used = usedBy(aBudget(load), load);
        const allowed = Math.max(0.001, load.share * load.busyShare);
        expect(used).toBeLessThanOrEqual(allowed * 1.25 + lastMs + 1e-9);
      }),
      { numRuns: 60 },
    );
  });

  it("compares every request while the budget allows it", () => {
    const made = aBudget(usual);
    // 100 x 0.5 ms are half of 100 ms.
    usedBy(made, { ...usual, perSecond: 100, learnMs: 0.2, compareMs: 0.3, seconds: 10 });
    expect([made.budget.learned, made.budget.compared]).toEqual([1, 1]);
    expect(made.budget.used).toBeCloseTo(0.05, 2);
  });

  it("compares every one of few requests, though the event loop is hardly busy", () => {
    const made = aBudget({ share: 0.02, busyShare: 0.002 });
    usedBy(made, { ...usual, perSecond: 2, learnMs: 0.1, compareMs: 0.2 });
    expect([made.budget.learned, made.budget.compared]).toEqual([1, 1]);
  });

  it("learns from every request as long as learning alone fits, and compares fewer", () => {
    const made = aBudget(usual);
    // Learning takes 20 ms of 100 ms a second, and comparing 200 ms.
    usedBy(made, { ...usual, compareMs: 1, seconds: 60 });
    expect(made.budget.learned).toBe(1);
    // (80 - 20) / 200
    expect(made.budget.compared).toBeGreaterThan(0.1);
    expect(made.budget.compared).toBeLessThan(0.5);
  });

  it("recovers from one slow request within seconds", () => {
    const made = aBudget({ share: 0.02, busyShare: 1 });
    made.budget.workOn(0, { learn: () => 0, compare: () => 0 });
    made.budget.spent(900);
    usedBy(made, { ...usual, perSecond: 50, learnMs: 0.05, compareMs: 0.05, seconds: 12 });
    expect(made.budget.compared).toBe(1);
  });

  it("keeps its shares while work beyond it has to be done, and counts that", () => {
    const made = aBudget(usual);
    usedBy(made, { ...usual, seconds: 5 });
    made.budget.spentBeyond(10_000);
    const before = made.budget.totalMs;
    usedBy(made, { ...usual, seconds: 5 });
    expect([made.budget.learned, made.budget.compared]).toEqual([1, 1]);
    expect(before).toBeGreaterThan(10_000);
  });
});
