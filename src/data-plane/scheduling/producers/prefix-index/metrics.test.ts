import { Registry } from "prom-client";
import { expect, it } from "vitest";
import { prefixHitMetricsIn, registerPrefixMetrics } from "./metrics.ts";

async function valuesOf(registry: Registry, name: string) {
  const metric = await registry.getSingleMetric(name)?.get();
  return metric?.values.map(({ labels, value }) => Object.assign({ value }, labels));
}

const type = "approx-prefix-cache-producer";

it("has the size of each prefix cache while it exists", async () => {
  const registry = new Registry();
  const caches = [{ type, name: "short", memory: { entryCount: 3, memoryBytes: 150 } }];
  registerPrefixMetrics(registry, () => caches);
  const labels = { plugin_name: "short", plugin_type: type };
  expect(await valuesOf(registry, "llm_d_epp_prefix_indexer_size")).toEqual([
    { ...labels, value: 3 },
  ]);
  expect(await valuesOf(registry, "pointsman_prefix_index_bytes")).toEqual([
    { ...labels, value: 150 },
  ]);
  caches.length = 0;
  expect(await valuesOf(registry, "llm_d_epp_prefix_indexer_size")).toEqual([]);
});

it("counts hits by their share of the prompt and by their bytes", async () => {
  const registry = new Registry();
  const observe = prefixHitMetricsIn(registry);
  observe({ producer: "short", ratio: 0.25, tokens: 16 });
  const ratios = await valuesOf(registry, "llm_d_epp_prefix_indexer_hit_ratio");
  // A quarter is more than 0.2 and at most 0.3.
  expect(ratios?.filter((each) => "le" in each && [0.2, 0.3].includes(Number(each["le"])))).toEqual(
    [
      { le: 0.2, plugin_name: "short", plugin_type: type, value: 0 },
      { le: 0.3, plugin_name: "short", plugin_type: type, value: 1 },
    ],
  );
  const bytes = await valuesOf(registry, "llm_d_epp_prefix_indexer_hit_bytes");
  // 16 tokens at 4 bytes each.
  expect(bytes?.filter((each) => "le" in each && [32, 64].includes(Number(each["le"])))).toEqual([
    { le: 32, plugin_name: "short", plugin_type: type, value: 0 },
    { le: 64, plugin_name: "short", plugin_type: type, value: 1 },
  ]);
});
