import { describe, expect, it } from "vitest";
import { aLoad, someAdapters } from "#test/support/builders.ts";
import type { AdapterState } from "../../../../core/load.ts";
import { AdapterSlots } from "./adapter-slots.ts";

/** An engine that holds two adapters; requests take 4 s. */
const engine = {
  ...{ reported: someAdapters({ adaptersMax: 2 }), isShared: false },
  ...{ requestMs: 4_000, queued: 0, nowMs: 0 },
};
const loadMs = 1_000;

/** Signals of engines that report metrics, with these adapters; without a state, none is reported. */
function told(...adapters: readonly (AdapterState | undefined)[]) {
  return aLoad(adapters.map((state) => ({ adapters: state, signalsAtMs: 0 })));
}

const silent = aLoad([{}, {}]);

/** With adapters that an engine has named, so that their uses count. */
function slotsOf(...names: readonly string[]): AdapterSlots {
  const slots = new AdapterSlots();
  for (const name of names) slots.isAdapter(name, told(someAdapters({ active: names })), 0);
  return slots;
}

describe("the wait for an adapter", () => {
  it("is a load if the engine does not hold it", () => {
    expect(slotsOf("a").wait("a", 0, engine)).toEqual({ ms: loadMs, priceMs: loadMs });
  });

  it("is nothing while a request with it is in flight, and while it is among the last used", () => {
    const slots = slotsOf("a");
    const leave = slots.enter("a", 0, 0);
    expect(slots.wait("a", 0, engine).priceMs).toBe(0);
    leave();
    expect(slots.wait("a", 0, engine).priceMs).toBe(0);
  });

  it("is less of a load the more the adapter is used: z = 0.3 x 60/60 x 300 / 2 = 45", () => {
    const slots = slotsOf("a");
    for (let use = 0; use < 60; use += 1) slots.enter("a", 0, 0)();
    expect(slots.wait("a", 1, engine).priceMs).toBeCloseTo(loadMs / 46, 6);
    // A minute later, 1/e of the uses counts: z = 45/e.
    expect(slots.wait("a", 1, { ...engine, nowMs: 60_000 }).priceMs).toBeCloseTo(
      loadMs / (1 + 45 / Math.E),
      6,
    );
  });

  it("is more if another one has to leave for it that is used much", () => {
    const slots = slotsOf("a", "b", "c");
    slots.wait("a", 0, engine);
    for (let use = 0; use < 60; use += 1) slots.enter("a", 0, 0)();
    slots.enter("b", 0, 5_000)();
    // "a" leaves, last used 10 s ago: v = 0.3 x 1/s x e^(-1/6) x 10 / 1; nothing is known of the uses of "c".
    const v = 3 * Math.exp(-1 / 6);
    const inputs = { ...engine, nowMs: 10_000 };
    expect(slots.wait("c", 0, inputs).priceMs).toBeCloseTo(loadMs * (1 + (2 * v) / (1 + v)), 6);
    // Where three endpoints hold it, it is missed less.
    slots.enter("a", 1, 0)();
    slots.enter("a", 2, 0)();
    const w = ((62 / 60) * 0.3 * Math.exp(-1 / 6) * 10) / 3;
    expect(slots.wait("c", 0, inputs).priceMs).toBeCloseTo(loadMs * (1 + (2 * w) / (1 + w)), 6);
  });

  it("remembers as many as the engine holds, those used last", () => {
    const slots = slotsOf("a", "b", "c");
    slots.wait("a", 0, engine);
    for (const adapter of ["a", "b", "a", "c"]) slots.enter(adapter, 0, 0)();
    expect(slots.wait("a", 0, engine).priceMs).toBe(0);
    expect(slots.wait("b", 0, engine).priceMs).toBeGreaterThan(0);
  });

  describe("with adapters that only the engine's report has", () => {
    const b = someAdapters({ active: ["b"], adaptersMax: 2 });
    const bc = someAdapters({ active: ["b"], waiting: ["c"], adaptersMax: 2 });
    const shared = { ...engine, isShared: true, queued: 1 };
    // Load + duration x (1 + queued).
    const full = loadMs + 2 * 4_000;

    const whole = { ms: full, priceMs: full };
    const load = { ms: loadMs, priceMs: loadMs };

    it.each([
      { it: "is a whole request if these hold every place", reported: bc, own: [], wait: whole },
      { it: "counts them next to those in flight from here", reported: b, own: ["d"], wait: whole },
      { it: "counts one that is in both once", reported: b, own: ["b"], wait: load },
      { it: "is a load while a place is left", reported: b, own: [], wait: load },
    ])("$it", ({ reported, own, wait }) => {
      const slots = slotsOf("a", "b", "c", "d");
      slots.wait("a", 0, shared);
      for (const name of own) slots.enter(name, 0, 0);
      expect(slots.wait("a", 0, { ...shared, reported })).toEqual(wait);
    });

    it("is nothing for one of them", () => {
      const slots = slotsOf("a", "b");
      expect(slots.wait("b", 0, { ...shared, reported: b })).toEqual({ ms: 0, priceMs: 0 });
    });

    it("has the price of those that wait for a place: 1 x 4,000", () => {
      const slots = slotsOf("b", "c", "d");
      const reported = someAdapters({ active: ["b", "c"], waiting: ["d"], adaptersMax: 2 });
      expect(slots.wait("b", 0, { ...shared, reported })).toEqual({ ms: 0, priceMs: 4_000 });
    });

    it("is a whole request for one that waits for a place itself, and nothing if there is one", () => {
      const slots = slotsOf("b", "c", "d");
      const crowded = someAdapters({ active: ["b", "c"], waiting: ["d"], adaptersMax: 2 });
      expect(slots.wait("d", 0, { ...shared, reported: crowded })).toEqual(whole);
      expect(slots.wait("c", 0, { ...shared, reported: bc })).toEqual({ ms: 0, priceMs: 0 });
    });

    it("leaves them out if no other picker sends: a report is older than the picker's own count", () => {
      const slots = slotsOf("a", "b", "c");
      const alone = { ...shared, isShared: false, reported: bc };
      expect(slots.wait("a", 0, alone)).toEqual({ ms: loadMs, priceMs: loadMs });
    });
  });

  it("is a whole request for each one queued if others in flight hold every place", () => {
    const slots = slotsOf("a", "b", "c");
    slots.wait("a", 0, engine);
    const leaveA = slots.enter("a", 0, 0);
    slots.enter("b", 0, 0);
    // 1,000 + 4,000 x (1 + 3)
    expect(slots.wait("c", 0, { ...engine, queued: 3 }).priceMs).toBe(17_000);
    slots.enter("a", 0, 0)();
    expect(slots.wait("c", 0, engine).priceMs).toBe(5_000);
    leaveA();
    expect(slots.wait("c", 0, engine).priceMs).toBeLessThan(3_000);
  });

  it("rises for adapters in flight if another one waits for a place, which they would keep from it", () => {
    const slots = slotsOf("a", "b", "c", "d");
    slots.wait("a", 0, engine);
    const leaves = ["a", "b", "c"].map((adapter) => slots.enter(adapter, 0, 0));
    // "a" and "b" have the two places, "c" waits.
    expect(slots.wait("a", 0, engine)).toEqual({ ms: 0, priceMs: 4_000 });
    expect(slots.wait("b", 0, engine)).toEqual({ ms: 0, priceMs: 4_000 });
    expect(slots.wait("c", 0, engine)).toEqual({ ms: 5_000, priceMs: 5_000 });
    slots.enter("d", 0, 0);
    expect(slots.wait("a", 0, engine).priceMs).toBe(8_000);
    leaves[0]?.();
    expect(slots.wait("c", 0, engine)).toEqual({ ms: 0, priceMs: 4_000 });
  });

  it("stays known if metrics stop, and is nothing if the engine never said how many it holds", () => {
    const slots = slotsOf("a");
    expect(slots.wait("a", 0, { ...engine, reported: undefined }).priceMs).toBe(0);
    slots.wait("a", 0, engine);
    expect(slots.wait("a", 0, { ...engine, reported: undefined }).priceMs).toBe(loadMs);
  });

  it("follows the loads that are seen, slowly", () => {
    const slots = slotsOf();
    slots.noteLoad(500);
    // 1,000 + 0.1 x (500 - 1,000)
    expect(slots.loadMs).toBe(950);
    slots.noteLoad(-5);
    expect(slots.loadMs).toBe(855);
  });

  it("starts afresh with another endpoint in the slot", () => {
    const slots = slotsOf("a");
    slots.enter("a", 0, 0);
    slots.forget(0);
    // z = 0.3 x 1/60 x 300 / 1, without a holder.
    expect(slots.wait("a", 0, engine).priceMs).toBeCloseTo(loadMs / 2.5, 6);
  });

  it("holds after a restart what was used since, and the places of requests in flight", () => {
    const slots = slotsOf("a", "b", "c");
    slots.wait("a", 0, engine);
    slots.enter("a", 0, 100)();
    const leave = slots.enter("b", 0, 300);
    slots.restart(0, 200);
    const inputs = { ...engine, nowMs: 400 };
    expect(slots.wait("a", 0, inputs).ms).toBe(loadMs);
    expect(slots.wait("b", 0, inputs).ms).toBe(0);
    slots.enter("c", 0, 400);
    // Both places are taken until "b" leaves.
    expect(slots.wait("a", 0, inputs).ms).toBe(loadMs + 4_000);
    leave();
    expect(slots.wait("a", 0, inputs).ms).toBe(loadMs);
  });
});

