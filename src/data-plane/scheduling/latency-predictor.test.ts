import { describe, expect, it } from "vitest";
import { z } from "zod";
import { buildPlugin } from "#test/support/build-plugin.ts";
import {
  aContext,
  aDecision,
  aHead,
  aLoad,
  anEndpoint,
  aRecord,
  aRequest,
  aResponseHead,
  endpoints,
} from "#test/support/builders.ts";

import { routedIn, throwsDefects } from "#test/support/exchanges.ts";
import { pluginDeps } from "#test/support/plugin-deps.ts";
import { quietPool } from "#test/support/quiet-pool.ts";
import { defaultConfigText } from "../../config/default-document.ts";
import { dataPlanePlugin, type SchedulingContext } from "../../core/data-plane-plugin.ts";
import type { Endpoint } from "../../core/endpoint.ts";
import type { LatencyPrediction } from "../../core/latency-prediction.ts";
import type { MemoryKind } from "../../core/plugin-states.ts";
import type { RequestFollower } from "../../core/request-follower.ts";
import { buildConfig } from "../../gateway/build-config.ts";
import { createDataPlane } from "../../gateway/data-plane.ts";
import { PluginMemory } from "../../state/plugin-memory.ts";
import { latencySloAdmitter } from "../admission/admitters/latency-slo.ts";
import { Routing } from "../routing.ts";
import { DecisionLog } from "./decision-log.ts";
import type { SchedulingGraph } from "./scheduler.ts";

/** Slots that the predictor learns. */
const slotsMax = 4_096;

/** A straight line through the points of each slot, by least squares. */
class Lines {
  /** Points, sums of x, y, x * x and x * y, by slot. */
  readonly #sums = new Float64Array(slotsMax * 5);

  learn(slot: number, x: number, y: number): void {
    for (const [index, term] of [1, x, y, x * x, x * y].entries()) {
      this.#sums[slot * 5 + index] = (this.#sums[slot * 5 + index] ?? 0) + term;
    }
  }

  /** Undefined before two different points are known. */
  at(slot: number, x: number): number | undefined {
    const [n = 0, sx = 0, sy = 0, sxx = 0, sxy = 0] = this.#sums.subarray(slot * 5, slot * 5 + 5);
    const spread = n * sxx - sx * sx;
    if (spread <= 0) return undefined;
    const slope = (n * sxy - sx * sy) / spread;
    return (sy - slope * sx) / n + slope * x;
  }

  forget(slot: number): void {
    this.#sums.fill(0, slot * 5, slot * 5 + 5);
  }
}

const linesMemory: MemoryKind<{ readonly ttft: Lines; readonly tpot: Lines }> = {
  create: () => ({ ttft: new Lines(), tpot: new Lines() }),
  forget: ({ ttft, tpot }, { slot }) => {
    ttft.forget(slot);
    tpot.forget(slot);
  },
};

function runningAt({ load }: SchedulingContext, slot: number): number {
  return load.runningRequests[slot] ?? 0;
}

/** Tokens to compute before the first token of this request's response. */
function tokensAt({ load, request }: SchedulingContext, slot: number): number {
  return (load.inFlightTokens[slot] ?? 0) + request.promptTokens;
}

/**
 * Learns the latency of endpoints. Features are those of the decision: tokens to compute before the first token, and
 * running requests. Labels come from the response: its first token, and its end with the number of tokens.
 */
const predictor = dataPlanePlugin({
  type: "test-latency-predictor",
  kinds: ["data-producer"],
  produces: "latency-prediction",
  isOwn: true,
  summary: "",
  params: z.strictObject({}),
  create: (_params, deps) => {
    const { ttft, tpot } = deps.memory(linesMemory);
    // The number that `produce` saw. `sent` runs in the same step, but the request is already counted then.
    const seenTokens = new Float64Array(slotsMax);
    return {
      producer: {
        produce: (context, candidates) => {
          for (const { slot } of candidates) seenTokens[slot] = tokensAt(context, slot);
          const objective = (name: string) => Number(context.request.head.headers.get(name));
          return {
            headrooms: (slot) => {
              const ttftMs = ttft.at(slot, seenTokens[slot] ?? 0);
              const tpotMs = tpot.at(slot, runningAt(context, slot)) ?? 0;
              if (ttftMs === undefined) return undefined;
              return {
                ttftMs: objective("x-slo-ttft-ms") - ttftMs,
                tpotMs: objective("x-slo-tpot-ms") - tpotMs,
              };
            },
          };
        },
      },
      hooks: {
        sent: ({ context, decision }): RequestFollower => {
          const { slot, id } = decision.targets[0].endpoint;
          const tokens = seenTokens[slot] ?? 0;
          const running = runningAt(context, slot);
          let isLabel = false;
          return {
            responseHead: ({ httpStatus, served, isEventStream }) => {
              // Skip the time of another endpoint, of an error, or of a response that is not a stream.
              isLabel = httpStatus === 200 && isEventStream && (served?.id ?? id) === id;
              return undefined;
            },
            firstToken: (atMs) => {
              if (isLabel) ttft.learn(slot, tokens, atMs - context.nowMs);
            },
            ended: ({ end, usage, firstTokenMs, lastChunkMs }) => {
              const steps = (usage?.outputTokens ?? 0) - 1;
              if (!isLabel || end !== "complete" || steps < 1) return;
              tpot.learn(slot, running, ((lastChunkMs ?? 0) - (firstTokenMs ?? 0)) / steps);
            },
          };
        },
      },
    };
  },
});

