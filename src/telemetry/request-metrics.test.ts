import { describe, expect, it } from "vitest";
import type { RequestEnd, RequestRecord } from "../core/request-record.ts";
import { aDecision, aHead, anEndpoint, aRecord, aRequest } from "#test/support/builders.ts";
import { seriesOf, valueOf } from "#test/support/metrics.ts";
import type { KnownModels } from "./label-sets.ts";
import { MetricsRegistry } from "./metrics-registry.ts";
import { RequestMetrics } from "./request-metrics.ts";

const model =
  'model_name="llama",target_model_name="llama",fairness_id="default-flow",priority="0"';

/** Models that the configuration names, without rules between them. */
const knowing = (...models: readonly string[]): KnownModels => ({
  has: (name) => models.includes(name),
  rewrites: () => false,
});

const family = (name: string) => `llm_d_epp_${name}`;

/** The families of one gateway, and what a scrape of them shows. */
function observed() {
  const registry = new MetricsRegistry();
  const metrics = new RequestMetrics(registry, { known: knowing("llama") });
  return {
    metrics,
    /** Routes and ends a request. */
    ran: (parts: Partial<RequestRecord> = {}) => {
      const record = aRecord(parts);
      const { request, decision } = record;
      if (request !== undefined && decision !== undefined) metrics.routed(request, decision);
      metrics.ended(record);
    },
    /** The one series of a family with the labels of the model `llama` and `more`. */
    value: (name: string, more = "") => valueOf(registry, `${family(name)}{${model}${more}}`),
    series: (name: string) => seriesOf(registry, family(name)),
    page: () => registry.metrics(),
    plain: (name: string) => valueOf(registry, family(name)),
    attempts: () => seriesOf(registry, family("scheduler_attempts_total")),
  };
}

const streaming = aRequest({ isStreaming: true });
const usage = { promptTokens: 100, outputTokens: 5, cachedTokens: 64 };

describe("a routed request", () => {
  it("counts at once, and as running until it ends", async () => {
    const { metrics, value } = observed();
    const decision = aDecision();
    metrics.routed(aRequest(), decision);
    metrics.routed(aRequest(), aDecision());
    expect(await value("request_total")).toBe(2);
    expect(await value("request_running")).toBe(2);
    metrics.ended(aRecord({ decision }));
    expect(await value("request_running")).toBe(1);
    expect(await value("request_total")).toBe(2);
  });

  it("shows its size and the endpoint that got it", async () => {
    const { metrics, value, attempts } = observed();
    const endpoint = anEndpoint({ slot: 3, namespace: "prod", port: 8_001 });
    metrics.routed(aRequest({ bodyBytes: 1_234 }), aDecision({ endpoints: [endpoint] }));
    expect(await value("request_size_bytes_sum")).toBe(1_234);
    expect(await attempts()).toEqual([
      'llm_d_epp_scheduler_attempts_total{status="success",target_model_name="llama",endpoint_name="engine-3",namespace="prod",port="8001"} 1',
    ]);
  });

  it("belongs to the flow that a header names, the peer's before the gateway's", async () => {
    const { metrics, series } = observed();
    const ours = "x-llm-d-inference-fairness-id";
    const theirs = "x-gateway-inference-fairness-id";
    for (const headers of [
      new Map([[theirs, "t"]]),
      new Map([
        [theirs, "t"],
        [ours, "o"],
      ]),
      new Map([
        [theirs, ""],
        [ours, ""],
      ]),
    ]) {
      metrics.routed(aRequest({ head: aHead({ headers }) }), aDecision());
    }
    const flows = (await series("request_total")).map(
      (line) => /fairness_id="(.*?)"/.exec(line)?.[1],
    );
    expect(flows).toEqual(["t", "o", "default-flow"]);
  });
});

