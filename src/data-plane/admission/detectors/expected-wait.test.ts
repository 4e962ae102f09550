import { describe, expect, it } from "vitest";
import { itKeepsTheSaturationDetectorContract } from "#test/contract/saturation-detector.ts";
import {
  aContext,
  aDecision,
  anEndpoint,
  aLoad,
  aRequest,
  endpoints,
} from "#test/support/builders.ts";
import { pluginDeps } from "#test/support/plugin-deps.ts";
import type { LatencyPrediction } from "../../../core/latency-prediction.ts";
import { expectedWaitDetector } from "./expected-wait.ts";

const producerName = "predictions";

/** A detector over engines with these waits, in milliseconds. */
function built(
  waitsMs: readonly number[],
  parts: { ownMs?: readonly number[]; blind?: true; slackMs?: number } = {},
) {
  const { ownMs = [], blind = false, slackMs = 0 } = parts;
  const waits = [...waitsMs];
  const prefillWork = {
    waitMs: (slot: number) => waits[slot] ?? 900,
    slackMs,
    suppose: (slot: number, ms: number) => {
      waits[slot] = (waits[slot] ?? 0) + ms;
      return () => void (waits[slot] = (waits[slot] ?? 0) - ms);
    },
    seesFirstTokens: !blind,
  };
  const named = { latencyPredictionInfoProducerName: producerName };
  const params = expectedWaitDetector.params.safeParse(named);
  if (!params.success) throw new Error("refused");
  // The part of a prediction that the detector reads.
  const prediction = {
    ownPrefillMs: (slot: number) => ownMs[slot] ?? Number.NaN,
  } as LatencyPrediction;
  const deps = pluginDeps({
    data: { "latency-prediction": prediction },
    plugins: { [producerName]: { prefillWork } },
  });
  const { detector, hooks } = expectedWaitDetector.create(params.data, deps);
  if (detector?.hold === undefined || hooks === undefined) throw new Error("it holds requests");
  return { detector, hold: detector.hold, hooks, waits, context: aContext() };
}

const saturation = (waitsMs: readonly number[]) =>
  built(waitsMs).detector.saturation(endpoints(waitsMs.length), aLoad([]), 0);

describe("expected-wait-detector", () => {
  itKeepsTheSaturationDetectorContract(built([150, 600]).detector);

  it("computes the least wait of the pool over 0.3 s", () => {
    expect(saturation([150, 600])).toBeCloseTo(150 / 300);
    expect(saturation([450, 600])).toBeCloseTo(450 / 300);
  });

  it("counts the longest wait of the engines that compute a prompt", () => {
    const { hold, context } = built([150, 600]);
    expect(hold.fullness(context, [anEndpoint({ slot: 0 })])).toBeCloseTo(150 / 300);
    expect(hold.fullness(context, endpoints(2))).toBeCloseTo(600 / 300);
  });

  it("lets engines have more prompts where each may wait for its adapter", () => {
    const { detector, hold, context } = built([600, 900], { slackMs: 500 });
    expect(hold.fullness(context, [anEndpoint({ slot: 0 })])).toBeCloseTo(600 / 800);
    expect(detector.saturation(endpoints(2), aLoad([]), 0)).toBeCloseTo(600 / 800);
  });

  it("takes the own work of a request where it is least", () => {
    const { hold, context } = built([], { ownMs: [90, 40] });
    expect(hold.ownMs(context, endpoints(2))).toBe(40);
    expect(built([]).hold.ownMs(context, endpoints(0))).toBeNaN();
  });

  it("counts a request that waits as work of its engine until that is taken back", () => {
    const { hold, context, waits } = built([100, 100], { ownMs: [90, 40] });
    const undo = hold.suppose(context, [anEndpoint({ slot: 0 })]);
    expect(waits).toEqual([190, 100]);
    undo();
    expect(waits).toEqual([100, 100]);
  });

  it("holds nothing while first tokens are not visible", () => {
    const { detector, hold, context } = built([900], { blind: true });
    expect(hold.fullness(context, endpoints(1))).toBe(0);
    expect(detector.saturation(endpoints(1), aLoad([]), 0)).toBe(0);
  });
});

describe("expected-wait-detector, below a priority that has requests", () => {
  it("lets engines have a fifth of that too", () => {
    const { hold, hooks } = built([150], { slackMs: 500 });
    const context = aContext({ request: aRequest({ isStreaming: true, priority: 0 }) });
    hooks.sent({ context, decision: aDecision() })?.firstToken?.(context.nowMs + 100);
    const lower = aContext({ request: aRequest({ priority: -10 }) });
    expect(hold.fullness(lower, endpoints(1))).toBeCloseTo(150 / 160);
  });

  it("holds requests even while first tokens are not visible", () => {
    const { hold, hooks } = built([900], { blind: true });
    const lower = aContext({ request: aRequest({ priority: -10 }) });
    expect(hold.fullness(lower, endpoints(1))).toBe(0);
    const context = aContext({ request: aRequest({ isStreaming: true, priority: 0 }) });
    hooks.sent({ context, decision: aDecision() })?.firstToken?.(context.nowMs + 100);
    expect(hold.fullness(lower, endpoints(1))).toBeCloseTo(900 / 60);
    expect(hold.fullness(context, endpoints(1))).toBe(0);
  });

  it("holds requests from a fifth of the limit on, so that one prompt at a time is in an engine", () => {
    const { hold, hooks } = built([61, 59]);
    const lower = aContext({ request: aRequest({ priority: -10 }) });
    const fullness = () => endpoints(2).map((endpoint) => hold.fullness(lower, [endpoint]) >= 1);
    expect(fullness()).toEqual([false, false]);
    const context = aContext({ request: aRequest({ isStreaming: true, priority: 0 }) });
    hooks.sent({ context, decision: aDecision() })?.firstToken?.(context.nowMs + 100);
    expect(fullness()).toEqual([true, false]);
    expect(hold.fullness(context, endpoints(1))).toBeCloseTo(61 / 300);
  });
});
