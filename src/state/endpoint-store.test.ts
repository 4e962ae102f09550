import { describe, expect, it } from "vitest";
import type { EngineSignals } from "../core/signals.ts";
import { EndpointStore } from "./endpoint-store.ts";
import type { EndpointSpec, MembershipChange } from "./membership.ts";

const spec = (name: string, over: Partial<EndpointSpec> = {}): EndpointSpec => ({
  id: `default/${name}`,
  namespace: "default",
  name,
  address: `10.0.0.${name.charCodeAt(0)}`,
  port: 8_000,
  labels: {},
  ...over,
});

const idle: EngineSignals = {
  waitingRequests: 0,
  runningRequests: 0,
  kvCacheUsedRatio: 0,
  blockTokens: 16,
  blocksMax: 1_000,
  adapters: { active: new Set(["a1"]), waiting: new Set(), adaptersMax: 2 },
  attributes: new Map([["gpu", 0.5]]),
};

function storeOf(...specs: readonly EndpointSpec[]) {
  const store = new EndpointStore({ slotsMax: 4 });
  store.apply(specs);
  const [first] = store.endpoints();
  if (first === undefined) throw new Error("a store under test has an endpoint");
  return { store, first };
}

describe("EndpointStore membership", () => {
  it("is not synced before the first list, even an empty one", () => {
    const store = new EndpointStore();
    expect(store.hasSynced).toBe(false);
    store.apply([]);
    expect(store.hasSynced).toBe(true);
    expect(store.endpoints()).toEqual([]);
  });

  it("keeps objects, slots and the array itself while nothing changes", () => {
    const { store } = storeOf(spec("a"), spec("b"));
    const before = store.endpoints();
    const change = store.apply([spec("b"), spec("a", { labels: {} })]);
    expect(change).toEqual({ added: [], removed: [], relabelled: [], refused: [] });
    expect(store.endpoints()).toBe(before);
  });

  it("keeps the order of those that stay and appends those that come", () => {
    const { store } = storeOf(spec("a"), spec("b"), spec("c"));
    store.apply([spec("d"), spec("c"), spec("a")]);
    expect(store.endpoints().map(({ name }) => name)).toEqual(["a", "c", "d"]);
  });

  it("gives an endpoint with other labels a new object in the same slot", () => {
    const { store, first } = storeOf(spec("a"));
    store.recordSignals(first, idle, 5);
    const change = store.apply([spec("a", { labels: { role: "decode" } })]);
    expect(change.relabelled).toEqual([{ ...first, labels: { role: "decode" } }]);
    expect(store.endpoints()).toEqual(change.relabelled);
    expect(store.endpointAt(first.hostPort)).toBe(change.relabelled[0]);
    expect(store.load().signalsAtMs[first.slot]).toBe(5);
  });

  it("takes an endpoint whose address changed for another one", () => {
    const { store, first } = storeOf(spec("a"));
    const change = store.apply([spec("a", { address: "10.9.9.9" })]);
    expect(change.removed).toEqual([first]);
    expect(change.added.map(({ hostPort }) => hostPort)).toEqual(["10.9.9.9:8000"]);
  });

  it("hands out frozen endpoints in a frozen array", () => {
    const { store, first } = storeOf(spec("a"));
    expect(Object.isFrozen(store.endpoints())).toBe(true);
    expect(Object.isFrozen(first)).toBe(true);
    expect(Object.isFrozen(first.labels)).toBe(true);
  });

  it("finds an endpoint by what the destination header carries", () => {
    const { store } = storeOf(spec("a", { address: "2001:db8::a" }), spec("b"));
    expect(store.endpointAt("[2001:db8::a]:8000")?.name).toBe("a");
    store.apply([spec("b")]);
    expect(store.endpointAt("[2001:db8::a]:8000")).toBeUndefined();
  });

  it("lets a new endpoint take over the address of one that leaves in the same list", () => {
    const { store } = storeOf(spec("a"));
    store.apply([spec("b", { address: spec("a").address })]);
    expect(store.endpointAt(`${spec("a").address}:8000`)?.name).toBe("b");
  });

  it("refuses what does not fit, never an endpoint it already has", () => {
    const { store } = storeOf(spec("a"), spec("b"), spec("c"));
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
    expect(store.apply([spec("a"), sameId, sameAddress]).refused).toEqual([
      { spec: sameId, reason: "duplicate-id" },
      { spec: sameAddress, reason: "duplicate-address" },
    ]);
    expect(store.endpoints()).toHaveLength(1);
  });

  it("tells listeners of each change, after it is visible, until they leave", () => {
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

describe("EndpointStore load", () => {
  it("knows no signal and no request of a new endpoint", () => {
    const { store, first } = storeOf(spec("a"));
    const { adapters, attributes: _, inFlightRequests, inFlightTokens, ...signals } = store.load();
    for (const column of Object.values(signals)) expect(column[first.slot]).toBeNaN();
    expect(adapters[first.slot]).toBeUndefined();
    expect([inFlightRequests[first.slot], inFlightTokens[first.slot]]).toEqual([0, 0]);
  });

  it("keeps all numeric columns in one shared buffer of 64 bytes a slot", () => {
    const { adapters: _, attributes: __, ...columns } = new EndpointStore().load();
    const buffers = new Set(Object.values(columns).map(({ buffer }) => buffer));
    expect([...buffers].map(({ byteLength }) => byteLength)).toEqual([4_096 * 64]);
  });

  it("records what a scrape told, by the endpoint's object or an earlier one", () => {
    const { store, first } = storeOf(spec("a"));
    store.apply([spec("a", { labels: { v: "2" } })]);
    store.recordSignals(first, { ...idle, waitingRequests: 3, kvCacheUsedRatio: 0.5 }, 1_234);
    const load = store.load();
    expect(load.waitingRequests[first.slot]).toBe(3);
    expect(load.kvCacheUsedRatio[first.slot]).toBe(0.5);
    expect(load.signalsAtMs[first.slot]).toBe(1_234);
    expect(load.adapters[first.slot]).toBe(idle.adapters);
  });

  it("forgets a signal that the last scrape lacked", () => {
    const { store, first } = storeOf(spec("a"));
    store.recordSignals(first, idle, 1);
    store.recordSignals(first, { ...idle, waitingRequests: undefined, adapters: undefined }, 2);
    expect(store.load().waitingRequests[first.slot]).toBeNaN();
    expect(store.load().adapters[first.slot]).toBeUndefined();
    expect(store.load().runningRequests[first.slot]).toBe(0);
  });

  it("ignores the scrape of an endpoint that has gone, whoever has its slot now", () => {
    const { store, first } = storeOf(spec("a"));
    store.apply([spec("b")]);
    expect(store.endpoints()[0]?.slot).toBe(first.slot);
    store.recordSignals(first, idle, 1);
    expect(store.load().signalsAtMs[first.slot]).toBeNaN();
  });

  it("ignores the scrape of an endpoint that has gone and still runs a request", () => {
    const { store, first } = storeOf(spec("a"));
    store.addInFlight(first, 1);
    store.apply([]);
    store.recordSignals(first, idle, 1);
    store.apply([spec("a")]);
    expect(store.load().signalsAtMs[first.slot]).toBeNaN();
  });

  it("starts an endpoint that comes back without the signals of its former life", () => {
    const { store, first } = storeOf(spec("a"));
    store.recordSignals(first, idle, 1);
    store.apply([]);
    store.apply([spec("a")]);
    expect(store.load().signalsAtMs[first.slot]).toBeNaN();
    expect(store.load().adapters[first.slot]).toBeUndefined();
  });
});
