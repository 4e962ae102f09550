import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Endpoint } from "../core/endpoint.ts";
import type { EngineSignals } from "../core/signals.ts";
import { loadAt, report, someSignals } from "#test/support/reports.ts";
import { InFlightLedger } from "./in-flight.ts";
import { PoolState } from "./pool-state.ts";
import { ReportWriter } from "./report-writer.ts";

function poolOf(count: number) {
  const state = new PoolState({ slotsMax: 16 });
  const { store, counts } = state;
  store.apply(
    Array.from({ length: count }, (_, index) => ({
      id: `default/e${index}`,
      namespace: "default",
      name: `e${index}`,
      address: `10.0.0.${index}`,
      port: 8_000,
      labels: {},
    })),
  );
  const ledger = new InFlightLedger(counts);
  const rowOf = ({ slot }: Endpoint, nowMs = 0) => {
    const { waitingRequests, runningRequests, kvCacheUsedRatio, signalsTrust } = loadAt(
      state,
      nowMs,
    );
    return {
      waiting: waitingRequests[slot],
      running: runningRequests[slot],
      kvCache: kvCacheUsedRatio[slot],
      trust: signalsTrust[slot],
    };
  };
  return { state, ledger, rowOf, endpoints: store.endpoints() };
}

function one() {
  const pool = poolOf(1);
  const [endpoint] = pool.endpoints;
  if (endpoint === undefined) throw new Error("the pool has an endpoint");
  const reported = (signals: Partial<EngineSignals> & { atMs?: number; intervalMs?: number }) =>
    report(pool.state, endpoint, signals);
  const send = (promptTokens = 0) => pool.ledger.open(endpoint, promptTokens, 0);
  return { ...pool, endpoint, reported, send, row: (nowMs = 0) => pool.rowOf(endpoint, nowMs) };
}

