import {
  renamedMetrics,
  type RenamedMetrics,
} from "../control-plane/signals/scrape/engines/renamed-metrics.ts";
import type { EngineMapping } from "../control-plane/signals/scrape/engines/mapping.ts";
import { UsageError } from "./command.ts";
import type { FlagTable, FlagValues } from "./flags.ts";

const deprecated =
  "deprecated: describe metrics by core-metrics-extractor in the configuration, which takes precedence over this flag";

function metricFlag(help: string, ofVllm: string) {
  return {
    kind: "string",
    initial: "",
    shownDefault: "the vLLM metric",
    help,
    standing: "deprecated",
    warning: deprecated,
    quietFor: [ofVllm],
  } as const;
}

/** Metrics of engines by flag, as pickers took them before the configuration could describe engines. */
export const metricFlags = {
  "total-queued-requests-metric": metricFlag(
    "Metric with the number of waiting requests; empty for none.",
    "vllm:num_requests_waiting",
  ),
  "total-running-requests-metric": metricFlag(
    "Metric with the number of running requests; empty for none.",
    "vllm:num_requests_running",
  ),
  "kv-cache-usage-percentage-metric": metricFlag(
    "Metric with the KV-cache usage; empty for none.",
    "vllm:kv_cache_usage_perc",
  ),
  "lora-info-metric": metricFlag(
    "Metric with the LoRA adapters; empty for none.",
    "vllm:lora_requests_info",
  ),
  "cache-info-metric": metricFlag(
    "Metric with the cache configuration; empty for none.",
    "vllm:cache_config_info",
  ),
} as const satisfies FlagTable;

type MetricFlag = keyof typeof metricFlags;

const flagOf: Readonly<Record<keyof RenamedMetrics, MetricFlag>> = {
  waiting: "total-queued-requests-metric",
  running: "total-running-requests-metric",
  kvCacheUsed: "kv-cache-usage-percentage-metric",
  adapters: "lora-info-metric",
  cacheInfo: "cache-info-metric",
};

/** The engine that the flags describe; undefined if none is set. */
export function flaggedEngineOf(
  values: FlagValues<typeof metricFlags>,
  isSet: (flag: MetricFlag) => boolean,
): EngineMapping | undefined {
  const named = (flag: MetricFlag) => (isSet(flag) ? values[flag] : undefined);
  const result = renamedMetrics({
    waiting: named(flagOf.waiting),
    running: named(flagOf.running),
    kvCacheUsed: named(flagOf.kvCacheUsed),
    adapters: named(flagOf.adapters),
    cacheInfo: named(flagOf.cacheInfo),
  });
  if (result.kind === "described") return result.engine;
  const flag = flagOf[result.signal];
  throw new UsageError([
    `invalid argument ${JSON.stringify(values[flag])} for --${flag}: want a metric such as name or name{label=value}`,
  ]);
}
