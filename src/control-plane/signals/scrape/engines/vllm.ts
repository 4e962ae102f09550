import { type EngineMapping, emptyMapping, family } from "./mapping.ts";

/** vLLM, by the metrics of its V1 engine; older ones have another name for KV cache use. */
export const vllm: EngineMapping = {
  ...emptyMapping,
  name: "vllm",
  waiting: [family("vllm:num_requests_waiting")],
  running: [family("vllm:num_requests_running")],
  kvCacheUsed: [family("vllm:kv_cache_usage_perc"), family("vllm:gpu_cache_usage_perc")],
  adapters: [family("vllm:lora_requests_info")],
  cacheInfo: [family("vllm:cache_config_info")],
  blockTokensLabel: "block_size",
  blocksMaxLabel: "num_gpu_blocks",
  prefixCache: [
    {
      lookedUp: family("vllm:prefix_cache_queries_total"),
      hits: family("vllm:prefix_cache_hits_total"),
    },
    // The names of the first V1 engines.
    {
      lookedUp: family("vllm:gpu_prefix_cache_queries_total"),
      hits: family("vllm:gpu_prefix_cache_hits_total"),
    },
  ],
};
