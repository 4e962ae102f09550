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

it("shows the endpoints that take requests, and finds them by address", () => {
  const { store, view } = aPool();
  expect(view.snapshot(7)).toMatchObject({ endpoints: store.takers(), nowMs: 7 });
  expect(view.endpointAt("10.0.0.1:8000")?.name).toBe("engine-1");
  expect(view.endpointAt("10.9.9.9:1")).toBeUndefined();
});
