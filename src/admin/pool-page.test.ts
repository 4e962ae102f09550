import { describe, expect, it } from "vitest";
import { aLoad, anEndpoint, someAdapters } from "#test/support/builders.ts";
import type { Endpoint } from "../core/endpoint.ts";
import type { LoadSnapshot } from "../core/load.ts";
import { jsonPage } from "./admin-server.ts";
import { poolPageOf } from "./pool-page.ts";

const reading = {
  url: "http://10.0.0.1:8000/metrics",
  engine: "sglang",
  failure: undefined,
  missing: [{ signal: "kv-cache-used", family: "sglang:token_usage", reason: "absent" }],
} as const;
const readingOf = ({ slot }: Endpoint) => (slot === 1 ? reading : undefined);
const healthOf = () => ({ phase: "ejected", reason: "stalled" }) as const;

function poolOf(endpoints: readonly Endpoint[], load: LoadSnapshot, nowMs: number) {
  return {
    name: "pool",
    notReady: [],
    endpoints,
    takers: endpoints,
    leftOut: [],
    load,
    nowMs,
    engineOf: () => "sglang",
    scrapesOf: () => ({ ok: 1, failures: { connect: 0, timeout: 2 } }),
    healthOf,
    readingOf,
  };
}

/** The page as a client reads it. */
function pageOf(...given: Parameters<typeof poolOf>): unknown {
  return JSON.parse(jsonPage(poolPageOf(poolOf(...given))).body);
}

describe("the pool page", () => {
  it("shows every endpoint with its signals and their age", () => {
    const endpoint = anEndpoint({ slot: 1, address: "fd00::1", labels: { role: "decode" } });
    const load = aLoad([
      {},
      {
        waitingRequests: 3,
        runningRequests: 8,
        kvCacheUsedRatio: 0.25,
        signalsAtMs: 1_000,
        signalsTrust: 0.5,
        inFlightRequests: 2,
        inFlightTokens: 700,
        adapters: someAdapters({ active: ["a"], waiting: ["b", "c"], adaptersMax: 4 }),
      },
    ]);
    expect(pageOf([endpoint], load, 1_250)).toEqual({
      name: "pool",
      notReady: [],
      source: null,
      problem: null,
      excluded: [],
      follows: [],
      endpoints: [
        {
          id: "default/engine-1",
          // It takes single requests, to be tried.
          takesRequests: false,
          address: "[fd00::1]:8000",
          labels: { role: "decode" },
          engine: "sglang",
          health: { phase: "ejected", reason: "stalled" },
          waitingRequests: 3,
          runningRequests: 8,
          kvCacheUsedRatio: 0.25,
          reported: { waitingRequests: 3, runningRequests: 8, kvCacheUsedRatio: 0.25 },
          blockTokens: null,
          inFlightRequests: 2,
          inFlightTokens: 700,
          adapters: { active: ["a"], waiting: ["b", "c"], max: 4 },
          signalsAgeMs: 250, // 1,250 - 1,000
          signalsTrust: 0.5,
          signalsSource: "engine and own",
          scrape: {
            state: "read",
            failures: { timeout: 2 },
            url: "http://10.0.0.1:8000/metrics",
            failure: null,
            missing: [{ signal: "kv-cache-used", family: "sglang:token_usage", reason: "absent" }],
          },
        },
      ],
    });
  });

  it("shows null for what was never read", () => {
    expect(pageOf([anEndpoint()], aLoad([{}]), 5)).toMatchObject({
      endpoints: [
        {
          waitingRequests: null,
          runningRequests: null,
          kvCacheUsedRatio: null,
          inFlightRequests: 0,
          inFlightTokens: 0,
          adapters: null,
          signalsAgeMs: null,
        },
      ],
    });
  });

  it.each([
    [1, "engine"],
    [0.01, "engine and own"],
    [0, "own"],
  ])("says whose word the load is at a trust of %s: %s", (signalsTrust, signalsSource) => {
    const load = aLoad([{ signalsTrust }]);
    expect(pageOf([anEndpoint()], load, 0)).toMatchObject({ endpoints: [{ signalsSource }] });
  });

  it("tells our own accounting from what the engine reports", () => {
    const load = aLoad([{ waitingRequests: 0, runningRequests: 2, told: { runningRequests: 2 } }]);
    expect(pageOf([anEndpoint()], load, 0)).toMatchObject({
      endpoints: [
        {
          waitingRequests: 0,
          runningRequests: 2,
          reported: { waitingRequests: null, runningRequests: 2, kvCacheUsedRatio: null },
        },
      ],
    });
  });

  it("tells a signal of 0 from one that was never read", () => {
    const load = aLoad([{ waitingRequests: 0, kvCacheUsedRatio: 0, signalsAtMs: 0 }]);
    expect(pageOf([anEndpoint()], load, 0)).toMatchObject({
      endpoints: [{ waitingRequests: 0, kvCacheUsedRatio: 0, signalsAgeMs: 0 }],
    });
  });

  it.each([
    ["read", 0.5, { ok: 1, failures: { connect: 9 } }],
    ["failing", 0, { ok: 1, failures: { connect: 9 } }],
    ["failing", 0, { ok: 0, failures: { connect: 1 } }],
    // The engine is suspended, say: nothing fails, and nothing is heard.
    ["failing", 0, { ok: 5, failures: {} }],
    ["unread", 0, { ok: 0, failures: { connect: 0 } }],
  ])("says that metrics are %s at a trust of %s with %j", (state, signalsTrust, scrapes) => {
    const pool = poolOf([anEndpoint()], aLoad([{ signalsTrust }]), 0);
    const { endpoints } = poolPageOf({ ...pool, scrapesOf: () => scrapes });
    expect(endpoints).toMatchObject([{ scrape: { state } }]);
  });

  it("shows an endpoint that drains as such", () => {
    const endpoint = anEndpoint({ labels: { "pointsman.dev/drain": "true" } });
    expect(pageOf([endpoint], aLoad([{}]), 0)).toMatchObject({
      endpoints: [{ health: { phase: "draining", reason: "drain-label" } }],
    });
  });

  it("shows what the pool leaves out after what its source excludes", () => {
    const excluded = [{ namespace: "n", name: "a", reason: "terminating" }];
    const leftOut = [{ namespace: "n", name: "a-rank-0", reason: "duplicate-address" }];
    const source = { source: "a pool", problem: undefined, excluded, follows: [] };
    const pool = { ...poolOf([], aLoad([]), 0), source, leftOut };
    expect(poolPageOf(pool).excluded).toEqual([...excluded, ...leftOut]);
  });

  it("shows an empty pool as one without endpoints", () => {
    expect(pageOf([], aLoad([]), 0)).toMatchObject({
      name: "pool",
      endpoints: [],
    });
  });
});
