import { type EngineMapping, emptyMapping, family } from "./mapping.ts";

/** TensorRT-LLM's own server, `trtllm-serve`. */
export const trtllmServe: EngineMapping = {
  ...emptyMapping,
  name: "trtllm-serve",
  waiting: [family("trtllm_num_requests_waiting")],
  running: [family("trtllm_num_requests_running")],
  kvCacheUsed: [family("trtllm_kv_cache_utilization")],
  blockTokens: [family("trtllm_kv_cache_tokens_per_block")],
  blocksMax: [family("trtllm_kv_cache_max_blocks")],
};
