import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import {
  durationBuckets,
  ntpotBuckets,
  outputTokenBuckets,
  requestByteBuckets,
  responseByteBuckets,
  schedulerBuckets,
  tokenBuckets,
  tpotBuckets,
  ttftBuckets,
} from "./buckets.ts";

const modelLabels = ["model_name", "target_model_name", "fairness_id", "priority"] as const;

/** What every request family is split by. */
export type ModelLabels = Readonly<Record<(typeof modelLabels)[number], string>>;

/** The request families in `registry`, under the peer's names, labels and buckets. */
export function requestFamiliesIn(registry: Registry) {
  return {
    ...countersIn(registry),
    ...timesIn(registry),
    ...sizesIn(registry),
    running: new Gauge({
      name: `${prefix}request_running`,
      help: "Requests sent to an endpoint and not seen to finish.",
      labelNames: modelLabels,
      registers: [registry],
    }),
  };
}

const prefix = "llm_d_epp_";

function countersIn(registry: Registry) {
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
    new Counter({ name: `${prefix}${name}`, help, labelNames, registers: [registry] });
  return {
    total: counter("request_total", "Requests that were given an endpoint.", modelLabels),
    errors: counter("request_error_total", "Requests that failed, by reason.", [
      ...modelLabels,
      "error_code",
    ]),
    schedulerAttempts: counter("scheduler_attempts_total", "Scheduling decisions, by result.", [
      "status",
      "target_model_name",
      "endpoint_name",
      "namespace",
      "port",
    ]),
  };
}

/** A family per model; `labelNames` where it is split otherwise. */
interface HistogramSpec<L extends string> {
  readonly name: string;
  readonly help: string;
  readonly buckets: number[];
  readonly labelNames: readonly L[];
}

function histogramIn<L extends string>(registry: Registry, spec: HistogramSpec<L>): Histogram<L> {
  return new Histogram({ ...spec, name: `${prefix}${spec.name}`, registers: [registry] });
}

function timesIn(registry: Registry) {
  const perModel = (name: string, help: string, buckets: number[]) =>
    histogramIn(registry, { name, help, buckets, labelNames: modelLabels });
  return {
    durationSeconds: perModel(
      "request_duration_seconds",
      "From the request's headers to the response's end.",
      durationBuckets,
    ),
    ntpotSeconds: perModel(
      "request_ntpot_seconds",
      "Request duration per output token.",
      ntpotBuckets,
    ),
    tpotSeconds: perModel(
      "request_streaming_tpot_seconds",
      "Time per output token of streams, after their first.",
      tpotBuckets,
    ),
    ttftSeconds: histogramIn(registry, {
      name: "request_ttft_seconds",
      help: "From the request's headers to the first piece of the response's body.",
      buckets: ttftBuckets,
      labelNames: [...modelLabels, "streaming"],
    }),
    schedulerSeconds: histogramIn(registry, {
      name: "scheduler_e2e_duration_seconds",
      help: "Time to choose an endpoint.",
      buckets: schedulerBuckets,
      labelNames: [],
    }),
  };
}

function sizesIn(registry: Registry) {
  const perModel = (name: string, help: string, buckets: number[]) =>
    histogramIn(registry, { name, help, buckets, labelNames: modelLabels });
  return {
    requestBytes: perModel("request_size_bytes", "Size of request bodies.", requestByteBuckets),
    responseBytes: perModel("response_size_bytes", "Size of response bodies.", responseByteBuckets),
    inputTokens: perModel(
      "request_input_tokens",
      "Prompt tokens, as the engine counted them.",
      tokenBuckets,
    ),
    outputTokens: perModel(
      "request_output_tokens",
      "Output tokens, as the engine counted them.",
      outputTokenBuckets,
    ),
    cachedTokens: perModel(
      "request_cached_tokens",
      "Prompt tokens that the engine found in its prefix cache.",
      tokenBuckets,
    ),
  };
}
