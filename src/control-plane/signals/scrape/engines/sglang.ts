import { type EngineMapping, emptyMapping, family } from "./mapping.ts";

const waiting = "sglang:num_queue_reqs";
const running = "sglang:num_running_reqs";
/** With priority scheduling there is a total in addition to the count of each priority. */
const total = { priority: "" };

/**
 * SGLang, with `--enable-metrics`.
 *
 * Data-parallel ranks have queues of their own, which add up; with DP attention no two of them have
 * the same `tp_rank`. The workers of one rank (tensor, pipeline and expert parallel) share a queue:
 * every pipeline stage reports it, and with `--enable-metrics-for-all-schedulers` every worker
 * does.
 */
export const sglang: EngineMapping = {
  ...emptyMapping,
  name: "sglang",
  waiting: [family(waiting, total), family(waiting)],
  running: [family(running, total), family(running)],
  kvCacheUsed: [family("sglang:token_usage")],
  // Before 0.5.11 labels of one family held the values that two families have since.
  cacheInfo: [family("sglang:cache_config_info")],
  blockTokensLabel: "page_size",
  blocksMaxLabel: "num_pages",
  blockTokens: [family("sglang:page_size")],
  blocksMax: [family("sglang:num_pages")],
  // Its share `sglang:cache_hit_rate` is that of the last batch, so that it cannot be summed.
  prefixCache: [
    { lookedUp: family("sglang:prompt_tokens_total"), hits: family("sglang:cached_tokens_total") },
  ],
  sharedLabels: ["tp_rank", "pp_rank", "moe_ep_rank"],
};