describe("request_running", () => {
  const ends: readonly { how: string; parts: Partial<RequestRecord> }[] = [
    { how: "completes", parts: {} },
    { how: "completes with an engine's error", parts: { httpStatus: 500 } },
    { how: "is cut before the response", parts: { httpStatus: undefined, end: "aborted" } },
    { how: "is cut in the response", parts: { end: "aborted" } },
    {
      how: "is refused after it was routed",
      parts: { end: "refused", refusal: { code: "body_too_large", message: "large" } },
    },
  ];

  it.each(ends)("returns to 0 when a request $how", async ({ parts }) => {
    const { ran, value } = observed();
    ran(parts);
    expect(await value("request_running")).toBe(0);
  });

  it("stays as it is when a request ends that was never routed", async () => {
    const { metrics, ran, value } = observed();
    metrics.routed(aRequest(), aDecision());
    ran({ decision: undefined, end: "refused" });
    ran({ decision: undefined, request: undefined, end: "aborted" });
    expect(await value("request_running")).toBe(1);
  });

  it("returns to 0 for more models than labels may name", async () => {
    const { metrics, series } = observed();
    const routed = Array.from({ length: 103 }, (_, index) => {
      const request = aRequest({ model: `m${index}` });
      const decision = aDecision();
      metrics.routed(request, decision);
      return aRecord({ request, decision });
    });
    const running = await series("request_running");
    // 100 that are not proven yet; m100 to m102 are `other`.
    expect(running).toHaveLength(101);
    expect(running.at(-1)).toMatch(/model_name="other",target_model_name="other",.* 3$/);
    for (const record of routed) metrics.ended(record);
    expect((await series("request_running")).filter((line) => !line.endsWith(" 0"))).toEqual([]);
  });
});

describe("request_error_total", () => {
  const errors: readonly { code: string; parts: Partial<RequestRecord> }[] = [
    { code: "upstream_500", parts: { httpStatus: 500 } },
    { code: "upstream_404", parts: { httpStatus: 404 } },
    { code: "aborted", parts: { end: "aborted" } },
    { code: "aborted", parts: { end: "aborted", httpStatus: undefined } },
    { code: "upstream_503", parts: { end: "aborted", httpStatus: 503 } },
    {
      code: "saturated",
      parts: {
        end: "refused",
        decision: undefined,
        httpStatus: 429,
        refusal: { code: "saturated", message: "full" },
      },
    },
  ];

  it.each(errors)("has the code $code for %j", async ({ code, parts }) => {
    const { ran, value } = observed();
    ran(parts);
    expect(await value("request_error_total", `,error_code="${code}"`)).toBe(1);
  });

  it.each([200, 204, 302])("does not count a request answered with %i", async (httpStatus) => {
    const { ran, series } = observed();
    ran({ httpStatus });
    expect(await series("request_error_total")).toEqual([]);
  });

  it("counts a request that was never understood, under no model", async () => {
    const { ran, series } = observed();
    const refusal = { code: "malformed_request", message: "no JSON" } as const;
    ran({ request: undefined, decision: undefined, refusal, httpStatus: 400, end: "refused" });
    expect(await series("request_error_total")).toEqual([
      'llm_d_epp_request_error_total{model_name="",target_model_name="",fairness_id="default-flow",priority="0",error_code="malformed_request"} 1',
    ]);
  });
});

describe("the times of a request", () => {
  it("are its duration and its time to the first piece, in seconds", async () => {
    const { ran, value } = observed();
    ran({ startedMs: 1_000, firstTokenMs: 1_250, endedMs: 3_000 });
    // 3,000 - 1,000 ms and 1,250 - 1,000 ms
    expect(await value("request_duration_seconds_sum")).toBe(2);
    expect(await value("request_ttft_seconds_sum", ',streaming="false"')).toBe(0.25);
  });

  it("tell streams apart", async () => {
    const { ran, value } = observed();
    ran({ request: streaming });
    expect(await value("request_ttft_seconds_count", ',streaming="true"')).toBe(1);
    expect(await value("request_ttft_seconds_count", ',streaming="false"')).toBeUndefined();
  });

  it("have no first token where an engine's error came instead", async () => {
    const { ran, series, value } = observed();
    ran({ httpStatus: 500 });
    expect(await series("request_ttft_seconds_count")).toEqual([]);
    expect(await value("request_duration_seconds_count")).toBe(1);
  });

  it("are unknown where no response was seen", async () => {
    const { ran, series } = observed();
    ran({ httpStatus: undefined, firstTokenMs: undefined, end: "aborted" });
    expect(await series("request_duration_seconds_count")).toEqual([]);
    expect(await series("response_size_bytes_count")).toEqual([]);
  });
});

