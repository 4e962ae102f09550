import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HeldRig } from "#test/support/held-rig.ts";

describe("requests that would wait in an engine", () => {
  it("pass at once while their engine has room, and are held while it has none", async () => {
    const rig = new HeldRig({ engines: 1, limitMs: 300 });
    const sent = [rig.send(400), rig.send(100), rig.send(100)];
    expect(sent.map(({ outcome }) => outcome)).toEqual(["sent", "waits", "waits"]);
    expect(rig.flow.size).toBe(2);
    // After 125 ms, 275 ms of the first are left: room for one more.
    await rig.clock.advance(125);
    expect(sent.map(({ outcome }) => outcome)).toEqual(["sent", "sent", "waits"]);
    const hold = { kind: "saturation", saturation: 400 / 300, ceiling: 1 };
    expect(sent[1]?.stay?.heldBy).toEqual(hold);
  });

  it("count for their engine while others are looked at, so that its queue in the picker is seen", async () => {
    const rig = new HeldRig({ engines: 2, limitMs: 300 });
    rig.send(1_000, { only: 0 });
    // Both may go anywhere; the second engine takes one, and then has its own work.
    for (let index = 0; index < 4; index += 1) rig.send(200, { only: 0 });
    const free = rig.send(100);
    expect([free.outcome, free.engine]).toEqual(["sent", 1]);
    expect(rig.flow.size).toBe(4);
    await rig.clock.advance(5_000);
    expect(rig.flow.size).toBe(0);
  });

  it("do not stop others whose engine has room", async () => {
    const rig = new HeldRig({ engines: 2, limitMs: 300 });
    rig.send(600, { only: 0 });
    const hot = rig.send(10, { only: 0 });
    const other = rig.send(500, { only: 1 });
    expect([hot.outcome, other.outcome]).toEqual(["waits", "sent"]);
    await rig.clock.advance(1_000);
    expect([hot.outcome, hot.stay?.heldBy?.kind]).toEqual(["sent", "engine-wait"]);
  });

  it("are served by response ratio: short ones first, the longest not last forever", async () => {
    const rig = new HeldRig({ engines: 1, limitMs: 1 });
    rig.send(1_000);
    rig.send(900);
    for (let index = 0; index < 3; index += 1) rig.send(50);
    await rig.clock.advance(10_000);
    expect(rig.order).toEqual([1_000, 50, 50, 50, 900]);
  });

  it("are all sent or left: none is lost, engines with work that waits for them are busy", async () => {
    const arrival = fc.record({
      gapMs: fc.nat(400),
      ownMs: fc.integer({ min: 1, max: 900 }),
      only: fc.option(fc.nat(2), { nil: undefined }),
      leavesAfterMs: fc.option(fc.nat(500), { nil: undefined }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(arrival, { maxLength: 40 }), async (arrivals) => {
        const rig = new HeldRig({ engines: 3, limitMs: 300 });
        for (const { gapMs, leavesAfterMs, ...parts } of arrivals) {
          await rig.clock.advance(gapMs);
          const sent = rig.send(parts.ownMs, parts);
          if (leavesAfterMs !== undefined) rig.clock.after(leavesAfterMs, () => sent.leave());
          expect(rig.arrived).toBe(rig.ended + rig.flow.size);
          expect(rig.neglected).toBe(0);
        }
        await rig.clock.advance(60_000);
        expect([rig.flow.size, rig.arrived - rig.ended, rig.failures]).toEqual([0, 0, []]);
        expect(rig.supposed).toBe(0);
        expect(rig.clock.pendingTimers).toBe(0);
      }),
      { numRuns: 50 },
    );
  });

  it("wait for a bounded time below full load, however long they are", async () => {
    const rig = new HeldRig({ engines: 2, limitMs: 300 });
    const long = { ownMs: 3_000, everyMs: 5_000 };
    // (3,000 / 5,000 + 100 / 100) / 2 engines = 0.8 of their time.
    for (let atMs = 0; atMs < 120_000; atMs += 100) {
      if (atMs % long.everyMs === 0) rig.send(long.ownMs);
      rig.send(100);
      await rig.clock.advance(100);
    }
    expect(rig.longestWaitMs).toBeLessThan(10_000);
    await rig.clock.advance(20_000);
    expect(rig.flow.size).toBe(0);
  });
});