describe("the names of adapters", () => {
  it("are those that engines have named, and stay known", () => {
    const slots = new AdapterSlots();
    const states = told(undefined, someAdapters({ active: ["a"], waiting: ["b"] }));
    expect(slots.isAdapter("base", states, 0)).toBe(false);
    expect(slots.isAdapter("a", states, 0)).toBe(true);
    expect(slots.isAdapter("b", states, 0)).toBe(true);
    expect(slots.isAdapter("a", silent, 10_000)).toBe(true);
  });

  it("are looked up every 50 ms while models are asked for that no engine has named", () => {
    const slots = new AdapterSlots();
    const none = told(someAdapters({}));
    expect(slots.isAdapter("a", none, 0)).toBe(false);
    const named = told(someAdapters({ active: ["a"], waiting: ["b"] }));
    expect(slots.isAdapter("a", named, 49)).toBe(false);
    expect(slots.isAdapter("a", named, 50)).toBe(true);
    // One look learns all names.
    expect(slots.isAdapter("b", none, 51)).toBe(true);
  });

  it("apply to requests that were sent before, which hold places and are uses", () => {
    const slots = new AdapterSlots();
    const full = { ...engine, reported: someAdapters({ adaptersMax: 1 }), nowMs: 100 };
    slots.isAdapter("a", told(someAdapters({})), 0);
    const leave = slots.enter("a", 0, 0);
    const leaveBase = slots.enter("base", 0, 0);
    expect(slots.wait("b", 0, full).ms).toBe(loadMs);
    slots.isAdapter("b", told(someAdapters({ active: ["a", "b"] })), 100);
    // 1,000 + 4,000: "a" holds the only place.
    expect(slots.wait("b", 0, full).ms).toBe(5_000);
    // A copy of "a" elsewhere: z = 0.3 x 1/60 x 300 / 2.
    expect(slots.wait("a", 1, full).priceMs).toBeCloseTo(loadMs / 1.75, 6);
    leave();
    leaveBase();
    expect(slots.wait("b", 0, full).ms).toBe(loadMs);
    expect(slots.wait("a", 0, full).ms).toBe(0);
  });

  it("need no counting once engines have reported metrics without any", () => {
    const slots = new AdapterSlots();
    expect(slots.mayHaveAdapters).toBe(true);
    slots.isAdapter("base", told(undefined, undefined), 0);
    expect(slots.mayHaveAdapters).toBe(false);
    slots.isAdapter("base", told(someAdapters({}), undefined), 50);
    expect(slots.mayHaveAdapters).toBe(true);
  });

  it("are all models from the second on while no engine reports metrics, each with 4 places", () => {
    const slots = new AdapterSlots();
    const untold = { ...engine, reported: undefined };
    expect(slots.isAdapter("a", silent, 0)).toBe(false);
    expect(slots.isAdapter("b", silent, 0)).toBe(true);
    expect(slots.isAdapter("a", silent, 0)).toBe(true);
    slots.enter("a", 0, 0);
    expect(slots.wait("a", 0, untold).ms).toBe(0);
    expect(slots.wait("b", 0, untold).ms).toBe(loadMs);
    for (const adapter of ["c", "d", "e"]) {
      slots.isAdapter(adapter, silent, 0);
      slots.enter(adapter, 0, 0);
    }
    // Four others are in flight: a load, and a whole request of 4 s before it.
    expect(slots.wait("b", 0, untold).ms).toBe(5_000);
  });

  it("are only those that engines name, as soon as one reports metrics", () => {
    const slots = new AdapterSlots();
    slots.isAdapter("base", silent, 0);
    expect(slots.isAdapter("b", silent, 0)).toBe(true);
    slots.enter("base", 0, 0);
    slots.enter("b", 0, 0);
    const named = told(undefined, someAdapters({ active: ["b"] }));
    expect(slots.isAdapter("b", named, 1_000)).toBe(true);
    expect(slots.isAdapter("base", named, 1_000)).toBe(false);
    // The request for the base model holds no place.
    expect(slots.wait("c", 0, { ...engine, nowMs: 1_000 }).ms).toBe(loadMs);
    // Metrics that stop change nothing.
    expect(slots.isAdapter("base", silent, 9_000)).toBe(false);
    expect(slots.isAdapter("b", silent, 9_000)).toBe(true);
  });

  it("are not guessed of engines that report metrics and no adapters: they serve names of one model", () => {
    const slots = new AdapterSlots();
    for (const name of ["a", "b", "c"]) {
      expect(slots.isAdapter(name, told(undefined, undefined), 0)).toBe(false);
    }
  });
});

describe("the slack of engines", () => {
  it("is the time of a load if there are adapters, and nothing if there are none", () => {
    expect(new AdapterSlots().slackMs).toBe(0);
    const slots = slotsOf("a");
    expect(slots.slackMs).toBe(loadMs);
    for (let load = 0; load < 100; load += 1) slots.noteLoad(400);
    expect(slots.slackMs).toBeCloseTo(400, 0);
  });

  it("is a second at most, however long a load takes", () => {
    const slots = slotsOf("a");
    for (let load = 0; load < 100; load += 1) slots.noteLoad(20_000);
    expect(slots.loadMs).toBeGreaterThan(10_000);
    expect(slots.slackMs).toBe(1_000);
  });
});
