import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { loadAt } from "#test/support/reports.ts";
import type { Endpoint } from "../core/endpoint.ts";
import { InFlightLedger, type InFlightTicket } from "./in-flight.ts";
import type { EndpointSpec } from "./membership.ts";
import { PoolState } from "./pool-state.ts";

const spec = (host: number, labels = {}): EndpointSpec => ({
  id: `default/e${host}`,
  namespace: "default",
  name: `e${host}`,
  address: `10.0.0.${host}`,
  port: 8_000,
  labels,
});

const sum = (column: Float64Array) => column.reduce((total, count) => total + count, 0);

function ledgerOf(...specs: readonly EndpointSpec[]) {
  const state = new PoolState({ slotsMax: 4 });
  const { store, counts } = state;
  store.apply(specs);
  const ledger = new InFlightLedger(counts);
  const [first] = store.endpoints();
  if (first === undefined) throw new Error("a ledger under test has an endpoint");
  const countsOf = ({ slot }: Endpoint) => [
    loadAt(state, 0).inFlightRequests[slot],
    loadAt(state, 0).inFlightTokens[slot],
  ];
  return { state, store, ledger, first, countsOf };
}

describe("InFlightLedger", () => {
  it("counts a request and its tokens at once, and both until it is released", () => {
    const { ledger, first, countsOf } = ledgerOf(spec(1));
    const ticket = ledger.open(first, 100, 0);
    ledger.open(first, 50, 0);
    expect(countsOf(first)).toEqual([2, 150]);
    ticket.release();
    expect(countsOf(first)).toEqual([1, 50]);
    expect([ledger.totalRequests, ledger.totalTokens]).toEqual([1, 50]);
  });

  it("counts only the first release of a ticket", () => {
    const { ledger, first, countsOf } = ledgerOf(spec(1));
    const ticket = ledger.open(first, 100, 0);
    ticket.release();
    ticket.release();
    expect(countsOf(first)).toEqual([0, 0]);
    expect(ledger.totalRequests).toBe(0);
  });

  it("moves a request to the endpoint that serves it, started or not", () => {
    const { state, store, ledger, first, countsOf } = ledgerOf(spec(1), spec(2));
    const second = store.endpoints()[1] ?? first;
    const ticket = ledger.open(first, 100, 0);
    ticket.moveTo(second, 0);
    ticket.moveTo(second, 0);
    expect([countsOf(first), countsOf(second)]).toEqual([
      [0, 0],
      [1, 100],
    ]);
    ticket.started();
    expect(loadAt(state, 0).runningRequests[second.slot]).toBe(1);
    ticket.moveTo(first, 0);
    expect([loadAt(state, 0).runningRequests[first.slot], countsOf(second)]).toEqual([1, [0, 0]]);
    ticket.release();
    ticket.moveTo(second, 0);
    expect([countsOf(first), countsOf(second)]).toEqual([
      [0, 0],
      [0, 0],
    ]);
    expect([ledger.totalRequests, ledger.totalTokens]).toEqual([0, 0]);
  });

  it.each([Number.NaN, -1, -Infinity])("counts %s tokens as none", (promptTokens) => {
    const { ledger, first, countsOf } = ledgerOf(spec(1));
    ledger.open(first, promptTokens, 0);
    expect(countsOf(first)).toEqual([1, 0]);
  });

  it("gives an endpoint that returns its counts", () => {
    const { store, ledger, first, countsOf } = ledgerOf(spec(1));
    const ticket = ledger.open(first, 100, 0);
    store.apply([spec(2)]);
    store.apply([spec(2), spec(1)]);
    const back = store.endpointAt(first.hostPort);
    expect(back?.slot).toBe(first.slot);
    expect(countsOf(first)).toEqual([1, 100]);
    ticket.release();
    expect(countsOf(first)).toEqual([0, 0]);
  });

  it("keeps the slot of an endpoint that left until its last request finishes", () => {
    const { store, ledger, first } = ledgerOf(spec(1));
    const ticket = ledger.open(first, 100, 0);
    const others = [2, 3, 4, 5].map((host) => spec(host));
    expect(store.apply(others).refused).toEqual([{ spec: spec(5), reason: "capacity" }]);
    ticket.release();
    expect(store.apply(others).added.map(({ slot }) => slot)).toEqual([first.slot]);
  });

  it("counts a request for an endpoint that left before it was sent", () => {
    const { store, ledger, first, countsOf } = ledgerOf(spec(1));
    store.apply([spec(2), spec(3)]);
    const ticket = ledger.open(first, 7, 0);
    const [back] = store.apply([spec(2), spec(3), spec(1)]).added;
    if (back === undefined) throw new Error("the endpoint came back");
    expect(countsOf(back)).toEqual([1, 7]);
    ticket.release();
    expect(countsOf(back)).toEqual([0, 0]);
  });

  it("counts a request in the totals alone if no slot is left for it", () => {
    const { state, store, ledger, first } = ledgerOf(spec(1));
    store.apply([2, 3, 4, 5].map((host) => spec(host)));
    const ticket = ledger.open(first, 7, 0);
    expect(sum(loadAt(state, 0).inFlightRequests)).toBe(0);
    expect(ledger.totalRequests).toBe(1);
    ticket.release();
    expect([ledger.totalRequests, ledger.totalTokens]).toEqual([0, 0]);
  });
});

