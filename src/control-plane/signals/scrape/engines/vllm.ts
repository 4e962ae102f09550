import type { AdapterState } from "../../../../core/load.ts";
import type { Sample } from "../sample-line.ts";
import type { Engine } from "./engine.ts";
import { countIn, meanRatioOf, totalOf } from "./series.ts";

const waiting = "vllm:num_requests_waiting";
const running = "vllm:num_requests_running";
const kvCacheUsed = "vllm:kv_cache_usage_perc";
const cacheConfig = "vllm:cache_config_info";
const adapters = "vllm:lora_requests_info";

/**
 * vLLM, by the metrics of its V1 engine.
 *
 * A server with several engines (data parallel) or models has one series for each. Requests add
 * up; each engine has its own KV cache, and a request may land on any of them, so its use is the
 * mean. If one series makes no sense, the signal is unknown: the rest would be too low.
 */
export const vllm: Engine = {
  name: "vllm",
  families: [waiting, running, kvCacheUsed, cacheConfig, adapters],
  signalsOf(samples) {
    const cacheLabels = samples.get(cacheConfig)?.[0]?.labels ?? {};
    return {
      waitingRequests: totalOf(samples.get(waiting)),
      runningRequests: totalOf(samples.get(running)),
      kvCacheUsedRatio: meanRatioOf(samples.get(kvCacheUsed)),
      blockTokens: countIn(cacheLabels["block_size"]),
      blocksMax: countIn(cacheLabels["num_gpu_blocks"]),
      adapters: adapterStateOf(samples.get(adapters)),
    };
  },
};

/** The newest series counts: its value is the time of the update it describes. */
function adapterStateOf(series: readonly Sample[] = []): AdapterState | undefined {
  let newest: Sample | undefined;
  for (const sample of series) {
    if (sample.value > (newest?.value ?? -Infinity)) newest = sample;
  }
  const adaptersMax = countIn(newest?.labels["max_lora"]);
  if (newest === undefined || adaptersMax === undefined) return undefined;
  return {
    active: namesIn(newest.labels["running_lora_adapters"]),
    waiting: namesIn(newest.labels["waiting_lora_adapters"]),
    adaptersMax,
  };
}

function namesIn(list = ""): ReadonlySet<string> {
  const names = list.split(",").map((name) => name.trim());
  return new Set(names.filter((name) => name !== ""));
}