describe("the tokens of a request", () => {
  it("are what the engine counted", async () => {
    const { ran, value } = observed();
    ran({ usage });
    expect(await value("request_input_tokens_sum")).toBe(100);
    expect(await value("request_output_tokens_sum")).toBe(5);
    expect(await value("request_cached_tokens_sum")).toBe(64);
    expect(await value("response_size_bytes_sum")).toBe(500);
  });

  it("are not counted where the engine does not say", async () => {
    const { ran, series, value } = observed();
    ran({ usage: undefined });
    for (const name of ["input_tokens", "output_tokens", "cached_tokens", "ntpot_seconds"]) {
      expect(await series(`request_${name}_count`)).toEqual([]);
    }
    ran({ usage: { ...usage, cachedTokens: undefined } });
    expect(await series("request_cached_tokens_count")).toEqual([]);
    expect(await value("request_input_tokens_count")).toBe(1);
  });

  it("take a share of the whole duration each", async () => {
    const { ran, value } = observed();
    ran({ usage, startedMs: 0, endedMs: 2_000 });
    // 2 s / 5 tokens
    expect(await value("request_ntpot_seconds_sum")).toBeCloseTo(0.4, 12);
  });

  it("of a stream take a share of the time after the first, which is none of them", async () => {
    const { ran, value } = observed();
    const times = { firstTokenMs: 500, lastChunkMs: 900, endedMs: 1_500 };
    ran({ request: streaming, usage, ...times, responseChunks: 5 });
    // (900 - 500) ms / (5 - 1) tokens
    expect(await value("request_streaming_tpot_seconds_sum")).toBeCloseTo(0.1, 12);
  });

  it.each([
    { what: "no stream", parts: { usage } },
    {
      what: "a stream of one token",
      parts: { request: streaming, usage: { ...usage, outputTokens: 1 } },
    },
    {
      what: "a stream that came in one piece",
      parts: { request: streaming, usage, responseChunks: 1 },
    },
    {
      what: "a stream of which no piece was seen",
      parts: { request: streaming, usage, firstTokenMs: undefined, lastChunkMs: undefined },
    },
  ])("have no time after the first in $what", async ({ parts }) => {
    const { ran, series } = observed();
    ran(parts);
    expect(await series("request_streaming_tpot_seconds_count")).toEqual([]);
  });

  it("share nothing where there are none", async () => {
    const { ran, series, value } = observed();
    ran({ request: streaming, usage: { ...usage, outputTokens: 0 } });
    expect(await series("request_ntpot_seconds_count")).toEqual([]);
    expect(await value("request_output_tokens_count")).toBe(1);
  });
});

