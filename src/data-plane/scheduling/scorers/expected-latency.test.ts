import { describe, expect, it } from "vitest";
import { itKeepsTheScorerContract, scoresIn } from "#test/contract/scorer.ts";
import { aContext, aHead, aPrediction, aRequest, endpoints } from "#test/support/builders.ts";
import { buildScorer } from "#test/support/build-plugin.ts";
import { pluginDeps } from "#test/support/plugin-deps.ts";
import { expectedLatencyScorer } from "./expected-latency.ts";

interface Row {
  readonly prefillMs?: number;
  readonly copyMs?: number;
  readonly adapterMs?: number;
  readonly decoding?: number;
  readonly ttftMs?: number;
}

function scoresOf(rows: readonly Row[], parameters: unknown = {}, headers = {}): readonly number[] {
  const prediction = aPrediction({
    headrooms: (slot) => ({ ttftMs: 100 - (rows[slot]?.ttftMs ?? 0), tpotMs: -1 }),
    prefillMs: (slot) => rows[slot]?.prefillMs ?? Number.NaN,
    copyMs: (slot) => rows[slot]?.copyMs ?? 0,
    adapterMs: (slot) => rows[slot]?.adapterMs ?? 0,
    decoding: (slot) => rows[slot]?.decoding ?? 0,
  });
  const deps = pluginDeps({ data: { "latency-prediction": prediction } });
  const head = aHead({ headers: new Map(Object.entries(headers)) });
  const context = aContext({ request: aRequest({ head }) });
  return scoresIn(
    buildScorer(expectedLatencyScorer, parameters, deps),
    context,
    endpoints(rows.length),
  );
}

describe("expected-latency-scorer", () => {
  itKeepsTheScorerContract(buildScorer(expectedLatencyScorer));

  it("scores the cheapest 1, and one that costs twice as much a half", () => {
    // (99 + 1) / (199 + 1)
    expect(scoresOf([{ prefillMs: 99 }, { prefillMs: 199 }])).toEqual([1, 0.5]);
  });

  it("adds the price of a copy and the wait for an adapter", () => {
    const scores = scoresOf([
      { prefillMs: 99 },
      { prefillMs: 99, copyMs: 100 },
      { prefillMs: 99, adapterMs: 300 },
      // A copy that pays back makes nothing cheaper than free.
      { prefillMs: 9, copyMs: -50 },
    ]);
    expect(scores).toEqual([1 / 100, 1 / 200, 1 / 400, 1]);
  });

  it.each([
    // 99 x (1 + 0.03 x 10) + 10 x 10 = 228.7
    ["ttft", 228.7],
    // 99 x (1 + 0.2 x 10) + 10 x 10 = 397
    ["e2e", 397],
  ])("charges for requests that decode there: %s %d ms", (objective, cost) => {
    const [, score] = scoresOf([{ prefillMs: 99 }, { prefillMs: 99, decoding: 10 }], { objective });
    expect(score).toBeCloseTo(100 / (cost + 1), 9);
  });

  it("prefers endpoints that meet the client's objective, if that is its own", () => {
    const rows = [
      { prefillMs: 9, ttftMs: 150 },
      { prefillMs: 99, ttftMs: 90 },
    ];
    const headers = { "x-llm-d-slo-ttft-ms": "100" };
    // The TPOT has no objective, so that it cannot be missed.
    expect(scoresOf(rows, { objective: "slo" }, headers)[1]).toBe(1);
    expect(scoresOf(rows, { objective: "slo" }, headers)[0]).toBeLessThan(0.001);
    expect(scoresOf(rows, { objective: "slo" })).toEqual([1, 0.1]);
    expect(scoresOf(rows, {}, headers)).toEqual([1, 0.1]);
  });

  it("scores an endpoint without a prediction a half", () => {
    expect(scoresOf([{ prefillMs: 9 }, {}])).toEqual([1, 0.5]);
  });
});
