import { type EngineMapping, emptyMapping, family } from "./mapping.ts";

/**
 * SGLang, with `--enable-metrics`.
 *
 * Data-parallel ranks have queues of their own, which add up. The workers of one rank (tensor, pipeline and expert
 * parallel) share a queue; all of them report it with `--enable-metrics-for-all-schedulers`.
 */
export const sglang: EngineMapping = {
  ...emptyMapping,
  name: "sglang",
  waiting: [family("sglang:num_queue_reqs")],
  running: [family("sglang:num_running_reqs")],
  kvCacheUsed: [family("sglang:token_usage")],
  cacheInfo: [family("sglang:cache_config_info")],
  blockTokensLabel: "page_size",
  blocksMaxLabel: "num_pages",
  sharedLabels: ["tp_rank", "pp_rank", "moe_ep_rank"],
};
