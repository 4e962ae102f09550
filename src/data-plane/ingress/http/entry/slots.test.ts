import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FakeClock } from "#test/support/fake-clock.ts";
import { type Slot, type SlotLimits, Slots } from "./slots.ts";

function aQueue(limits: Partial<SlotLimits> = {}) {
  const clock = new FakeClock();
  const slots = new Slots({ heldMax: 2, waitingMax: 2, waitMs: 1_000, ...limits }, clock);
  const told: string[] = [];
  const ask = (name: string): Slot => {
    const slot = slots.slot();
    slot.enter({
      entered: () => void told.push(`${name} entered`),
      refused: (reason) => void told.push(`${name} ${reason}`),
    });
    return slot;
  };
  return { clock, slots, told, ask };
}

describe("slots", () => {
  it("let in at once as many as they may hold, then in the order in which they came", () => {
    const { ask, told, slots } = aQueue();
    const [first] = [ask("a"), ask("b"), ask("c"), ask("d")];
    expect(told).toEqual(["a entered", "b entered"]);
    first?.leave();
    expect(told.slice(2)).toEqual(["c entered"]);
    expect([slots.held, slots.waiting]).toEqual([2, 1]);
  });

  it("refuse at once if the queue is full", () => {
    const { ask, told, slots } = aQueue({ heldMax: 1, waitingMax: 1 });
    for (const name of ["a", "b", "c"]) ask(name);
    expect(told).toEqual(["a entered", "c queue_full"]);
    expect(slots.refused).toEqual({ queue_full: 1, queue_timeout: 0 });
  });

  it("refuse after the wait, and leave no timer", async () => {
    const { ask, told, clock, slots } = aQueue({ heldMax: 1 });
    const held = ask("a");
    ask("b");
    await clock.advance(600);
    ask("c");
    await clock.advance(400);
    expect(told).toEqual(["a entered", "b queue_timeout"]);
    held.leave();
    expect(told.slice(2)).toEqual(["c entered"]);
    // b waited for 1,000 ms and c for 400 ms.
    expect([slots.waitedMsTotal, clock.pendingTimers]).toEqual([1_400, 0]);
  });

  it("free the place of one that leaves the queue", () => {
    const { ask, told, slots } = aQueue({ heldMax: 1, waitingMax: 1 });
    const held = ask("a");
    ask("b").leave();
    ask("c");
    held.leave();
    expect(told).toEqual(["a entered", "c entered"]);
    expect([slots.held, slots.waiting]).toEqual([1, 0]);
  });

  it("have no limit if it is 0", () => {
    const { ask, slots } = aQueue({ heldMax: 0 });
    for (let index = 0; index < 100; index += 1) ask(String(index));
    expect([slots.held, slots.waiting]).toEqual([100, 0]);
  });

  it("let a long queue in whose askers leave at once", () => {
    const clock = new FakeClock();
    const slots = new Slots({ heldMax: 1, waitingMax: 100_000, waitMs: 0 }, clock);
    const first = slots.slot();
    first.enter({ entered: () => undefined, refused: () => undefined });
    let entered = 0;
    for (let index = 0; index < 50_000; index += 1) {
      const slot = slots.slot();
      const leave = () => {
        entered += 1;
        slot.leave();
      };
      slot.enter({ entered: leave, refused: leave });
    }
    first.leave();
    expect([entered, slots.held, slots.waiting]).toEqual([50_000, 0, 0]);
  });

  it("never hold more than they may, in any order of entering and leaving", () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 20 }), { maxLength: 100 }), (steps) => {
        const { ask, slots, told } = aQueue({ heldMax: 3, waitingMax: 4 });
        const asked: Slot[] = [];
        for (const step of steps) {
          // An even step asks; an odd one lets an earlier asker leave, maybe for the second time.
          if (step % 2 === 0) asked.push(ask(String(asked.length)));
          else asked[step % Math.max(1, asked.length)]?.leave();
          expect(slots.held).toBeLessThanOrEqual(3);
          expect(slots.waiting).toBeLessThanOrEqual(4);
          expect(slots.waiting === 0 || slots.held === 3).toBe(true);
        }
        const entered = told.filter((line) => line.endsWith("entered"));
        const order = entered.map((line) => Number(line.split(" ", 1)[0]));
        expect(order).toEqual(order.toSorted((a, b) => a - b));
        for (const slot of asked) slot.leave();
        expect([slots.held, slots.waiting]).toEqual([0, 0]);
      }),
    );
  });
});
