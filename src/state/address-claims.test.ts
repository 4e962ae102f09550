import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { drainOf } from "../core/endpoint.ts";
import { refusalDetail, settledClaims } from "./address-claims.ts";
import { EndpointStore } from "./endpoint-store.ts";
import { PoolSlots } from "./pool-slots.ts";
import type { EndpointSpec } from "./membership.ts";

const drained = { labels: { "pointsman.dev/drain": "true" } };

/** An endpoint at 10.0.0.1:8000, so that two of them claim one address. */
const spec = (name: string, over: Partial<EndpointSpec> = {}): EndpointSpec => ({
  id: `n/${name}`,
  namespace: "n",
  name,
  address: "10.0.0.1",
  port: 8_000,
  labels: {},
  ...over,
});

const young = { createdAtMs: 2_000 };
const old = { createdAtMs: 1_000 };

/** Names of the specs that have a place; fails if the order of the list matters. */
function winnersOf(specs: readonly EndpointSpec[], live: readonly string[] = []) {
  const isLive = (identity: string) => live.some((name) => identity.startsWith(`n/${name} `));
  const results = [specs, specs.toReversed()].map((each) => settledClaims(each, isLive));
  const names = results.map(({ wanted }) => [...wanted.values()].map(({ name }) => name));
  expect(names[0]?.toSorted()).toEqual(names[1]?.toSorted());
  return names[0];
}

describe("an address that several endpoints claim", () => {
  it.each<[string, readonly Partial<EndpointSpec>[], string]>([
    [
      "one that takes requests, before a younger one that is being deleted",
      [old, { ...young, drain: "terminating" }],
      "a",
    ],
    [
      "one that takes requests, before a younger one that is not ready",
      [old, { ...young, drain: "not-ready" }],
      "a",
    ],
    [
      "one that takes requests, before a younger one that is about to be evicted",
      [old, { ...young, drain: "preempted" }],
      "a",
    ],
    [
      "one that takes requests, before a younger one with the drain label",
      [old, { ...young, ...drained }],
      "a",
    ],
    [
      "a last resort, before a younger one with the drain label",
      [
        { ...old, drain: "disrupted" },
        { ...young, ...drained },
      ],
      "a",
    ],
    [
      "one with the drain label, before a younger one that is not ready",
      [
        { ...old, ...drained },
        { ...young, drain: "not-ready" },
      ],
      "a",
    ],
    ["the younger of two that take requests", [old, young], "b"],
    ["one of known age, before one of unknown age", [{}, old], "b"],
    ["the first by name of two of one age", [old, old], "a"],
    ["the first by name of two of unknown age", [{}, {}], "a"],
  ])("belongs to %s", (_, [a, b], winner) => {
    expect(winnersOf([spec("a", a), spec("b", b)])).toEqual([winner]);
  });

  it("stays with the endpoint that has it if none of them could be added", () => {
    const specs = [
      spec("a", { ...old, drain: "terminating" }),
      spec("b", { ...young, drain: "not-ready" }),
    ];
    expect(winnersOf(specs, ["a"])).toEqual(["a"]);
    expect(winnersOf(specs, ["b"])).toEqual(["b"]);
    expect(settledClaims(specs, () => false).refused).toEqual([]);
  });

  it("is one per port: the same address on another port is another endpoint", () => {
    expect(winnersOf([spec("a"), spec("b", { port: 8_001 })])).toEqual(["a", "b"]);
  });

  it("is not taken by an endpoint that has no place itself", () => {
    // b loses its id to c, so a keeps the address that b claims too.
    const specs = [
      spec("a", old),
      spec("b", young),
      spec("b", { createdAtMs: 3_000, address: "10.0.0.2", incarnation: "2" }),
    ];
    expect(winnersOf(specs)).toEqual(["a", "b"]);
    expect(settledClaims(specs, () => false).refused).toMatchObject([
      { reason: "duplicate-id", holder: { address: "10.0.0.2" } },
    ]);
  });

  it.each<[Partial<EndpointSpec>, Partial<EndpointSpec>, string]>([
    [young, old, "10.0.0.1:8000 belongs to n/a, which is younger"],
    [old, { ...young, drain: "terminating" }, "10.0.0.1:8000 belongs to n/a, which takes requests"],
    [
      { drain: "preempted" },
      { drain: "not-ready" },
      "10.0.0.1:8000 belongs to n/a, which is ready",
    ],
    [
      { drain: "preempted" },
      drained,
      "10.0.0.1:8000 belongs to n/a, which may take requests as a last resort",
    ],
    [old, old, "10.0.0.1:8000 belongs to n/a, which comes first by name"],
  ])("is refused to the other one with the reason: %j before %j", (a, b, detail) => {
    const { refused } = settledClaims([spec("b", b), spec("a", a)], () => false);
    expect(refused.map((each) => [each.reason, refusalDetail(each)])).toEqual([
      ["duplicate-address", detail],
    ]);
  });
});

