import { describe, expect, it } from "vitest";
import { spec, stateOf } from "#test/support/pool-state.ts";
import { loadAt, report } from "#test/support/reports.ts";
import { EndpointStore } from "./endpoint-store.ts";
import type { MembershipChange } from "./membership.ts";

describe("EndpointStore membership", () => {
  it("is not synced before the first list, even an empty one", () => {
    const store = new EndpointStore();
    expect(store.hasSynced).toBe(false);
    store.apply([]);
    expect(store.hasSynced).toBe(true);
    expect(store.endpoints()).toEqual([]);
  });

  it("keeps objects, slots and the array itself while nothing changes", () => {
    const { store } = stateOf([spec("a"), spec("b")]);
    const before = store.endpoints();
    const change = store.apply([spec("b"), spec("a", { labels: {} })]);
    expect(change).toEqual({ added: [], removed: [], updated: [], refused: [] });
    expect(store.endpoints()).toBe(before);
  });

  it("keeps the order of those that stay and appends those that come", () => {
    const { store } = stateOf([spec("a"), spec("b"), spec("c")]);
    store.apply([spec("d"), spec("c"), spec("a")]);
    expect(store.endpoints().map(({ name }) => name)).toEqual(["a", "c", "d"]);
  });

  it("gives an endpoint with other labels a new object in the same slot", () => {
    const { state, store, first } = stateOf([spec("a")]);
    report(state, first, { atMs: 5 });
    const change = store.apply([spec("a", { labels: { role: "decode" } })]);
    expect(change.updated).toEqual([{ ...first, labels: { role: "decode" } }]);
    expect(store.endpoints()).toEqual(change.updated);
    expect(store.endpointAt(first.hostPort)).toBe(change.updated[0]);
    expect(loadAt(state, 0).signalsAtMs[first.slot]).toBe(5);
  });

  it("treats the same name and address with another incarnation as another endpoint", () => {
    const { store, first } = stateOf([spec("a", { incarnation: "1" })]);
    const { added, removed } = store.apply([spec("a", { incarnation: "2" })]);
    expect(removed).toEqual([first]);
    expect(added).toEqual([expect.objectContaining({ incarnation: "2" })]);
  });

  it.each(["not-ready", "terminating"] as const)(
    "keeps an endpoint that is %s for its running requests, and adds none",
    (drain) => {
      const { store } = stateOf([spec("a"), spec("b")]);
      store.apply([spec("a", { drain }), spec("b"), spec("c", { drain })]);
      expect(store.endpoints().map(({ name }) => name)).toEqual(["a", "b"]);
      expect(store.takers().map(({ name }) => name)).toEqual(["b"]);
      store.apply([spec("a"), spec("b")]);
      expect(store.takers().map(({ name }) => name)).toEqual(["a", "b"]);
    },
  );

  it("offers an endpoint about to be evicted if there is no other, unless that is turned off", () => {
    const disrupted = spec("a", { drain: "disrupted" });
    const { store } = stateOf([disrupted, spec("b")]);
    expect(store.takers().map(({ name }) => name)).toEqual(["b"]);
    store.apply([disrupted, spec("b", { drain: "terminating" })]);
    expect(store.takers().map(({ name }) => name)).toEqual(["a"]);
    store.hasLastResort = false;
    expect(store.takers()).toEqual([]);
  });

  it("never offers an endpoint with the drain label", () => {
    const { store } = stateOf([
      spec("a", { drain: "preempted", labels: { "pointsman.dev/drain": "true" } }),
    ]);
    expect(store.takers()).toEqual([]);
  });

  it("treats an endpoint whose address changed as another one", () => {
    const { store, first } = stateOf([spec("a")]);
    const change = store.apply([spec("a", { address: "10.9.9.9" })]);
    expect(change.removed).toEqual([first]);
    expect(change.added.map(({ hostPort }) => hostPort)).toEqual(["10.9.9.9:8000"]);
  });

  it("hands out frozen endpoints in arrays that V8 iterates over fast, so not frozen", () => {
    const { store, first } = stateOf([spec("a")]);
    expect(Object.isFrozen(store.endpoints())).toBe(false);
    expect(Object.isFrozen(store.takers())).toBe(false);
    expect(Object.isFrozen(first)).toBe(true);
    expect(Object.isFrozen(first.labels)).toBe(true);
  });

  it("finds an endpoint by the value of the destination header", () => {
    const { store } = stateOf([spec("a", { address: "2001:db8::a" }), spec("b")]);
    expect(store.endpointAt("[2001:db8::a]:8000")?.name).toBe("a");
    store.apply([spec("b")]);
    expect(store.endpointAt("[2001:db8::a]:8000")).toBeUndefined();
  });

  it("lets a new endpoint take over the address of one that leaves in the same list", () => {
    const { store } = stateOf([spec("a")]);
    store.apply([spec("b", { address: spec("a").address })]);
    expect(store.endpointAt(`${spec("a").address}:8000`)?.name).toBe("b");
  });

  it("refuses endpoints beyond the number of slots, never one it already has", () => {
    const { store } = stateOf([spec("a"), spec("b"), spec("c")]);
    const change = store.apply(["x", "y", "a", "b", "c"].map((name) => spec(name)));
    expect(change.refused).toEqual([{ spec: spec("y"), reason: "capacity" }]);
    expect(store.endpoints().map(({ name }) => name)).toEqual(["a", "b", "c", "x"]);
    store.apply(["x", "y", "b", "c"].map((name) => spec(name)));
    expect(store.endpoints().map(({ name }) => name)).toEqual(["b", "c", "x", "y"]);
  });

  it("refuses a second endpoint with one id or one address", () => {
    const store = new EndpointStore();
    const sameId = spec("a", { address: "10.1.1.1" });
    const sameAddress = spec("b", { address: spec("a").address });
    const holder = spec("a", { createdAtMs: 1 });
    const refused = [
      { spec: sameId, reason: "duplicate-id", holder },
      { spec: sameAddress, reason: "duplicate-address", holder },
    ];
    expect(store.apply([holder, sameId, sameAddress]).refused).toEqual(refused);
    expect(store.refused.all).toEqual(refused);
    expect(store.endpoints()).toHaveLength(1);
  });

  it("gives an address to another endpoint with the change of readiness, and back", () => {
    const a = { address: "10.0.0.1", createdAtMs: 1 };
    const b = { address: "10.0.0.1", createdAtMs: 2 };
    const { store, first } = stateOf([spec("a", a), spec("b", { ...b, drain: "not-ready" })]);
    expect(first.name).toBe("a");
    const { added, removed } = store.apply([spec("a", a), spec("b", b)]);
    expect([removed, added.map(({ name }) => name)]).toEqual([[first], ["b"]]);
    expect(store.endpointAt("10.0.0.1:8000")?.name).toBe("b");
    store.apply([spec("a", a), spec("b", { ...b, drain: "terminating" })]);
    expect(store.takers().map(({ name }) => name)).toEqual(["a"]);
    store.apply([spec("a", a)]);
    expect(store.takers().map(({ name }) => name)).toEqual(["a"]);
    expect(store.refused.all).toEqual([]);
  });

  it("lets the loser take over when the winner goes away", () => {
    const { store } = stateOf([spec("a", { address: "10.0.0.1" })]);
    const young = spec("b", { address: "10.0.0.1", createdAtMs: 2 });
    store.apply([spec("a", { address: "10.0.0.1" }), young]);
    expect(store.takers()).toMatchObject([{ name: "b" }]);
    store.apply([spec("a", { address: "10.0.0.1" })]);
    expect(store.takers()).toMatchObject([{ name: "a" }]);
  });

  it("keeps the requests of an endpoint apart from those of the next one at its address", () => {
    const a = spec("a", { address: "10.0.0.1" });
    const b = spec("b", { address: "10.0.0.1", createdAtMs: 2 });
    const { state, store, first } = stateOf([a]);
    const { counts, view } = state;
    const open = counts.sent(first, 100, 0);
    store.apply([a, b]);
    const [next] = store.endpoints();
    if (open === undefined || next === undefined) throw new Error("both are endpoints");
    expect(view.load.inFlightRequests[next.slot]).toBe(0);
    counts.sent(next, 7, 0);
    counts.finished(open);
    expect(view.load.inFlightRequests[next.slot]).toBe(1);
    expect(view.load.inFlightTokens[next.slot]).toBe(7);
  });

  it("tells listeners of each change, after it is visible, until they unsubscribe", () => {
    const store = new EndpointStore();
    const seen: [MembershipChange, number][] = [];
    const leave = store.onChange((change) => seen.push([change, store.endpoints().length]));
    const change = store.apply([spec("a")]);
    store.apply([spec("a")]);
    leave();
    store.apply([]);
    expect(seen).toEqual([[change, 1]]);
  });
});