/** Milliseconds per prompt token by slot, in addition to 20 ms per request. */
const msPerToken = [0.1, 0.5];
const baseMs = 20;

/** A predictor, engines and a pool in virtual time. */
function rig() {
  const { producer, hooks } = buildPlugin(predictor, {}, pluginDeps({ name: "predictor" }));
  if (producer === undefined || hooks === undefined) throw new Error("it produces and follows");
  const pool = endpoints(msPerToken.length);
  const inFlight = aLoad(pool.map(() => ({ runningRequests: 4 })));
  let nowMs = 1_000;
  const contextOf = (promptTokens: number, headers: Readonly<Record<string, string>> = {}) =>
    aContext({
      request: aRequest({
        promptTokens,
        priority: -1,
        head: aHead({ headers: new Map(Object.entries(headers)) }),
      }),
      endpoints: pool,
      load: inFlight,
      nowMs,
    });
  const predicted = (promptTokens: number, headers?: Readonly<Record<string, string>>) =>
    // A producer of latency predictions gives one.
    producer.produce(contextOf(promptTokens, headers), pool) as LatencyPrediction;
  return {
    inFlight,
    predicted,
    /** Sends a prompt to an endpoint and answers it with 10 tokens, one every 10 ms. */
    send: (
      endpoint: Endpoint,
      promptTokens: number,
      answer: { served?: Endpoint; status?: number } = {},
    ) => {
      const { served = endpoint, status = 200 } = answer;
      const context = contextOf(promptTokens);
      producer.produce(context, pool);
      const before = inFlight.inFlightTokens[endpoint.slot] ?? 0;
      // The picker counts a request before it calls the hooks of plugins.
      inFlight.inFlightTokens[endpoint.slot] = before + promptTokens;
      const follower = hooks.sent({ context, decision: aDecision({ endpoints: [endpoint] }) });
      const speed = msPerToken[served.slot] ?? 0;
      const firstTokenMs = nowMs + baseMs + speed * (before + promptTokens);
      nowMs = firstTokenMs + 90;
      const head = aResponseHead({ httpStatus: status, served, isEventStream: true });
      follower?.responseHead?.(head, firstTokenMs);
      follower?.firstToken?.(firstTokenMs);
      inFlight.inFlightTokens[endpoint.slot] = before;
      const usage = { promptTokens, cachedTokens: undefined, outputTokens: 10 };
      // 90 ms for the 9 further tokens.
      follower?.ended?.(aRecord({ usage, firstTokenMs, lastChunkMs: nowMs, endedMs: nowMs }));
    },
  };
}

/** The predictor in the data plane, with the plugins of the default document, over one endpoint. */
function pipelineRig() {
  const { producer, hooks } = buildPlugin(predictor, {}, pluginDeps({ name: "predictor" }));
  if (producer === undefined || hooks === undefined) throw new Error("it produces and follows");
  const memory = new PluginMemory();
  const config = buildConfig(defaultConfigText, { memory, random: () => 0, allowsTestOnly: false });
  if (config.kind === "invalid") throw new Error(config.mistakes.join("\n"));
  const configured = config.build.dataPlane;
  const graph: SchedulingGraph = {
    ...configured.graph,
    producers: [
      ...configured.graph.producers,
      { name: "predictor", instance: producer, produces: "latency-prediction" },
    ],
    hooks: [...configured.graph.hooks, { name: "predictor", instance: hooks }],
  };
  const pool = quietPool();
  const [endpoint] = pool.store.apply([
    { ...anEndpoint(), id: "default/engine-0", address: "127.0.0.1" },
  ]).added;
  if (endpoint === undefined) throw new Error("the endpoint joined");
  let nowMs = 1_000;
  const options = { ignoresSubset: false, bodyBytesMax: 2 ** 20, log: new DecisionLog() };
  const routing = new Routing({ ...configured, graph }, options);
  let sent = aRequest();
  const dataPlane = createDataPlane({
    clock: { nowMs: () => nowMs },
    pool,
    routing: () => routing,
    followers: [throwsDefects, { routed: (request) => void (sent = request) }],
  });
  return {
    /** Sends a chat and answers it, with its first token after 20 ms and 0.1 ms for each prompt token. */
    answer: (content: string) => {
      const body = Buffer.from(
        JSON.stringify({ model: "m", messages: [{ role: "user", content }] }),
      );
      const exchange = dataPlane.begin(aHead(), true);
      routedIn(exchange.decide(body));
      nowMs += baseMs + 0.1 * sent.promptTokens;
      exchange.responseHead({
        httpStatus: 200,
        headers: new Map([["content-type", "text/event-stream"]]),
        servedBy: endpoint.hostPort,
        showsBody: true,
        showsWholeBody: true,
      });
      const token = 'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n';
      exchange.responseChunk(Buffer.from(token), false);
      nowMs += 50;
      exchange.end("complete");
    },
    /** Time to spare of 100 ms for the first token of a prompt. */
    headroomMs: (promptTokens: number) => {
      const headers = new Map([["x-slo-ttft-ms", "100"]]);
      const request = aRequest({ promptTokens, head: aHead({ headers }) });
      const context = aContext({ request, load: pool.snapshot(nowMs).load, nowMs });
      // A producer of latency predictions gives one.
      const prediction = producer.produce(context, [endpoint]) as LatencyPrediction;
      return prediction.headrooms(endpoint.slot)?.ttftMs;
    },
  };
}