describe("the running view of an endpoint", () => {
  it("is the last report while nothing happens", () => {
    const { reported, row } = one();
    reported({ waitingRequests: 3, runningRequests: 20, kvCacheUsedRatio: 0.5 });
    expect(row(50)).toEqual({ waiting: 3, running: 20, kvCache: 0.5, trust: 1 });
  });

  it("adds requests sent since the engine was asked, as waiting until their answer begins", () => {
    const { reported, send, row } = one();
    const before = send();
    before.started();
    reported({ waitingRequests: 0, runningRequests: 4 });
    const [first] = [send(), send(), send()];
    expect(row()).toMatchObject({ waiting: 3, running: 4 });
    first?.started();
    expect(row()).toMatchObject({ waiting: 2, running: 5 });
    // The report includes it, since it was sent before: it is counted once.
    before.started();
    expect(row()).toMatchObject({ waiting: 2, running: 5 });
  });

  it("subtracts requests finished since: waiting ones move up, so the queue shrinks first", () => {
    const { reported, send, row } = one();
    const sent = Array.from({ length: 5 }, () => send());
    for (const ticket of sent) ticket.started();
    reported({ waitingRequests: 2, runningRequests: 30 });
    sent[0]?.release();
    expect(row()).toMatchObject({ waiting: 1, running: 30 });
    for (const ticket of sent.slice(1)) ticket.release();
    // 5 finished: 2 made room in the queue, 3 in the batch.
    expect(row()).toMatchObject({ waiting: 0, running: 27 });
  });

  it("counts a request once that was sent and has finished since", () => {
    const { reported, send, row } = one();
    reported({ waitingRequests: 2, runningRequests: 30 });
    const ticket = send();
    ticket.started();
    ticket.release();
    expect(row()).toMatchObject({ waiting: 2, running: 30 });
  });

  it("uses only the next report once that is there", () => {
    const { reported, send, row } = one();
    reported({ waitingRequests: 0, runningRequests: 0 });
    for (let sent = 0; sent < 4; sent += 1) send().started();
    reported({ waitingRequests: 1, runningRequests: 5 });
    expect(row()).toMatchObject({ waiting: 1, running: 5 });
  });

  it("never has fewer requests than we have in flight, whatever an engine reports", () => {
    const { reported, send, row } = one();
    const tickets = Array.from({ length: 6 }, () => send());
    for (const ticket of tickets.slice(0, 4)) ticket.started();
    reported({ waitingRequests: 0, runningRequests: 0, kvCacheUsedRatio: 0 });
    expect(row()).toMatchObject({ waiting: 2, running: 4 });
  });

  it("is our own count if the engine was never read, or does not report", () => {
    const { reported, send, row } = one();
    send().started();
    send();
    expect(row()).toEqual({ waiting: 1, running: 1, kvCache: Number.NaN, trust: 0 });
    reported({ waitingRequests: 7 });
    expect(row()).toMatchObject({ waiting: 7, running: 1, trust: 1 });
  });

  it("moves from the report to our own count as the report ages", () => {
    const { reported, send, row } = one();
    send().started();
    reported({
      waitingRequests: 8,
      runningRequests: 41,
      kvCacheUsedRatio: 0.9,
      atMs: 1_000,
      intervalMs: 50,
    });
    // 50 ms planned and 250 ms of grace.
    expect(row(1_300)).toMatchObject({ waiting: 8, running: 41, trust: 1 });
    // A second beyond the grace: half of 8 and 0, of 41 and 1, of 0.9 and 0.5.
    expect(row(2_300)).toEqual({ waiting: 4, running: 21, kvCache: 0.7, trust: 0.5 });
    expect(row(6_200).trust).toBeCloseTo(0.5 ** 4.9, 6);
    expect(row(6_300)).toEqual({ waiting: 0, running: 1, kvCache: Number.NaN, trust: 0 });
  });

  it("trusts a report for as long as its reader plans", () => {
    const { reported, row } = one();
    reported({ waitingRequests: 8, atMs: 0, intervalMs: 1_000 });
    expect(row(1_250)).toMatchObject({ waiting: 8, trust: 1 });
  });

  it("keeps engine reports apart from our own count, at full trust until they no longer count", () => {
    const { state, endpoint, reported, send } = one();
    const toldAt = (nowMs: number) => {
      const { told } = loadAt(state, nowMs);
      const { slot } = endpoint;
      return [told.waitingRequests[slot], told.runningRequests[slot], told.kvCacheUsedRatio[slot]];
    };
    expect(toldAt(0)).toEqual([Number.NaN, Number.NaN, Number.NaN]);
    reported({ waitingRequests: 8, kvCacheUsedRatio: 0.5, atMs: 0, intervalMs: 50 });
    send();
    // 8 reported and 1 sent since; running requests were not reported.
    expect(toldAt(10)).toEqual([9, Number.NaN, 0.5]);
    // 50 + 250 of grace + 1,000: at half the trust decisions see (9 + 1) / 2, and averages still 9.
    expect(loadAt(state, 1_300).waitingRequests[endpoint.slot]).toBe(5);
    expect(toldAt(1_300)).toEqual([9, Number.NaN, 0.5]);
    // 50 + 250 + 5,000: the report no longer counts, and decisions see our own request alone.
    expect(loadAt(state, 5_300).waitingRequests[endpoint.slot]).toBe(1);
    expect(toldAt(5_300)).toEqual([Number.NaN, Number.NaN, Number.NaN]);
  });

  it("follows the KV cache by the prompt tokens in flight", () => {
    const { reported, send, row } = one();
    const before = send(1_600);
    // 16 x 1,000 tokens fit.
    reported({ kvCacheUsedRatio: 0.5, blockTokens: 16, blocksMax: 1_000 });
    send(3_200);
    expect(row().kvCache).toBeCloseTo(0.7, 9); // 0.5 + 3,200 / 16,000
    before.release();
    expect(row().kvCache).toBeCloseTo(0.6, 9); // less 1,600 / 16,000
    send(160_000);
    expect(row().kvCache).toBe(1);
    // From our own count alone: 163,200 tokens of 16,000.
    expect(row(60_000).kvCache).toBe(1);
  });

  it("does not count requests that were sent and ended while the report was on its way", () => {
    const { state, ledger, rowOf, endpoint } = one();
    const writer = new ReportWriter(state.store.board, new Map());
    const asked = writer.askedAt(endpoint.slot, 0);
    for (let sent = 0; sent < 3; sent += 1) ledger.open(endpoint, 100, 1).release();
    const open = ledger.open(endpoint, 100, 2);
    const { slot } = endpoint;
    const holder = { slot, generation: state.store.board.generations[slot] ?? 0 };
    const signals = someSignals({ waitingRequests: 0, runningRequests: 0 });
    writer.publish(holder, signals, { asked, intervalMs: 50 });
    // One is in flight, and the engine had none when it was asked.
    expect(rowOf(endpoint, 3)).toMatchObject({ waiting: 1, running: 0 });
    open.release();
    expect(rowOf(endpoint, 4)).toMatchObject({ waiting: 0, running: 0 });
  });

  it("has an attribute of the last report that is asked for only after it", () => {
    const { state, endpoint, reported } = one();
    reported({ waitingRequests: 0, attributes: new Map([["gpu", 0.5]]) });
    loadAt(state, 1);
    state.view.attributeColumns(["gpu", "other"]);
    expect(loadAt(state, 2).attributes.get("gpu")?.[endpoint.slot]).toBe(0.5);
  });

  it("makes attributes unknown once the report is too old", () => {
    const { state, reported, endpoint } = one();
    reported({ waitingRequests: 0, attributes: new Map([["gpu", 0.5]]) });
    const gpu = (nowMs: number) => loadAt(state, nowMs).attributes.get("gpu")?.[endpoint.slot];
    expect(gpu(0)).toBe(0.5);
    expect(gpu(60_000)).toBeNaN();
  });
});