/** One of few pods on few addresses and ports, so that most lists have clashes. */
const anySpec = fc.record({
  name: fc.constantFrom("a", "b", "c", "d", "e"),
  host: fc.integer({ min: 1, max: 2 }),
  port: fc.integer({ min: 1, max: 2 }),
  incarnation: fc.constantFrom("1", "2"),
  createdAtMs: fc.constantFrom(undefined, 1_000, 2_000),
  drain: fc.constantFrom(undefined, undefined, "not-ready", "terminating", "preempted"),
  isDrained: fc.boolean(),
});

const anyList = fc
  .uniqueArray(anySpec, { maxLength: 7, selector: ({ name, incarnation }) => name + incarnation })
  .map((all) =>
    all.map(({ name, host, port, incarnation, createdAtMs, drain, isDrained }) =>
      spec(name, {
        ...{ address: `10.0.0.${host}`, port, incarnation },
        ...(isDrained ? drained : {}),
        ...(createdAtMs === undefined ? {} : { createdAtMs }),
        ...(drain === undefined ? {} : { drain }),
      }),
    ),
  );

/** State of the pool without the order of its endpoints. */
function outcomeOf(store: EndpointStore) {
  const refused = store.refused.all.map(
    (each) => `${each.spec.id} ${each.spec.incarnation} ${refusalDetail(each)}`,
  );
  const takers = store.takers().map(({ id, incarnation }) => `${id} ${incarnation}`);
  return { takers: takers.toSorted(), refused: refused.toSorted() };
}

/** Addresses claimed by an endpoint that takes requests and has an id of its own. */
function servable(specs: readonly EndpointSpec[]): readonly string[] {
  return specs
    .filter((each) => drainOf(each) === undefined)
    .filter(({ id }) => specs.filter((other) => other.id === id).length === 1)
    .map(({ address, port }) => `${address}:${port}`);
}

describe("a pool whose endpoints claim each other's addresses", () => {
  it("depends on the last list alone, not on earlier ones or on its order", () => {
    const anyHistory = fc.array(anyList, { maxLength: 5 });
    fc.assert(
      fc.property(anyHistory, anyList, fc.infiniteStream(fc.nat()), (history, last, keys) => {
        const fresh = new EndpointStore(new PoolSlots(64));
        fresh.apply(last);
        const experienced = new EndpointStore(new PoolSlots(64));
        for (const specs of history) experienced.apply(specs);
        const shuffled = last
          .map((each) => ({ each, key: keys.next().value ?? 0 }))
          .toSorted((one, other) => one.key - other.key)
          .map(({ each }) => each);
        experienced.apply(shuffled);
        expect(outcomeOf(experienced)).toEqual(outcomeOf(fresh));
        // Every other endpoint left in the pool drains, and has an address of its own.
        const addresses = experienced.endpoints().map(({ hostPort }) => hostPort);
        expect(new Set(addresses).size).toBe(addresses.length);
        expect(servable(last).filter((each) => !addresses.includes(each))).toEqual([]);
      }),
      { numRuns: 1_000 },
    );
  });
});
