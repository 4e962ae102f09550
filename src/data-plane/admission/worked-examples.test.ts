import { describe, expect, it } from "vitest";
import { buildPlugin } from "#test/support/build-plugin.ts";
import {
  aContext,
  aDecision,
  aHead,
  aLoad,
  anEndpoint,
  aRequest,
  endpoints,
} from "#test/support/builders.ts";
import { pluginDeps } from "#test/support/plugin-deps.ts";
import { aFlowPlan, QueueRig, type Sent } from "#test/support/queue-rig.ts";
import type { DataPlanePlugin } from "../../core/data-plane-plugin.ts";
import type { QueuedRequest } from "../../core/flow-control.ts";
import { concurrencyDetector } from "./detectors/concurrency.ts";
import { utilizationDetector } from "./detectors/utilization.ts";
import { programAwareFairness } from "./fairness/program-aware.ts";
import { priorityHoldback } from "./usage-limits/holdback.ts";
import { softReflectiveCeiling } from "./usage-limits/soft-reflective.ts";
import { staticUsageLimit } from "./usage-limits/static.ts";

// Examples of llm-d-router's rules with their numbers, in virtual time. Where this queue differs, a comment says why.

const codeOf = ({ outcome }: Sent) => (typeof outcome === "string" ? outcome : outcome.code);

/** A queue over an empty pool: a request comes at 5 s, and may wait 10 s with endpoints and 120 s without. */
async function waitingSince5(noEndpointTtlMs = 120_000) {
  const rig = new QueueRig({ plan: aFlowPlan({ noEndpointTtlMs, bands: [{ ttlMs: 10_000 }] }) });
  rig.capacity = 0.5;
  rig.running = 1;
  rig.pool = [];
  await rig.clock.advance(5_000);
  const a = rig.send("a");
  const atS = (seconds: number) => rig.clock.advance(seconds * 1_000 - rig.clock.nowMs());
  return { rig, a, atS };
}

describe("time to wait", () => {
  it.each([
    { example: 1, backAtS: 100, endsAtS: 110, code: "wait_expired", outcome: "EvictedTTL" },
    { example: 2, backAtS: 122, endsAtS: 127, code: "wait_expired", outcome: "EvictedTTL" },
    {
      example: 3,
      backAtS: Number.POSITIVE_INFINITY,
      endsAtS: 125,
      code: "no_endpoints",
      outcome: "EvictedNoEndpoints",
    },
  ])("of example $example ends at $endsAtS s", async ({ backAtS, endsAtS, code, outcome }) => {
    const { rig, a, atS } = await waitingSince5();
    if (backAtS < endsAtS) {
      await atS(backAtS);
      await rig.setPool(endpoints(1));
    }
    await atS(endsAtS - 0.05);
    expect(codeOf(a)).toBe("waits");
    await atS(endsAtS + 0.1);
    expect([codeOf(a), a.stay?.outcome]).toEqual([code, outcome]);
  });

  it("of example 4 has no bound without endpoints, and its own with them", async () => {
    const { rig, a, atS } = await waitingSince5(Number.POSITIVE_INFINITY);
    await atS(1_000);
    expect(codeOf(a)).toBe("waits");
    await rig.setPool(endpoints(1));
    await atS(1_009.9);
    expect(codeOf(a)).toBe("waits");
    await atS(1_010.1);
    expect(codeOf(a)).toBe("wait_expired");
  });
});

/** The ceilings that a policy gives to bands of these priorities. */
function ceilingsOf(
  plugin: DataPlanePlugin,
  parameters: object,
  { priorities, saturations }: { priorities: readonly number[]; saturations: readonly number[] },
) {
  const { usageLimit } = buildPlugin(plugin, parameters, pluginDeps());
  return saturations.map((saturation) => {
    const ceilings = new Float64Array(priorities.length).fill(1);
    usageLimit?.limit(saturation, priorities, ceilings);
    return [...ceilings].map((ceiling) => Math.round(ceiling * 1_000) / 1_000);
  });
}

