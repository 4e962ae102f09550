import { describe, expect, it } from "vitest";
import type { Capabilities } from "../../../core/data-plane-plugin.ts";
import type { Endpoint } from "../../../core/endpoint.ts";
import type { LatencyPrediction } from "../../../core/latency-prediction.ts";
import type { RequestFollower } from "../../../core/request-follower.ts";
import { itKeepsTheDataProducerContract } from "#test/contract/data-producer.ts";
import {
  aContext,
  aDecision,
  aHead,
  anEndpoint,
  aRecord,
  aRequest,
  aResponseHead,
  type DecisionParts,
} from "#test/support/builders.ts";
import { buildPlugin, mistakesIn } from "#test/support/build-plugin.ts";
import { pluginDeps } from "#test/support/plugin-deps.ts";
import { aPrefixMatch } from "#test/support/request-data.ts";
import { latencyModelMemory } from "./latency/latency-model.ts";
import { predictedLatencyProducer } from "./predicted-latency.ts";

const [first, second] = [anEndpoint({ slot: 0 }), anEndpoint({ slot: 1 })];
const both = [first, second];

interface Asked {
  readonly headers?: Readonly<Record<string, string>>;
  readonly promptTokens?: number;
  readonly isStreaming?: boolean;
  readonly nowMs?: number;
  readonly candidates?: readonly Endpoint[];
}

/** A producer of its own, driven by hand. */
class Rig {
  readonly #plugin: Capabilities;
  readonly #deps;

  constructor(parameters: object = {}, matchedBlocks: readonly number[] = []) {
    const match = aPrefixMatch({ totalBlocks: 1_000, matchedBlocks, blockTokens: 16 });
    this.#deps = pluginDeps({ data: matchedBlocks.length > 0 ? { "prefix-match": match } : {} });
    this.#plugin = buildPlugin(predictedLatencyProducer, parameters, this.#deps);
  }

  get model() {
    return this.#deps.memory(latencyModelMemory);
  }

  predict(asked: Asked = {}): LatencyPrediction | undefined {
    return this.#produce(asked).prediction;
  }

  /** Sends a request to the decision's first target. */
  send(asked: Asked = {}, decision: DecisionParts = {}): RequestFollower {
    const { context } = this.#produce(asked);
    const follower = this.#plugin.hooks?.sent({ context, decision: aDecision(decision) });
    if (follower === undefined) throw new Error("it follows every request");
    return follower;
  }

  /** Headrooms of the endpoint in slot 0, in whole ms. */
  headrooms(asked: Asked, slot = 0): readonly (number | undefined)[] {
    const { ttftMs = Number.NaN, tpotMs = Number.NaN } = this.predict(asked)?.headrooms(slot) ?? {};
    return [Math.round(ttftMs), Math.round(tpotMs)];
  }

  /** Tokens that a prompt of 600 tokens finds ahead of it at an endpoint of 6 tokens per ms. */
  tokensAhead(slot: number, nowMs: number): number {
    const prefillMs = this.predict({ promptTokens: 600, nowMs })?.prefillMs(slot) ?? Number.NaN;
    return Math.round((prefillMs - 100) * 6);
  }

  #produce({ headers = {}, promptTokens = 600, isStreaming = true, ...asked }: Asked) {
    const { nowMs = 0, candidates = both } = asked;
    const head = aHead({ headers: new Map(Object.entries(headers)) });
    const request = aRequest({ head, promptTokens, isStreaming });
    const context = aContext({ request, nowMs });
    // This plugin's data is a prediction.
    const prediction = this.#plugin.producer?.produce(context, candidates) as
      | LatencyPrediction
      | undefined;
    return { context, prediction };
  }
}

const stream = aResponseHead({ isEventStream: true });
const hidden = aResponseHead({ isEventStream: false });
const streamed = aRequest({ isStreaming: true });

