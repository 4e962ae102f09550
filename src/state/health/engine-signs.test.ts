import { describe, expect, it } from "vitest";
import { report } from "#test/support/reports.ts";
import { PoolState } from "../pool-state.ts";
import { BoardSigns } from "./engine-signs.ts";

function aPool() {
  const state = new PoolState({ slotsMax: 4 });
  const { store, view } = state;
  const spec = { id: "default/e0", namespace: "default", name: "e0", address: "10.0.0.1" };
  const apply = () => store.apply([{ ...spec, port: 8_000, labels: {} }]);
  apply();
  const [endpoint] = store.endpoints();
  if (endpoint === undefined) throw new Error("the pool has an endpoint");
  const signs = new BoardSigns(store.board, (slot) => view.load.adapters[slot]);
  return { state, store, signs, endpoint, apply };
}

describe("the signs of an engine", () => {
  it("are none before its first report, and while that is overdue", () => {
    const { state, signs, endpoint } = aPool();
    expect(signs.reportOf(0, 0)).toBeUndefined();
    report(state, endpoint, { atMs: 1_000, intervalMs: 50, runningRequests: 2 });
    expect(signs.reportOf(0, 1_000)?.runningRequests).toBe(2);
    // 50 ms planned and 500 of grace.
    expect(signs.reportOf(0, 1_550)).toBeDefined();
    expect(signs.reportOf(0, 1_551)).toBeUndefined();
  });

  it("include requests beyond those that were ours when it was asked", () => {
    const { state, signs, endpoint } = aPool();
    const ours = state.counts.sent(endpoint, 10, 0);
    report(state, endpoint, { runningRequests: 3, waitingRequests: 1 });
    expect(signs.reportOf(0, 0)?.foreignRequests).toBe(3);
    report(state, endpoint, { runningRequests: 0, waitingRequests: 0 });
    expect(signs.reportOf(0, 0)?.foreignRequests).toBe(0);
    if (ours !== undefined) state.counts.finished(ours);
  });

  it("do not pass from an endpoint that left to the next one in its slot", () => {
    const { state, store, signs, endpoint, apply } = aPool();
    report(state, endpoint, { runningRequests: 3 });
    store.apply([]);
    apply();
    expect(signs.reportOf(0, 0)).toBeUndefined();
  });

  it("count every answer to a scrape as a contact, and distinguish refusals from silence", () => {
    const { store, signs } = aPool();
    const { scrapes } = store.board;
    for (const [field, count] of [
      ["ok", 1],
      ["status", 2],
      ["parse", 3],
      ["too-large", 4],
      ["connect", 5],
      ["timeout", 6],
    ] as const) {
      scrapes[field][0] = count;
    }
    expect(signs.contactsOf(0)).toEqual({ answered: 10, refused: 5, silent: 6 });
  });
});
