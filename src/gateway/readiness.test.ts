import { describe, expect, it } from "vitest";
import { Readiness } from "./readiness.ts";

describe("readiness", () => {
  it("begins when every need is met, and ends when one is lost", () => {
    const readiness = new Readiness(["pool", "leadership"]);
    const changes: boolean[] = [];
    readiness.onChange((isReady) => changes.push(isReady));
    expect(readiness.isReady).toBe(false);
    readiness.set("pool", true);
    expect(readiness.reasons).toEqual(["this replica is not the leader"]);
    readiness.set("leadership", true);
    expect(readiness.isReady).toBe(true);
    readiness.set("pool", false);
    expect(readiness.isReady).toBe(false);
    expect(readiness.reasons).toEqual(["the pool is not known"]);
    expect(changes).toEqual([true, false]);
  });

  it("does not come back once draining has begun", () => {
    const readiness = new Readiness(["pool"]);
    readiness.drain();
    readiness.set("pool", true);
    expect(readiness.isReady).toBe(false);
    expect(readiness.reasons).toEqual(["draining"]);
  });
});
