import { Gauge, Histogram, type Registry } from "prom-client";
import type { PrefixHit } from "../core/decision.ts";
import { bytesPerToken } from "../core/token-estimate.ts";
import { hitByteBuckets, hitRatioBuckets } from "./buckets.ts";

const labelNames = ["plugin_name", "plugin_type"] as const;
/** The one type of plugin that finds prefixes. */
const pluginType = "approx-prefix-cache-producer";

/** What is said of one prefix cache. */
interface PrefixCacheSizes {
  readonly entryCount: number;
  readonly memoryBytes: number;
}

interface OwnedPrefixCache {
  /** Type and name of its plugin. */
  readonly type: string;
  readonly name: string;
  readonly memory: PrefixCacheSizes;
}

/** Gauges of prefix caches, computed for each scrape. */
export function registerPrefixMetrics(
  registry: Registry,
  prefixCaches: () => Iterable<OwnedPrefixCache>,
): void {
  const gaugeOf = (name: string, help: string, valueOf: (sizes: PrefixCacheSizes) => number) =>
    new Gauge({
      name,
      help,
      labelNames,
      registers: [registry],
      collect() {
        this.reset();
        for (const { type, name: pluginName, memory } of prefixCaches()) {
          this.set({ plugin_name: pluginName, plugin_type: type }, valueOf(memory));
        }
      },
    });
  gaugeOf(
    "llm_d_epp_prefix_indexer_size",
    "Blocks of prompts that endpoints are believed to hold, over all endpoints.",
    ({ entryCount }) => entryCount,
  );
  gaugeOf(
    "pointsman_prefix_index_bytes",
    "Memory of the prefix index.",
    ({ memoryBytes }) => memoryBytes,
  );
}

/** How much of the prompts the picked endpoints were believed to hold; call it for each decision. */
export function prefixHitMetricsIn(registry: Registry): (hit: PrefixHit) => void {
  const registers = [registry];
  const ratio = new Histogram({
    name: "llm_d_epp_prefix_indexer_hit_ratio",
    help: "Share of the prompt that the picked endpoint was believed to hold.",
    buckets: hitRatioBuckets,
    labelNames,
    registers,
  });
  const bytes = new Histogram({
    name: "llm_d_epp_prefix_indexer_hit_bytes",
    help: "Bytes of the prompt that the picked endpoint was believed to hold, 4 a token.",
    buckets: hitByteBuckets,
    labelNames,
    registers,
  });
  return (hit) => {
    const labels = { plugin_name: hit.producer, plugin_type: pluginType };
    ratio.observe(labels, hit.ratio);
    bytes.observe(labels, hit.tokens * bytesPerToken);
  };
}