/** A pool of up to 5 of 6 known endpoints; the label changes with `version`. */
const applyStep = fc.record({
  kind: fc.constant("apply" as const),
  hosts: fc.uniqueArray(fc.integer({ min: 1, max: 6 }), { maxLength: 5 }),
  version: fc.integer({ min: 1, max: 2 }),
});
/** A request to any endpoint so far, including those that left. */
const openStep = fc.record({
  kind: fc.constant("open" as const),
  nth: fc.nat(),
  promptTokens: fc.integer({ min: 0, max: 100_000 }),
});
const releaseStep = fc.record({ kind: fc.constant("release" as const), nth: fc.nat() });
/** The proxy reports that another endpoint serves the request. */
const moveStep = fc.record({ kind: fc.constant("move" as const), nth: fc.nat(), to: fc.nat() });
const stepsOf = fc.array(fc.oneof(applyStep, openStep, releaseStep, moveStep), { maxLength: 60 });

describe("in-flight counts under any sequence of joins, leaves, opens, moves and releases", () => {
  it("add up to the open tickets, per endpoint and in total, and never fall below 0", () => {
    fc.assert(
      fc.property(stepsOf, (steps) => {
        // 12 slots hold all 6 identities, so no ticket is left without a column.
        const state = new PoolState({ slotsMax: 12 });
        const { store, counts } = state;
        const ledger = new InFlightLedger(counts);
        const seen: Endpoint[] = [];
        const open = new Map<InFlightTicket, number>();
        const released: InFlightTicket[] = [];

        const run = (step: (typeof steps)[number]) => {
          if (step.kind === "apply") {
            store.apply(step.hosts.map((host) => spec(host, { version: `${step.version}` })));
            seen.push(...store.endpoints());
          } else if (step.kind === "open") {
            const endpoint = seen[step.nth % Math.max(1, seen.length)];
            if (endpoint) open.set(ledger.open(endpoint, step.promptTokens, 0), step.promptTokens);
          } else {
            const tickets = [...open.keys(), ...released];
            const ticket = tickets[step.nth % Math.max(1, tickets.length)];
            if (step.kind === "move") {
              const to = seen[step.to % Math.max(1, seen.length)];
              if (to !== undefined) ticket?.moveTo(to, 0);
              return;
            }
            ticket?.release();
            if (ticket && open.delete(ticket)) released.push(ticket);
          }
        };

        for (const step of steps) {
          run(step);
          const { inFlightRequests, inFlightTokens } = loadAt(state, 0);
          const tokens = [...open.values()].reduce((total, count) => total + count, 0);
          expect([sum(inFlightRequests), sum(inFlightTokens)]).toEqual([open.size, tokens]);
          expect([ledger.totalRequests, ledger.totalTokens]).toEqual([open.size, tokens]);
          expect(Math.min(...inFlightRequests, ...inFlightTokens)).toBe(0);
          for (const endpoint of store.endpoints()) {
            const mine = [...open.keys()].filter(({ endpoint: { id } }) => id === endpoint.id);
            expect(inFlightRequests[endpoint.slot]).toBe(mine.length);
          }
          const slots = store.endpoints().map(({ slot }) => slot);
          expect(new Set(slots).size).toBe(slots.length);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("leave nothing behind: every slot is free again once all endpoints left and all requests ended", () => {
    fc.assert(
      fc.property(stepsOf, (steps) => {
        const state = new PoolState({ slotsMax: 6 });
        const { store, counts } = state;
        const ledger = new InFlightLedger(counts);
        const tickets: InFlightTicket[] = [];
        for (const step of steps) {
          if (step.kind === "apply") store.apply(step.hosts.map((host) => spec(host)));
          const endpoints = store.endpoints();
          if (step.kind === "open" && endpoints.length > 0) {
            const endpoint = endpoints[step.nth % endpoints.length];
            if (endpoint) tickets.push(ledger.open(endpoint, step.promptTokens, 0));
          }
          if (step.kind === "release") tickets[step.nth % tickets.length]?.release();
          const to = step.kind === "move" ? endpoints[step.to % endpoints.length] : undefined;
          if (step.kind === "move" && to) tickets[step.nth % tickets.length]?.moveTo(to, 0);
        }
        store.apply([]);
        for (const ticket of tickets) ticket.release();
        const fresh = [11, 12, 13, 14, 15, 16].map((host) => spec(host));
        expect(store.apply(fresh).refused).toEqual([]);
        expect(Math.max(...loadAt(state, 0).inFlightTokens)).toBe(0);
      }),
    );
  });
});
