import { expect, it } from "vitest";
import { aContext, aDecision, anEndpoint, aRecord, aRequest } from "#test/support/builders.ts";
import { quietPool } from "#test/support/quiet-pool.ts";
import { poolViewOf } from "./data-plane.ts";

function aPool() {
  const pool = quietPool();
  const { store, ledger } = pool;
  store.apply([0, 1].map((slot) => anEndpoint({ slot })));
  const view = poolViewOf(pool, { nowMs: () => 0 });
  return { store, ledger, view };
}

it("counts a request on its endpoint to the end, on its helpers until the answer begins", () => {
  const { store, ledger, view } = aPool();
  const [endpoint, helper] = store.endpoints();
  if (endpoint === undefined || helper === undefined) throw new Error("the pool has two");
  const request = aRequest({ promptTokens: 10 });
  const decision = aDecision({ endpoints: [endpoint], helpers: [helper] });
  const inFlight = () => [...view.snapshot(0).load.inFlightRequests.subarray(0, 2)];

  const followers = view.send({ context: aContext({ request }), decision });
  expect([inFlight(), ledger.totalTokens]).toEqual([[1, 1], 20]);
  for (const follower of followers) follower.firstToken?.(5);
  expect(inFlight()).toEqual([1, 0]);
  for (const follower of followers) follower.ended?.(aRecord({ request, decision }));
  expect([inFlight(), ledger.totalTokens]).toEqual([[0, 0], 0]);
});

it("knows an endpoint of a decision until it leaves, even if another takes its slot", () => {
  const { store, view } = aPool();
  const [before] = store.endpoints();
  if (before === undefined) throw new Error("the pool has two");
  store.apply([anEndpoint({ slot: 0, labels: { version: "2" } }), anEndpoint({ slot: 1 })]);
  expect(view.current(before)).toBe(store.endpoints()[0]);
  expect(view.current(before)?.labels).toEqual({ version: "2" });
  store.apply([anEndpoint({ slot: 1 })]);
  const [after] = store.apply([anEndpoint({ slot: 1 }), anEndpoint({ slot: 7 })]).added;
  expect(after?.slot).toBe(before.slot);
  expect(view.current(before)).toBeUndefined();
});

it("shows the endpoints that take requests, and finds them by address", () => {
  const { store, view } = aPool();
  expect(view.snapshot(7)).toMatchObject({ endpoints: store.takers(), nowMs: 7 });
  expect(view.endpointAt("10.0.0.1:8000")?.name).toBe("engine-1");
  expect(view.endpointAt("10.9.9.9:1")).toBeUndefined();
});