describe("a burst between two reports", () => {
  it("spreads as if each of its requests were seen", () => {
    const { state, ledger, rowOf, endpoints } = poolOf(8);
    for (const [index, endpoint] of endpoints.entries()) {
      report(state, endpoint, { waitingRequests: index % 2, runningRequests: 10 });
    }
    // The shortest queue each time, and no engine is read again in between.
    for (let sent = 0; sent < 200; sent += 1) {
      const waiting = endpoints.map((endpoint) => rowOf(endpoint).waiting ?? 0);
      const shortest = endpoints[waiting.indexOf(Math.min(...waiting))];
      if (shortest !== undefined) ledger.open(shortest, 100, 0);
    }
    const counts = endpoints.map(({ slot }) => loadAt(state, 0).inFlightRequests[slot]);
    // 200 and the 4 that waited are 25.5 each.
    expect(counts).toEqual([26, 25, 26, 25, 25, 24, 25, 24]);
  });
});

describe("the running view under any sequence of events", () => {
  const step = fc.oneof(
    fc.constant({ kind: "send" as const }),
    fc.record({ kind: fc.constant("start" as const), nth: fc.nat() }),
    fc.record({ kind: fc.constant("finish" as const), nth: fc.nat() }),
    fc.record({
      kind: fc.constant("report" as const),
      waitingRequests: fc.option(fc.integer({ min: 0, max: 50 }), { nil: undefined }),
      runningRequests: fc.option(fc.integer({ min: 0, max: 50 }), { nil: undefined }),
    }),
    fc.record({ kind: fc.constant("wait" as const), ms: fc.integer({ min: 0, max: 3_000 }) }),
  );

  it("is never below zero, never below our requests in flight, and never without a number", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { send, reported, row, state, endpoint } = one();
        const open: ReturnType<typeof send>[] = [];
        let nowMs = 0;
        for (const event of steps) {
          if (event.kind === "send") open.push(send(10));
          if (event.kind === "start") open[event.nth % Math.max(1, open.length)]?.started();
          if (event.kind === "finish") {
            open.splice(event.nth % Math.max(1, open.length), 1)[0]?.release();
          }
          if (event.kind === "report") reported({ ...event, atMs: nowMs });
          if (event.kind === "wait") nowMs += event.ms;
          const { waiting = Number.NaN, running = Number.NaN, trust } = row(nowMs);
          expect(waiting).toBeGreaterThanOrEqual(0);
          expect(running).toBeGreaterThanOrEqual(0);
          expect(waiting + running).toBeGreaterThanOrEqual(open.length - 1e-9);
          expect(trust).toBeGreaterThanOrEqual(0);
          expect(loadAt(state, nowMs).inFlightRequests[endpoint.slot]).toBe(open.length);
        }
      }),
      { numRuns: 500 },
    );
  });
});
