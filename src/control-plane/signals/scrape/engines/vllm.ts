import type { Engine } from "./engine.ts";
import { adapterStateOf } from "./lora-info.ts";
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
      attributes: new Map(),
    };
  },
};
