import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { StartTimes } from "./start-times.ts";

/** Number of restarts found over reports; "refused" stands for a refused connection. */
function restartsIn(reports: readonly (number | "refused" | undefined)[]): number {
  const times = new StartTimes();
  let before: number | undefined;
  let restarts = 0;
  for (const report of reports) {
    if (report === "refused") {
      times.refused();
      continue;
    }
    const now = times.engineStart(report);
    if (before !== undefined && now !== undefined && now > before) restarts += 1;
    before = now;
  }
  return restarts;
}

const times = <T>(count: number, ...reports: readonly T[]): T[] =>
  Array.from({ length: count }, () => reports).flat();

describe("the start times of processes behind one port", () => {
  it.each<readonly [string, readonly (number | "refused" | undefined)[], number]>([
    ["one process that stays", times(50, 100), 0],
    ["two workers that alternate", times(50, 100, 105), 0],
    ["a newer worker that answers for a while", [100, ...times(15, 105), 100, 105, 105], 0],
    [
      "workers that come one by one",
      [100, 101, 100, 102, 101, 103, 102, 100, ...times(9, 103, 101)],
      0,
    ],
    ["an older worker that is met late", [105, ...times(30, 100), 105], 0],
    ["workers of which some do not report", times(20, 100, undefined, 105, undefined), 0],
    [
      "a worker that is replaced while others stay",
      [...times(20, 100, 105), ...times(30, 900, 105)],
      0,
    ],
    ["a restart after refused connections", [100, "refused", "refused", 250], 1],
    ["a restart between two reports", [100, ...times(16, 250)], 1],
    ["a restart that has been seen too short a time", [100, ...times(15, 250)], 0],
    ["two restarts", [100, "refused", 250, 250, "refused", 400], 2],
    ["a restart of all workers", [...times(9, 100, 105), ...times(8, 250, 255)], 1],
    [
      "a restart of workers after refused connections",
      [100, 105, 100, "refused", 255, ...times(9, 250, 255)],
      1,
    ],
    ["a refused connection and the same process", [100, "refused", 100, 105, 100], 0],
    ["a clock that went back", [100, "refused", ...times(30, 90)], 0],
  ])("%s", (_, reports, restarts) => {
    expect(restartsIn(reports)).toBe(restarts);
  });

  it("are asked for over new connections until the meaning of a newer one is clear", () => {
    const known = new StartTimes();
    const uncertain = [100, 105, 105, 100, 105].map((report) => {
      known.engineStart(report);
      return known.isUncertain;
    });
    expect(uncertain).toEqual([false, true, true, false, false]);
  });

  it("continue from earlier findings", () => {
    const known = new StartTimes(100);
    expect(known.engineStart(undefined)).toBe(100);
    expect(known.engineStart(105)).toBe(100);
    expect(known.engineStart(100)).toBe(100);
  });

  it("never mean a restart while every process answers once in 15 reports", () => {
    const workers = fc.uniqueArray(fc.integer({ min: 1, max: 1_000 }), {
      minLength: 1,
      maxLength: 8,
    });
    const rounds = workers.chain((all) =>
      fc.array(fc.shuffledSubarray(all, { minLength: all.length }), {
        minLength: 1,
        maxLength: 20,
      }),
    );
    fc.assert(
      fc.property(rounds, (order) => {
        expect(restartsIn(order.flat())).toBe(0);
      }),
    );
  });
});
