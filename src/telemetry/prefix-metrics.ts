import { Gauge, type Registry } from "prom-client";

/** What is said of one prefix cache. */
interface PrefixCacheSizes {
  readonly entryCount: number;
  readonly memoryBytes: number;
}

/** Gauges of the prefix caches by the name of their plugin, computed when somebody scrapes them. */
export function registerPrefixMetrics(
  registry: Registry,
  memory: { readonly prefixCaches: ReadonlyMap<string, PrefixCacheSizes> },
): void {
  const labelNames = ["plugin_name", "plugin_type"] as const;
  const plugin_type = "approx-prefix-cache-producer";
  const gaugeOf = (name: string, help: string, valueOf: (sizes: PrefixCacheSizes) => number) =>
    new Gauge({
      name,
      help,
      labelNames,
      registers: [registry],
      collect() {
        this.reset();
        for (const [plugin_name, sizes] of memory.prefixCaches) {
          this.set({ plugin_name, plugin_type }, valueOf(sizes));
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
