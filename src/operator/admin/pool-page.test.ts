import { describe, expect, it } from "vitest";
import { aLoad, anEndpoint, someAdapters } from "#test/support/builders.ts";
import { jsonPage } from "./admin-server.ts";
import { poolPageOf } from "./pool-page.ts";

/** The page as a client reads it. */
function pageOf(...page: Parameters<typeof poolPageOf>): unknown {
  return JSON.parse(jsonPage(poolPageOf(...page)).body);
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
        inFlightRequests: 2,
        inFlightTokens: 700,
        adapters: someAdapters({ active: ["a"], waiting: ["b", "c"], adaptersMax: 4 }),
      },
    ]);
    expect(pageOf({ name: "pool", endpoints: [endpoint] }, load, 1_250)).toEqual({
      name: "pool",
      endpoints: [
        {
          id: "default/engine-1",
          address: "[fd00::1]:8000",
          labels: { role: "decode" },
          waitingRequests: 3,
          runningRequests: 8,
          kvCacheUsedRatio: 0.25,
          inFlightRequests: 2,
          inFlightTokens: 700,
          adapters: { active: ["a"], waiting: ["b", "c"], max: 4 },
          signalsAgeMs: 250, // 1,250 - 1,000
        },
      ],
    });
  });

  it("shows null for what was never read", () => {
    expect(pageOf({ name: "pool", endpoints: [anEndpoint()] }, aLoad([{}]), 5)).toMatchObject({
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

  it("tells a signal of 0 from one that was never read", () => {
    const load = aLoad([{ waitingRequests: 0, kvCacheUsedRatio: 0, signalsAtMs: 0 }]);
    expect(pageOf({ name: "pool", endpoints: [anEndpoint()] }, load, 0)).toMatchObject({
      endpoints: [{ waitingRequests: 0, kvCacheUsedRatio: 0, signalsAgeMs: 0 }],
    });
  });

  it("shows an empty pool as one without endpoints", () => {
    expect(pageOf({ name: "pool", endpoints: [] }, aLoad([]), 0)).toEqual({
      name: "pool",
      endpoints: [],
    });
  });
});