/** The ceilings of three bands at these saturations, one reading after another. */
const softLimits = (saturations: readonly number[]) =>
  ceilingsOf(softReflectiveCeiling, {}, { priorities: [2, 1, 0], saturations });

describe("ceilings", () => {
  it("of example 5: all of the highest band first, and nothing at 1 although an endpoint may be free", async () => {
    const { usageLimit } = buildPlugin(staticUsageLimit, {}, pluginDeps());
    const rig = new QueueRig({
      plan: aFlowPlan({ bands: [{ priority: 100 }, { priority: -10 }] }),
      ...(usageLimit === undefined ? {} : { usageLimit }),
    });
    rig.capacity = 100;
    rig.running = 100;
    for (const priority of [-10, 0, 100, -10, 0, 100]) rig.send(`${priority}`, { priority });
    await rig.clock.advance(1_000);
    expect(rig.sent).toEqual([]);
    // 0.97: three leave, and three are sent at once, each counted before the next.
    await rig.end(3);
    expect(rig.sent).toEqual(["100", "100", "0"]);
    await rig.end(3);
    expect(rig.sent).toEqual(["100", "100", "0", "0", "-10", "-10"]);
  });

  it("of example 6: by rank, and lower bands wait from a lower saturation on", async () => {
    const given = { domain: "rank", minCeiling: 0.5, maxCeiling: 1 };
    const bands = { priorities: [100, 0, -10], saturations: [0.8] };
    expect(ceilingsOf(priorityHoldback, given, bands)).toEqual([[1, 0.75, 0.5]]);
    const { usageLimit } = buildPlugin(priorityHoldback, given, pluginDeps());
    const rig = new QueueRig({
      plan: aFlowPlan({ bands: [{ priority: 100 }, { priority: -10 }] }),
      ...(usageLimit === undefined ? {} : { usageLimit }),
    });
    rig.capacity = 10;
    rig.running = 8;
    const codes = [0, -10, 100].map((priority) => codeOf(rig.send(`${priority}`, { priority })));
    expect(codes).toEqual(["waits", "waits", "sent"]);
    await rig.end(3);
    // 0.6 lets the band 0 send until the saturation is 0.75 or more.
    expect(rig.sent).toEqual(["100", "0"]);
  });

  it.each([
    { priorities: [20, 10, 0], ceilings: [1, 0.7, 0.4] },
    { priorities: [20, 18, 1], ceilings: [1, 0.937, 0.4] },
  ])("of example 7: by value, $priorities", ({ priorities, ceilings }) => {
    const given = { domain: "value", minCeiling: 0.4 };
    const bands = { priorities, saturations: [0.5] };
    expect(ceilingsOf(priorityHoldback, given, bands)).toEqual([ceilings]);
  });

  it("of example 8: lower bands take turns the more rarely the fuller the pool is", () => {
    // 0.6 is below 0.7, and round(0.6 / 0.4) = 1 keeps the last band open at each reading.
    expect(softLimits([0.6, 0.6, 0.6])).toEqual([
      [1, 1, 1],
      [1, 1, 1],
      [1, 1, 1],
    ]);
    // round(0.75 / 0.25) = 3
    expect(softLimits([0.75, 0.75, 0.75, 0.75])).toEqual([
      [1, 0, 0],
      [1, 0, 0],
      [1, 1, 1],
      [1, 0, 0],
    ]);
    expect(softLimits([1, 1.5])).toEqual([
      [1, 0, 0],
      [1, 0, 0],
    ]);
  });
});

