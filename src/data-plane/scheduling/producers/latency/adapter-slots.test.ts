import { describe, expect, it } from "vitest";
import { someAdapters } from "#test/support/builders.ts";
import { AdapterSlots } from "./adapter-slots.ts";

/** An engine that holds two adapters; requests take 4 s. */
const engine = { adaptersMax: 2, requestMs: 4_000, queued: 0 };
const loadMs = 1_000;

describe("the wait for an adapter", () => {
  it("is a load if the engine does not hold it", () => {
    expect(new AdapterSlots().wait("a", 0, engine)).toEqual({ ms: loadMs, isLoad: true });
  });

  it("is nothing while a request with it is in flight, and while it is among the last used", () => {
    const slots = new AdapterSlots();
    const leave = slots.enter("a", 0);
    expect(slots.wait("a", 0, engine).ms).toBe(0);
    leave();
    expect(slots.wait("a", 0, engine)).toEqual({ ms: 0, isLoad: false });
    expect(slots.wait("a", 1, engine).ms).toBe(loadMs);
  });

  it("is three loads if another one has to leave for it", () => {
    const slots = new AdapterSlots();
    slots.wait("a", 0, engine);
    slots.enter("a", 0)();
    slots.enter("b", 0)();
    expect(slots.wait("c", 0, engine).ms).toBe(3 * loadMs);
    slots.enter("c", 0)();
    // "a" was used longest ago.
    expect(slots.wait("a", 0, engine).ms).toBe(3 * loadMs);
    expect(slots.wait("b", 0, engine).ms).toBe(0);
  });

  it("is a whole request for each one queued if others in flight hold every place", () => {
    const slots = new AdapterSlots();
    slots.wait("a", 0, engine);
    const leaveA = slots.enter("a", 0);
    slots.enter("b", 0);
    // 1,000 + 4,000 x (1 + 3)
    expect(slots.wait("c", 0, { ...engine, queued: 3 }).ms).toBe(17_000);
    slots.enter("a", 0)();
    expect(slots.wait("c", 0, engine).ms).toBe(5_000);
    leaveA();
    expect(slots.wait("c", 0, engine).ms).toBe(3 * loadMs);
  });

  it("stays known if metrics stop, and is nothing if the engine never said how many it holds", () => {
    const slots = new AdapterSlots();
    expect(slots.wait("a", 0, { ...engine, adaptersMax: undefined }).ms).toBe(0);
    slots.wait("a", 0, engine);
    expect(slots.wait("a", 0, { ...engine, adaptersMax: undefined }).ms).toBe(loadMs);
  });

  it("follows the loads that are seen, slowly", () => {
    const slots = new AdapterSlots();
    slots.noteLoad(500);
    // 1,000 + 0.1 x (500 - 1,000)
    expect(slots.loadMs).toBe(950);
    slots.noteLoad(-5);
    expect(slots.loadMs).toBe(855);
  });

  it("starts afresh with another endpoint in the slot", () => {
    const slots = new AdapterSlots();
    slots.enter("a", 0);
    slots.forget(0);
    expect(slots.wait("a", 0, engine).ms).toBe(loadMs);
  });
});

describe("the names of adapters", () => {
  it("are those that engines have named, and stay known", () => {
    const slots = new AdapterSlots();
    const states = [undefined, someAdapters({ active: ["a"], waiting: ["b"] })];
    expect(slots.isAdapter("base", states, 0)).toBe(false);
    expect(slots.isAdapter("a", states, 0)).toBe(true);
    expect(slots.isAdapter("b", states, 0)).toBe(true);
    expect(slots.isAdapter("a", [], 10_000)).toBe(true);
  });

  it("are looked up again after a second", () => {
    const slots = new AdapterSlots();
    expect(slots.isAdapter("a", [], 0)).toBe(false);
    const states = [someAdapters({ active: ["a"] })];
    expect(slots.isAdapter("a", states, 500)).toBe(false);
    expect(slots.isAdapter("a", states, 1_000)).toBe(true);
  });
});
