import { type EngineMapping, emptyMapping, family } from "./mapping.ts";

const requests = "nv_trt_llm_request_metrics";
const kvCacheBlocks = "nv_trt_llm_kv_cache_block_metrics";

/** Triton with its TensorRT-LLM backend: one family holds many values, distinguished by a label. */
export const tritonTensorrtLlm: EngineMapping = {
  ...emptyMapping,
  name: "triton-tensorrt-llm",
  waiting: [family(requests, { request_type: "waiting" })],
  running: [family(requests, { request_type: "scheduled" })],
  kvCacheUsed: [family(kvCacheBlocks, { kv_cache_block_type: "fraction" })],
  blockTokens: [family(kvCacheBlocks, { kv_cache_block_type: "tokens_per" })],
  blocksMax: [family(kvCacheBlocks, { kv_cache_block_type: "max" })],
};