describe("a predicted latency", () => {
  const latency = { producer: "mine", ttftMs: 80, tpotMs: 12.5 };
  const plugin = ',plugin_name="mine",plugin_type="predicted-latency-producer"';

  it("is shown next to the measured one, under the name of its plugin", async () => {
    const { ran, value } = observed();
    ran({
      decision: aDecision({ latency, predictedInMs: 2 }),
      request: streaming,
      usage,
      responseChunks: 5,
      lastChunkMs: 1_200,
    });
    expect(await value("request_predicted_ttft_seconds_sum", plugin)).toBeCloseTo(0.08, 9);
    expect(await value("request_predicted_tpot_seconds_sum", plugin)).toBeCloseTo(0.0125, 9);
    for (const name of ["ttft", "tpot"]) {
      const durations = `request_${name}_prediction_duration_seconds_sum`;
      expect(await value(durations, plugin)).toBeCloseTo(0.002, 9);
    }
  });

  it("is not shown where none was measured, nor where none was predicted", async () => {
    const { ran, series } = observed();
    ran({ request: streaming });
    ran({ decision: aDecision({ latency }), request: streaming, firstTokenMs: undefined });
    ran({ decision: aDecision({ latency }), request: streaming, httpStatus: 500 });
    expect(await series("request_predicted_ttft_seconds_sum")).toEqual([]);
    expect(await series("request_predicted_tpot_seconds_sum")).toEqual([]);
    expect(await series("request_ttft_prediction_duration_seconds_sum")).toEqual([]);
  });
});

const asking = (headers: Readonly<Record<string, string>>) =>
  aRequest({ isStreaming: true, head: aHead({ headers: new Map(Object.entries(headers)) }) });

describe("request_slo_violation_total", () => {
  /** 100 ms to the first token, and (1,200 - 1,100)/4 = 25 ms per further one. */
  const answer = { usage, responseChunks: 5, lastChunkMs: 1_200 };
  const left = { end: "aborted", firstTokenMs: undefined, httpStatus: undefined } as const;

  it.each<{
    how: string;
    headers: Readonly<Record<string, string>>;
    parts?: Partial<RequestRecord>;
    types: readonly string[];
  }>([
    { how: "is late", headers: { "x-llm-d-slo-ttft-ms": "99" }, types: ["ttft"] },
    {
      how: "is in time",
      headers: { "x-llm-d-slo-ttft-ms": "100", "x-slo-tpot-ms": "25" },
      types: [],
    },
    {
      how: "goes on too slowly",
      headers: { "x-slo-tpot-ms": "24", "x-slo-ttft-ms": "500" },
      types: ["tpot"],
    },
    {
      how: "is late and slow",
      headers: { "x-slo-tpot-ms": "1", "x-slo-ttft-ms": "1" },
      types: ["ttft", "tpot"],
    },
    { how: "has no objective", headers: {}, types: [] },
    { how: "fails", headers: { "x-slo-ttft-ms": "1" }, parts: { httpStatus: 500 }, types: [] },
    {
      how: "is left in time: 200 ms",
      headers: { "x-slo-ttft-ms": "200" },
      parts: left,
      types: [],
    },
    {
      how: "is left after its time",
      headers: { "x-slo-ttft-ms": "199" },
      parts: left,
      types: ["ttft"],
    },
    {
      how: "shows no first token",
      headers: { "x-slo-ttft-ms": "1" },
      parts: { firstTokenMs: undefined },
      types: [],
    },
  ])("counts a request that $how, by type", async ({ headers, parts = answer, types }) => {
    const { ran, series } = observed();
    ran({ ...parts, request: asking(headers) });
    const lines = await series("request_slo_violation_total");
    expect(lines.map((line) => /,type="(.*?)"} 1$/.exec(line)?.[1])).toEqual(types);
  });
});

describe("the scheduler", () => {
  it("shows how long it took, routed or not, in seconds", async () => {
    const { ran, plain } = observed();
    ran({ schedulingMs: 0.5 });
    ran({ schedulingMs: 1.5, decision: undefined, end: "refused" });
    ran({ schedulingMs: undefined, decision: undefined, end: "refused" });
    // 0.5 ms + 1.5 ms; the third never asked
    expect(await plain("scheduler_e2e_duration_seconds_sum")).toBeCloseTo(0.002, 12);
    expect(await plain("scheduler_e2e_duration_seconds_count")).toBe(2);
  });

  it("shows an attempt that came to nothing, under no endpoint", async () => {
    const { ran, attempts } = observed();
    ran({ decision: undefined, end: "refused" });
    expect(await attempts()).toEqual([
      'llm_d_epp_scheduler_attempts_total{status="failure",target_model_name="llama",endpoint_name="",namespace="",port=""} 1',
    ]);
  });

  it("shows no attempt for a request it was not asked about", async () => {
    const { ran, attempts } = observed();
    ran({ decision: undefined, schedulingMs: undefined, end: "refused" });
    expect(await attempts()).toEqual([]);
  });
});