describe("saturation", () => {
  it("of example 9 is below 1 although one endpoint is full, which the filter leaves out", () => {
    const { detector, filter } = buildPlugin(utilizationDetector, {}, pluginDeps());
    const nowMs = 10_000;
    const row = (waitingRequests: number) => ({
      ...{ waitingRequests, kvCacheUsedRatio: 0.2 },
      signalsAtMs: nowMs,
    });
    const load = aLoad([5, 0, 0, 0].map((waiting) => row(waiting)));
    expect(detector?.saturation(endpoints(4), load, nowMs)).toBeCloseTo(0.4375, 9);
    const kept = filter?.filter(aContext({ load, nowMs }), endpoints(4)) ?? [];
    expect(kept.map(({ slot }) => slot)).toEqual([1, 2, 3]);
  });

  it.each([
    ["requests", 0.55],
    ["tokens", 0.55],
    ["hybrid", 1],
  ])("of example 10 in the mode %s", (concurrencyMode, saturation) => {
    const tokens = [100, 1_000];
    const producer = { tokenCounts: { tokens: (slot: number) => tokens[slot] ?? 0 } };
    const deps = pluginDeps({ plugins: { "default-in-flight-load": producer } });
    const limits = { concurrencyMode, maxConcurrency: 100, maxTokenConcurrency: 1_000 };
    const { detector } = buildPlugin(concurrencyDetector, limits, deps);
    const load = aLoad([{ inFlightRequests: 100 }, { inFlightRequests: 10 }]);
    expect(detector?.saturation(endpoints(2), load, 0)).toBeCloseTo(saturation, 9);
  });
});

describe("least attained service", () => {
  it("of example 11 goes to the program that has received nothing, and halves in a minute", () => {
    const { fairness, hooks } = buildPlugin(programAwareFairness, {}, pluginDeps());
    const send = (id: string, promptTokens: number, nowMs: number) => {
      const head = aHead({ headers: new Map([["x-llm-d-inference-fairness-id", id]]) });
      const context = aContext({ request: aRequest({ head, promptTokens }), nowMs });
      hooks?.sent?.({ context, decision: aDecision({ endpoints: [anEndpoint()] }) });
    };
    const next = (ids: readonly string[], nowMs: number) => {
      // The policy reads nothing else of a request.
      const first = { enqueuedMs: nowMs } as QueuedRequest;
      const flows = ids.map((fairnessId) => ({ fairnessId, first, size: 1 }));
      return fairness?.pickerOf?.(0).pick(flows, nowMs)?.fairnessId;
    };
    send("a", 1_000, 0);
    expect(next(["a", "b"], 0)).toBe("b");
    // 1,000 tokens are 500 after a minute: more than 499, and less than 501.
    send("less", 499, 60_000);
    send("more", 501, 60_000);
    expect(next(["a", "less"], 60_000)).toBe("less");
    expect(next(["more", "a"], 60_000)).toBe("a");
  });
});

// Example 12, two evictions at most of the ten that the excess asks for, is in flow/evictions.test.ts.

describe("capacity", () => {
  it("of example 13: one band holds 5,000, so that a limit of 10,000 over all bands is not reached", () => {
    const rig = new QueueRig({ plan: aFlowPlan({ requestsMax: 10_000 }) });
    rig.running = 1;
    for (let index = 0; index < 5_000; index += 1) rig.send(`${index}`);
    const late = rig.send("late");
    expect(rig.flow.size).toBe(5_000);
    // The refusal names the limit that counts, and `check` warns of the one that does not.
    expect(late.outcome).toMatchObject({
      code: "saturated",
      message: "5000 requests of priority 0 wait, the limit (maxRequests of the band)",
    });
  });
});

describe("the band of a new priority", () => {
  it("of example 14 is there for its first request, which waits in no other band", () => {
    // In llm-d-router it waits in the band 0 until the objective is applied, and its series disagree.
    const rig = new QueueRig({ priorities: () => [-5] });
    rig.running = 1;
    rig.send("a", { priority: -5 });
    const sizes = rig.flow.bands.map(({ priority, size }) => [priority, size]);
    expect(sizes).toEqual([
      [0, 0],
      [-5, 1],
    ]);
  });
});
