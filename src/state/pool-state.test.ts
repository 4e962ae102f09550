import { describe, expect, it } from "vitest";
import { spec, stateOf } from "#test/support/pool-state.ts";
import { loadAt, report } from "#test/support/reports.ts";
import type { EngineSignals } from "../core/signals.ts";
import { ReportWriter } from "./report-writer.ts";

const idle: EngineSignals = {
  waitingRequests: 0,
  runningRequests: 0,
  kvCacheUsedRatio: 0,
  blockTokens: 16,
  blocksMax: 1_000,
  prefixLookupTokens: 9_000,
  prefixHitTokens: 3_000,
  startedAtSeconds: 100,
  adapters: { active: new Set(["a1"]), waiting: new Set(), adaptersMax: 2 },
  attributes: new Map([["gpu", 0.5]]),
};

describe("the load of a PoolState", () => {
  it("has no requests of a new endpoint, and unknown engine signals", () => {
    const { state, first } = stateOf([spec("a")]);
    const { slot } = first;
    const load = loadAt(state, 0);
    expect(load.kvCacheUsedRatio[slot]).toBeNaN();
    expect(load.signalsAtMs[slot]).toBeNaN();
    expect(load.adapters[slot]).toBeUndefined();
    expect([
      load.signalsTrust[slot],
      load.inFlightRequests[slot],
      load.inFlightTokens[slot],
    ]).toEqual([0, 0, 0]);
  });

  it("has the numbers of the last report", () => {
    const { state, first } = stateOf([spec("a")]);
    report(state, first, { ...idle, waitingRequests: 3, kvCacheUsedRatio: 0.5, atMs: 1_234 });
    const load = loadAt(state, 1_250);
    expect(load.waitingRequests[first.slot]).toBe(3);
    expect(load.kvCacheUsedRatio[first.slot]).toBe(0.5);
    expect(load.signalsAtMs[first.slot]).toBe(1_234);
    expect(load.signalsDueAtMs[first.slot]).toBe(1_284);
    expect(load.signalsTrust[first.slot]).toBe(1);
    expect(load.adapters[first.slot]).toBe(idle.adapters);
    expect(load.attributes.get("gpu")?.[first.slot]).toBe(0.5);
  });

  it("forgets a signal that the last report lacked", () => {
    const { state, first } = stateOf([spec("a")]);
    report(state, first, { ...idle, kvCacheUsedRatio: 0.5 });
    report(state, first, { ...idle, kvCacheUsedRatio: undefined, adapters: undefined });
    // From our own counts: no token in flight.
    expect(loadAt(state, 0).kvCacheUsedRatio[first.slot]).toBe(0);
    expect(loadAt(state, 0).adapters[first.slot]).toBeUndefined();
  });

  it("ignores a report about an endpoint that left, even if its slot is taken again", () => {
    const { state, store, first } = stateOf([spec("a")]);
    const holder = { slot: first.slot, generation: store.board.generations[first.slot] ?? 0 };
    const writer = new ReportWriter(store.board, new Map());
    const asked = writer.askedAt(first.slot, 1);
    const { board } = store;
    store.apply([spec("b")]);
    expect(store.endpoints()[0]?.slot).toBe(first.slot);
    // As from another thread that still saw the endpoint in its slot.
    const row = { ...asked, intervalMs: 50, generation: holder.generation, startedAtSeconds: 1 };
    const load = { waitingRequests: 9, runningRequests: 9, kvCacheUsedRatio: 1 };
    const counts = { prefixLookupTokens: 9, prefixHitTokens: 1 };
    board.publish(first.slot, { ...row, ...load, ...counts, blockTokens: 16, blocksMax: 9 });
    state.facts.setAdapters(holder, idle.adapters);
    state.facts.setEngine(holder, "sglang");
    expect(loadAt(state, 2).signalsAtMs[first.slot]).toBeNaN();
    expect(loadAt(state, 2).waitingRequests[first.slot]).toBe(0);
    expect(loadAt(state, 2).adapters[first.slot]).toBeUndefined();
    expect(store.endpoints().map((endpoint) => state.facts.engineOf(endpoint))).toEqual([
      undefined,
    ]);
  });

  it("starts an endpoint that returns without its earlier signals", () => {
    const { state, store, first } = stateOf([spec("a")]);
    report(state, first, { ...idle, waitingRequests: 7 });
    loadAt(state, 0);
    store.apply([]);
    store.apply([spec("a")]);
    const load = loadAt(state, 0);
    expect(load.signalsAtMs[first.slot]).toBeNaN();
    expect(load.waitingRequests[first.slot]).toBe(0);
    expect(load.adapters[first.slot]).toBeUndefined();
    expect(load.attributes.get("gpu")?.[first.slot]).toBeNaN();
  });

  it("does not change before a tick, however often it is read", () => {
    const { state, first } = stateOf([spec("a")]);
    const { view } = state;
    state.tick(1_000);
    const before = structuredClone(view.load.waitingRequests);
    report(state, first, { ...idle, waitingRequests: 7, startedAtSeconds: 1, atMs: 1_000 });
    expect(view.load.waitingRequests).toEqual(before);
    expect(view.load.signalsTrust[first.slot]).toBe(0);
    state.tick(1_001);
    expect(view.load.waitingRequests[first.slot]).toBe(7);
    expect(view.load.signalsTrust[first.slot]).toBe(1);
  });

  it("knows how many requests it adds to the report in use, even once another one has arrived", () => {
    const { state, first } = stateOf([spec("a")]);
    expect(state.view.correctionOf(first)).toBe(0);
    report(state, first, { waitingRequests: 3, runningRequests: 4 });
    state.counts.sent(first, 10, 0);
    state.tick(0);
    expect(state.view.correctionOf(first)).toBe(1);
    // Both rows of the slot are overwritten, and no tick has read them.
    report(state, first, { waitingRequests: 30, runningRequests: 40 });
    report(state, first, { waitingRequests: 50, runningRequests: 60 });
    expect(state.view.correctionOf(first)).toBe(1);
    state.tick(1);
    expect(state.view.correctionOf(first)).toBe(0);
  });

  it("reports the restart of an engine in the tick that sees it, and no other", () => {
    const restarted: unknown[] = [];
    const { state, first } = stateOf([spec("a")], {
      onRestart: ({ id }, { startedAtSeconds, lastReportMs }) =>
        restarted.push([id, startedAtSeconds, lastReportMs]),
    });
    for (const [atMs, startedAtSeconds] of [100, 100, undefined, 100].entries()) {
      report(state, first, { ...idle, startedAtSeconds, atMs });
      state.tick(atMs);
    }
    report(state, first, { ...idle, startedAtSeconds: 250, atMs: 4 });
    expect(restarted).toEqual([]);
    state.tick(4);
    expect(restarted).toEqual([["default/a", 250, 3]]);
    report(state, first, { ...idle, startedAtSeconds: 250, atMs: 5 });
    state.tick(5);
    expect(restarted).toHaveLength(1);
  });

  it("tells once when no report counts any more, and once when one does again", () => {
    const told: [atMs: number, isGone: boolean][] = [];
    let nowMs = 0;
    const { state, first } = stateOf([spec("a")], {
      onTrust: (isGone) => told.push([nowMs, isGone]),
    });
    const until = (endMs: number) => {
      for (; nowMs <= endMs; nowMs += 100) state.tick(nowMs);
    };
    until(2_000);
    // Before the first report nothing is lost.
    expect(told).toEqual([]);
    report(state, first, { ...idle, atMs: nowMs });
    // 50 ms planned, 250 of grace and 5,000 until it no longer counts; checked once a second.
    until(20_000);
    report(state, first, { ...idle, atMs: nowMs });
    until(22_000);
    expect(told).toEqual([
      [3_000, false],
      [8_000, true],
      [21_000, false],
    ]);
  });

  it("wakes its listeners for the first request after a pause, and for none that follows it", () => {
    const { state, first } = stateOf([spec("a")]);
    let wakes = 0;
    state.counts.onAwake(() => (wakes += 1));
    // An interval of 100 ms is no pause, 101 ms is, whatever was read in between.
    for (const nowMs of [1_000, 1_050, 1_150, 1_251]) {
      state.counts.sent(first, 1, nowMs);
      state.tick(nowMs + 1_000);
    }
    expect(wakes).toBe(2);
  });
});

describe("the models of a PoolState", () => {
  it("are served while an endpoint lists them or has them as adapters, and not afterwards", () => {
    const { state, store, first } = stateOf([spec("a"), spec("b")]);
    const holder = { slot: first.slot, generation: store.board.generations[first.slot] ?? 0 };
    state.facts.setModels(holder, ["llama", "sql-lora"]);
    state.facts.setAdapters(holder, {
      active: new Set(["loaded"]),
      waiting: new Set(["waiting"]),
      adaptersMax: 2,
    });
    const models = ["llama", "sql-lora", "loaded", "waiting", "invented"];
    const served = () => models.map((model) => state.facts.isServed(model));
    expect(served()).toEqual([true, true, true, true, false]);
    store.apply([spec("b")]);
    expect(served()).toEqual([false, false, false, false, false]);
  });
});
