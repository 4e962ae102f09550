import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TpotObjectives } from "./tpot-objectives.ts";

describe("the objectives for TPOT in flight", () => {
  it("give the strictest of an endpoint until its request is over", () => {
    const objectives = new TpotObjectives();
    expect(objectives.strictestMs(0)).toBeUndefined();
    objectives.enter(0, 50);
    const leave = objectives.enter(0, 20);
    objectives.enter(1, 10);
    expect(objectives.strictestMs(0)).toBe(20);
    leave();
    expect(objectives.strictestMs(0)).toBe(50);
  });

  it("are the least of those that entered and did not leave, in any order", () => {
    const steps = fc.array(
      fc.record({ tpotMs: fc.integer({ min: 1, max: 9 }), which: fc.nat(20) }),
    );
    fc.assert(
      fc.property(steps, fc.infiniteStream(fc.boolean()), (all, leaves) => {
        const objectives = new TpotObjectives();
        const open: { tpotMs: number; leave: () => void }[] = [];
        for (const { tpotMs, which } of all) {
          const isLeaving = leaves.next().value === true && open.length > 0;
          if (isLeaving) open.splice(which % open.length, 1)[0]?.leave();
          else open.push({ tpotMs, leave: objectives.enter(0, tpotMs) });
          const least = Math.min(...open.map((each) => each.tpotMs));
          expect(objectives.strictestMs(0) ?? Infinity).toBe(least);
        }
      }),
    );
  });

  it("start afresh with another endpoint in the slot, whose requests an earlier one does not take out", () => {
    const objectives = new TpotObjectives();
    const leave = objectives.enter(0, 20);
    objectives.forget(0);
    objectives.enter(0, 20);
    leave();
    expect(objectives.strictestMs(0)).toBe(20);
  });
});