describe("predicted-latency-producer", () => {
  itKeepsTheDataProducerContract(
    buildPlugin(predictedLatencyProducer).producer ?? { produce: () => undefined },
  );

  it("accepts every parameter of llm-d-router", () => {
    const parameters = {
      sloBufferFactor: 0.9,
      contextTTL: "5m",
      streamingMode: true,
      endpointRoleLabel: "llm-d.ai/role",
      predictInProduce: false,
      useEncoderCacheFeatures: true,
      encoderCacheMatchInfoProducerName: "encoder",
      samplingMean: 500,
      maxDecodeTokenSamplesForPrediction: 10,
      prefixMatchInfoProducerName: "",
      inFlightLoadProducerName: "",
    };
    expect(mistakesIn(predictedLatencyProducer, parameters)).toEqual([]);
    expect(mistakesIn(predictedLatencyProducer, { contextTTL: 3e11 })).toEqual([]);
    expect(mistakesIn(predictedLatencyProducer, { sloBufferFactor: 0 })).toHaveLength(1);
    expect(mistakesIn(predictedLatencyProducer, { contextTTL: "soon" })).toHaveLength(1);
  });

  it("only learns if it is told not to predict", () => {
    const rig = new Rig({ predictInProduce: false });
    expect(rig.predict()).toBeUndefined();
    const follower = rig.send();
    follower.responseHead?.(stream, 1);
    follower.firstToken?.(150);
    // 600 tokens at 6 a ms, and 20 ms.
    const { predictedTtftMs = 0, ttftMs } = rig.model.audit.of(0) ?? {};
    expect([Math.round(predictedTtftMs), ttftMs]).toEqual([120, 150]);
  });
});

describe("headrooms", () => {
  const named = { "x-llm-d-slo-ttft-ms": "200", "x-llm-d-slo-tpot-ms": "50" };

  it("are the client's objective minus the prediction: 200 - 120 and 50 - 20 ms", () => {
    expect(new Rig().headrooms({ headers: named })).toEqual([80, 30]);
  });

  it.each([
    [false, 0],
    [true, -20],
  ])("are minus the prediction without an objective; streamingMode %s", (streamingMode, tpotMs) => {
    expect(new Rig({ streamingMode }).headrooms({})).toEqual([-120, tpotMs]);
  });

  it("have the factor on the objective for TPOT: 0.5 x 50 - 20", () => {
    expect(new Rig({ sloBufferFactor: 0.5 }).headrooms({ headers: named })[1]).toBe(5);
  });

  it("hold to the strictest objective of the requests on the endpoint until they end", () => {
    const rig = new Rig();
    const strict = rig.send({ headers: { "x-slo-tpot-ms": "30" } });
    const tpotMs = (slot: number) => rig.headrooms({ headers: named }, slot)[1];
    expect([tpotMs(0), tpotMs(1)]).toEqual([10, 30]);
    strict.ended?.(aRecord());
    expect([tpotMs(0), tpotMs(1)]).toEqual([30, 30]);
  });

  it.each([
    ["prefill", 0],
    ["encode-prefill", 0],
    ["decode", -19],
    ["prefill-decode", -19],
  ])("meet TPOT where the role is %s: %d ms", (role, tpotMs) => {
    const rig = new Rig({ endpointRoleLabel: "llm-d.ai/role" });
    const candidates = [anEndpoint({ labels: { "llm-d.ai/role": role } })];
    expect(rig.headrooms({ headers: { "x-slo-tpot-ms": "1" }, candidates })[1]).toBe(tpotMs);
  });
});

describe("prompts whose first tokens are not visible", () => {
  it("count until the engine has had the time for them, once the answer shows no body", () => {
    const rig = new Rig();
    const follower = rig.send();
    // A twentieth of the prompt stays while its first token is expected.
    expect(rig.tokensAhead(0, 400)).toBe(30);
    follower.responseHead?.(hidden, 50);
    expect(rig.tokensAhead(0, 50)).toBe(300);
    expect(rig.tokensAhead(0, 100)).toBe(0);
    expect(rig.predict({ nowMs: 100 })?.decoding(0)).toBe(1);
    follower.ended?.(aRecord());
    expect(rig.predict({ nowMs: 100 })?.decoding(0)).toBe(0);
  });

  it("count so from the start once recent streams showed none, and no more once they do", () => {
    const rig = new Rig();
    const run = (firstTokenMs: number | undefined, head = stream) => {
      const follower = rig.send();
      follower.responseHead?.(head, 10);
      if (firstTokenMs !== undefined) follower.firstToken?.(firstTokenMs);
      follower.ended?.(aRecord({ request: streamed, firstTokenMs }));
    };
    for (let count = 0; count < 7; count += 1) run(undefined, hidden);
    rig.send();
    expect(rig.tokensAhead(0, 400)).toBe(0);
    // One prompt has been computed, one more is on its way.
    rig.send({ nowMs: 400 });
    expect(rig.tokensAhead(0, 400)).toBe(600);
    expect(rig.predict({ nowMs: 400 })?.decoding(0)).toBe(1);
    run(500);
    rig.send({ nowMs: 10_000 }, { endpoints: [second] });
    expect(rig.tokensAhead(1, 20_000)).toBeGreaterThan(0);
  });

  it("count as requests that generate, like those of clients that do not stream", () => {
    const rig = new Rig();
    const follower = rig.send({ isStreaming: false });
    expect(rig.predict({ nowMs: 50 })?.decoding(0)).toBe(0);
    expect(rig.predict({ nowMs: 100 })?.decoding(0)).toBe(1);
    follower.responseHead?.(hidden, 3_000);
    follower.firstToken?.(3_000);
    expect(rig.predict({ nowMs: 3_000 })?.decoding(0)).toBe(1);
    follower.ended?.(aRecord());
    expect(rig.predict({ nowMs: 3_000 })?.decoding(0)).toBe(0);
  });

  it("leave with a client that leaves, and with a request that is wrong", () => {
    const rig = new Rig();
    const gone = rig.send();
    const refused = rig.send();
    refused.responseHead?.(aResponseHead({ httpStatus: 400 }), 5);
    expect(rig.tokensAhead(0, 0)).toBe(600);
    gone.ended?.(aRecord({ end: "aborted" }));
    refused.ended?.(aRecord({ httpStatus: 400 }));
    expect(rig.predict()?.decoding(0)).toBe(0);
    expect(rig.tokensAhead(0, 0)).toBe(0);
    expect(rig.model.inputs.firstTokens).toBeNaN();
  });
});

