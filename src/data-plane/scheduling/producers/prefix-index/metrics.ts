import { Gauge, Histogram, type Registry } from "prom-client";
import type { PrefixHit } from "../../../../core/decision.ts";
import { bytesPerToken } from "../../../../core/token-estimate.ts";

// The peer's buckets, so that its dashboards keep their resolution.

/** Share of a prompt. */
const hitRatioBuckets = Array.from({ length: 11 }, (_, tenth) => tenth / 10);

/** Bytes of a prompt: 0, and 16 bytes to 64 KiB, doubling. */
const hitByteBuckets = [0, ...Array.from({ length: 13 }, (_, power) => 16 * 2 ** power)];

const labelNames = ["plugin_name", "plugin_type"] as const;
/** The only plugin type that finds prefixes. */
const pluginType = "approx-prefix-cache-producer";

/** Sizes of one prefix cache. */
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

/** Gauges of the prefix caches by the name of their plugin, computed at each scrape. */
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
    "Prompt blocks that endpoints are estimated to have cached, over all endpoints.",
    ({ entryCount }) => entryCount,
  );
  gaugeOf(
    "pointsman_prefix_index_bytes",
    "Memory of the prefix index.",
    ({ memoryBytes }) => memoryBytes,
  );
}

/**
 * Histograms of the part of prompts that picked endpoints were estimated to have cached; call the result once per
 * decision.
 */
export function prefixHitMetricsIn(registry: Registry): (hit: PrefixHit) => void {
  const registers = [registry];
  const ratio = new Histogram({
    name: "llm_d_epp_prefix_indexer_hit_ratio",
    help: "Share of the prompt that the picked endpoint was estimated to have cached.",
    buckets: hitRatioBuckets,
    labelNames,
    registers,
  });
  const bytes = new Histogram({
    name: "llm_d_epp_prefix_indexer_hit_bytes",
    help: "Bytes of the prompt that the picked endpoint was estimated to have cached, 4 per token.",
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
