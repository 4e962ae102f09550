import { type EngineMapping, emptyMapping, family } from "./mapping.ts";

/** TensorRT-LLM's own server, `trtllm-serve`. Its `/metrics` is a list of iterations in JSON. */
export const trtllmServe: EngineMapping = {
  ...emptyMapping,
  name: "trtllm-serve",
  metricsPath: "/prometheus/metrics",
  waiting: [family("trtllm_num_requests_waiting")],
  running: [family("trtllm_num_requests_running")],
  kvCacheUsed: [family("trtllm_kv_cache_utilization")],
  blockTokens: [family("trtllm_kv_cache_tokens_per_block")],
  blocksMax: [family("trtllm_kv_cache_max_blocks")],
  prefixCache: [
    {
      lookedUp: family("trtllm_prompt_tokens_total"),
      hits: family("trtllm_prompt_cached_tokens_total"),
    },
  ],
};
