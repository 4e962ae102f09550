import { describe, expect, it } from "vitest";
import { standingCodes } from "../../core/pool-snapshot.ts";
import { StandingColumns, type StandingRow } from "./standing.ts";

const aRow = (slot: number, parts: Partial<StandingRow>): StandingRow => ({
  endpoint: { slot },
  phase: "ready",
  isDead: false,
  trialsOpen: 0,
  sinceMs: 0,
  ...parts,
});

describe("the standing of endpoints in columns", () => {
  it("has the limits of each endpoint", () => {
    const standing = new StandingColumns(8);
    const rows = [
      aRow(1, { phase: "ejected" }),
      aRow(2, { phase: "ejected", isDead: true }),
      aRow(3, { phase: "trial" }),
      aRow(4, { phase: "trial", trialsOpen: 1 }),
      aRow(5, { phase: "slow-start", sinceMs: 1_000 }),
      aRow(6, { phase: "slow-start", sinceMs: 3_900 }),
    ];
    expect(standing.hasExceptions).toBe(false);
    standing.write(rows, { slowStartMs: 10_000, nowMs: 4_000, count: 8 });
    expect(standing.hasExceptions).toBe(true);
    expect([...standing.codes]).toEqual([
      standingCodes.well,
      standingCodes.ejected,
      standingCodes.dead,
      standingCodes.trial,
      standingCodes.trial,
      standingCodes.starting,
      standingCodes.starting,
      standingCodes.well,
    ]);
    expect([standing.trialPlaces[3], standing.trialPlaces[4]]).toEqual([1, 0]);
    // 3 s of 10, and 0.1 s, which is less than the least share.
    expect([standing.startRatios[5], standing.startRatios[6]]).toEqual([0.3, 0.1]);
  });

  it("forgets earlier exceptions", () => {
    const standing = new StandingColumns(4);
    const now = { slowStartMs: 10_000, nowMs: 0, count: 4 };
    standing.write([aRow(0, { phase: "ejected" }), aRow(2, { phase: "trial" })], now);
    standing.write([aRow(2, { phase: "ejected" })], now);
    expect([...standing.codes]).toEqual([0, 0, standingCodes.ejected, 0]);
    standing.write([], now);
    expect([...standing.codes]).toEqual([0, 0, 0, 0]);
    expect(standing.hasExceptions).toBe(false);
  });

  it("is in memory that threads can share", () => {
    const { codes, trialPlaces, startRatios } = new StandingColumns(4);
    for (const column of [codes, trialPlaces, startRatios]) {
      expect(column.buffer).toBeInstanceOf(SharedArrayBuffer);
    }
  });
});