it.each<RequestEnd>(["complete", "refused", "aborted"])(
  "a request that ends %s counts no more than once anywhere",
  async (end) => {
    const { ran, series } = observed();
    ran({ end, usage, request: streaming });
    const counts = await Promise.all(
      ["request_total", "request_duration_seconds_count", "request_ttft_seconds_count"].map(series),
    );
    expect(counts.flat().map((line) => line.split(" ").at(-1))).toEqual(["1", "1", "1"]);
  },
);

describe("the attempts to find an endpoint", () => {
  it("are forgotten with their endpoint, for every model, and nobody else's", async () => {
    const registry = new MetricsRegistry();
    const metrics = new RequestMetrics(registry, { known: knowing("llama", "sql-lora") });
    const [going, staying] = [anEndpoint({ name: "going" }), anEndpoint({ name: "staying" })];
    for (const endpoint of [going, staying]) {
      for (const name of ["llama", "sql-lora"]) {
        metrics.routed(aRequest({ model: name }), aDecision({ endpoints: [endpoint] }));
      }
    }
    metrics.forget(going);
    const series = await seriesOf(registry, family("scheduler_attempts_total"));
    expect(series).toHaveLength(2);
    expect(series.every((line) => line.includes('endpoint_name="staying"'))).toBe(true);
  });
});

describe("an endpoint that has left the pool", () => {
  it("gets no series again when a request that it had ends", async () => {
    const registry = new MetricsRegistry();
    const left = anEndpoint();
    const pool = new Set([left.id]);
    const metrics = new RequestMetrics(registry, { isInPool: ({ id }) => pool.has(id) });
    const request = aRequest({ model: "unheard-of" });
    const decision = aDecision({ endpoints: [left] });
    metrics.routed(request, decision);
    metrics.forget(left);
    pool.clear();
    metrics.ended(aRecord({ request, decision }));
    expect(await seriesOf(registry, family("scheduler_attempts_total"))).toEqual([]);
  });
});

describe("a model that nothing names", () => {
  const request = aRequest({ model: "unheard-of" });

  it.each<{ how: string; parts: Partial<RequestRecord>; model: string }>([
    { how: "answers well", parts: {}, model: "unheard-of" },
    { how: "answers well to a client that leaves", parts: { end: "aborted" }, model: "unheard-of" },
    { how: "answers 404", parts: { httpStatus: 404 }, model: "other" },
    { how: "answers 500", parts: { httpStatus: 500 }, model: "other" },
    {
      how: "answers 200 with an error in the body",
      parts: { failure: { code: "model_not_found", blame: "client" } },
      model: "other",
    },
    {
      how: "is never heard of again",
      parts: { end: "aborted", httpStatus: undefined },
      model: "other",
    },
    {
      how: "never gets the request",
      parts: {
        decision: undefined,
        httpStatus: 404,
        end: "refused",
        refusal: { code: "model_not_found", message: "no such model" },
      },
      model: "other",
    },
  ])("counts as $model in every family where an engine $how", async ({ parts, model: label }) => {
    const { ran, metrics, page } = observed();
    ran({ request, ...parts });
    const next = aDecision();
    metrics.routed(request, next);
    expect(await page()).toContain('llm_d_epp_request_running{model_name="unheard-of"');
    metrics.ended(aRecord({ request, ...parts, decision: next }));
    const after = await page();
    expect(new Set([...after.matchAll(/model_name="(.*?)"/g)].map(([, name]) => name))).toEqual(
      new Set([label]),
    );
  });
});