describe("a request whose prompt another endpoint computes", () => {
  const split = { endpoints: [first], helpers: [second] } as const;

  it("is audited by the prediction for that endpoint, and decodes once its answer begins", () => {
    const rig = new Rig();
    rig.send({ promptTokens: 6_000 }, { endpoints: [second] });
    const follower = rig.send({}, split);
    expect(rig.predict()?.decoding(0)).toBe(0);
    expect(rig.tokensAhead(0, 0)).toBe(0);
    expect(rig.tokensAhead(1, 0)).toBe(6_600);
    follower.responseHead?.(stream, 1_000);
    expect(rig.predict()?.decoding(0)).toBe(1);
    follower.firstToken?.(1_000);
    // (6,000 + 600)/6 + 20
    expect(rig.model.audit.of(1)?.predictedTtftMs).toBeCloseTo(1_120, 6);
    expect(rig.model.audit.of(0)).toBeUndefined();
  });

  it("teaches nothing about cached tokens: all are, where the answer comes from", () => {
    const rig = new Rig();
    const follower = rig.send({}, split);
    follower.responseHead?.(stream, 10);
    follower.firstToken?.(120);
    const before = [rig.model.rates.tokensPerMs(0), rig.model.rates.tokensPerMs(1)];
    const usage = { promptTokens: 600, outputTokens: 1, cachedTokens: 600 };
    follower.ended?.(aRecord({ usage }));
    expect([rig.model.rates.tokensPerMs(0), rig.model.rates.tokensPerMs(1)]).toEqual(before);
    expect(rig.model.audit.of(0)).toBeUndefined();
  });
});

describe("cached tokens", () => {
  it.each([true, false])("are audited and learned from; a stream: %s", (isStreaming) => {
    const rig = new Rig({}, [40]);
    const usage = { promptTokens: 1_200, outputTokens: 1, cachedTokens: 300 };
    for (let count = 0; count < 9; count += 1) {
      const follower = rig.send({ isStreaming, promptTokens: 2_000 });
      follower.responseHead?.(isStreaming ? stream : hidden, 10);
      follower.firstToken?.(100);
      follower.ended?.(aRecord({ usage }));
    }
    // Matched 640 of 2,000, and 300/1,200 of them cached: 500 are 0.78 of 640, so all is believed.
    expect(rig.model.audit.of(0)).toMatchObject({
      predictedCachedTokens: 9 * 640,
      cachedTokens: 9 * 500,
    });
    expect(rig.model.inputs.cachedTokens).toBe(1);
  });
});

it.each([
  ["counts tokens", { dialect: "count-tokens" }],
  ["is rendered", { head: aHead({ path: "/v1/chat/completions/render" }) }],
  ["has neither prompt nor body", { dialect: "passthrough", prompts: [], bodyBytes: 0 }],
] as const)("does not count a request that %s: the engine computes nothing of it", (_, parts) => {
  const deps = pluginDeps();
  const { producer, hooks } = buildPlugin(predictedLatencyProducer, {}, deps);
  const context = aContext({ request: aRequest({ promptTokens: 100_000, ...parts }) });
  producer?.produce(context, both);
  const decision = aDecision({ endpoints: [first] });
  expect(hooks?.sent({ context, decision })).toBeUndefined();
  expect(deps.memory(latencyModelMemory).workAt(0).queue.count).toBe(0);
});
