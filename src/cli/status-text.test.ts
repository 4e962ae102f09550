import { describe, expect, it } from "vitest";
import type { PoolPage } from "../admin/pool-page.ts";
import { statusText } from "./status-text.ts";

type ShownEndpoint = PoolPage["endpoints"][number];

const endpoint = (parts: Partial<ShownEndpoint>): ShownEndpoint => ({
  id: "default/a-rank-0",
  address: "10.0.0.1:8000",
  labels: {},
  engine: "vllm",
  health: { phase: "ready" },
  waitingRequests: 0,
  runningRequests: 3,
  kvCacheUsedRatio: 0.254,
  reported: { waitingRequests: 0, runningRequests: 3, kvCacheUsedRatio: 0.254 },
  blockTokens: 16,
  inFlightRequests: 2,
  inFlightTokens: 700,
  adapters: null,
  signalsAgeMs: 40.2,
  signalsTrust: 1,
  signalsSource: "engine",
  scrape: { state: "read", url: null, failure: null, failures: {}, missing: [] },
  takesRequests: true,
  ...parts,
});

const page = (parts: Partial<PoolPage>): PoolPage => ({
  name: "llama",
  notReady: [],
  source: "InferencePool default/llama",
  problem: null,
  excluded: [],
  follows: [],
  endpoints: [],
  ...parts,
});

describe("the status of a picker", () => {
  it("shows endpoints, what is excluded and why, and what is followed", () => {
    const text = statusText(
      page({
        endpoints: [
          endpoint({}),
          endpoint({
            id: "default/b-rank-0",
            address: "10.0.0.2:8000",
            health: { phase: "draining", reason: "not-ready" },
            takesRequests: false,
            engine: null,
            // Our own accounting, which is not the engine's word.
            waitingRequests: 0,
            runningRequests: 0,
            reported: { waitingRequests: null, runningRequests: null, kvCacheUsedRatio: null },
            signalsAgeMs: null,
          }),
        ],
        excluded: [
          { namespace: "default", name: "b", reason: "not-ready" },
          {
            namespace: "default",
            name: "c",
            reason: "no-active-port",
            detail: 'active-ports: "9"',
          },
        ],
        follows: [
          { what: "Pods of default", state: "synced", contactAgeMs: 61_000, failure: null },
          { what: "InferenceObjectives", state: "absent", contactAgeMs: null, failure: "none" },
        ],
      }),
    );
    expect(text).toBe(
      [
        "pool llama, InferencePool default/llama: ready",
        "2 endpoints, 1 taking requests, 2 excluded",
        "",
        "ENDPOINT          ADDRESS        STATE                 ENGINE  WAITING  RUNNING  KV    IN FLIGHT  SIGNALS",
        "default/a-rank-0  10.0.0.1:8000  ready                 vllm    0        3        25 %  2          40 ms old",
        "default/b-rank-0  10.0.0.2:8000  draining (not-ready)  -       -        -        -     2          never",
        "",
        "EXCLUDED   WHY",
        "default/b  not-ready",
        'default/c  no-active-port (active-ports: "9")',
        "",
        "FOLLOWED             STATE   LAST WORD  FAILURE",
        "Pods of default      synced  61 s ago   -",
        "InferenceObjectives  absent  never      none",
        "",
      ].join("\n"),
    );
  });

  it("says why the picker is not ready, and shows no empty tables", () => {
    expect(statusText(page({ notReady: ["the pool is not known"], source: null }))).toBe(
      "pool llama: not ready: the pool is not known\n0 endpoints, 0 taking requests, 0 excluded\n",
    );
  });

  it.each([
    ["ready", { connect: 3 }, "no metrics (connect 3)"],
    ["ready", { timeout: 1, status: 2 }, "no metrics (timeout 1, status 2)"],
    ["ready", {}, "no metrics"],
    ["trial", { parse: 1 }, "trial (stalled), no metrics (parse 1)"],
  ] as const)("calls an endpoint %s whose metrics fail by %j: %s", (phase, failures, state) => {
    const health = phase === "trial" ? { phase, reason: "stalled" as const } : { phase };
    const scrape = { state: "failing", url: null, failure: null, failures, missing: [] };
    const blind = endpoint({ health, scrape });
    const text = statusText(page({ endpoints: [endpoint({}), blind] }));
    expect(text).toContain(`10.0.0.1:8000  ${state} `);
    expect(text).toContain("2 endpoints, 2 taking requests, 0 excluded, 1 without metrics\n");
  });

  it("marks an endpoint that is used for want of another", () => {
    const drained = endpoint({ health: { phase: "draining", reason: "preempted" } });
    expect(statusText(page({ endpoints: [drained] }))).toContain(
      "draining (preempted), last resort",
    );
  });
});