const [fast, slow] = endpoints(2) as readonly [Endpoint, Endpoint];
const objectives = { "x-slo-ttft-ms": "100", "x-slo-tpot-ms": "50" };

describe("a latency predictor", () => {
  it("learns the time to first token of each endpoint from the decision and the answer", () => {
    const { send, predicted, inFlight } = rig();
    for (const endpoint of [fast, slow]) for (const tokens of [10, 50]) send(endpoint, tokens);
    // 100 - (20 + 0.1 x 300) and 100 - (20 + 0.5 x 300), for a prompt that neither has seen
    const found = predicted(300, objectives);
    expect(found.headrooms(0)?.ttftMs).toBeCloseTo(50, 6);
    expect(found.headrooms(1)?.ttftMs).toBeCloseTo(-70, 6);
    // With 200 tokens before it: 100 - (20 + 0.1 x 500)
    inFlight.inFlightTokens[0] = 200;
    expect(predicted(300, objectives).headrooms(0)?.ttftMs).toBeCloseTo(30, 6);
  });

  it("learns the time per further token from the end of the answer", () => {
    const { send, predicted, inFlight } = rig();
    send(fast, 10);
    inFlight.runningRequests[0] = 8;
    send(fast, 50);
    // 50 - 90 / 9, independent of running requests
    expect(predicted(300, objectives).headrooms(0)?.tpotMs).toBeCloseTo(40, 6);
  });

  it.each([
    { what: "another endpoint has served", answer: { served: slow } },
    { what: "failed", answer: { status: 503 } },
  ])("learns nothing from an answer that $what", ({ answer }) => {
    const { send, predicted } = rig();
    send(fast, 10, answer);
    send(fast, 50, answer);
    expect(predicted(300).headrooms(0)).toBeUndefined();
  });

  it("lets the admitter refuse requests that no endpoint can serve in time", () => {
    const { send, predicted } = rig();
    for (const endpoint of [fast, slow]) for (const tokens of [10, 50]) send(endpoint, tokens);
    const refusedOf = (promptTokens: number) => {
      const prediction = predicted(promptTokens, objectives);
      const deps = pluginDeps({ data: { "latency-prediction": prediction } });
      const { admitter } = buildPlugin(latencySloAdmitter, {}, deps);
      const request = aRequest({
        priority: -1,
        head: aHead({ headers: new Map(Object.entries(objectives)) }),
      });
      const load = aLoad([{ runningRequests: 4 }, { runningRequests: 4 }]);
      return admitter?.admit(aContext({ request, load }), [fast, slow])?.code;
    };
    // The fast one needs 20 + 0.1 x 800 = 100 ms, and 20 + 0.1 x 900 = 110 ms.
    expect([refusedOf(790), refusedOf(900)]).toEqual([undefined, "saturated"]);
  });

  it("gets its labels from the pipeline by the clock of its features", () => {
    const { answer, headroomMs } = pipelineRig();
    answer("short");
    answer("a much longer prompt ".repeat(40));
    // 100 - (20 + 0.1 x 300)
    expect(headroomMs(300)).toBeCloseTo(50, 6);
  });

  it("starts empty with an endpoint that takes the slot of another", () => {
    const memory = linesMemory.create(undefined);
    memory.ttft.learn(0, 1, 1);
    memory.ttft.learn(0, 2, 2);
    expect(memory.ttft.at(0, 3)).toBe(3);
    linesMemory.forget?.(memory, anEndpoint({ slot: 0 }));
    expect(memory.ttft.at(0, 3)).toBeUndefined();
  });
});
