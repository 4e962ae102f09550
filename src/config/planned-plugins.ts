/**
 * Plugin types of llm-d-router that are known and not built yet. A document that names one is
 * refused with these words, so that it does not seem to be in effect.
 */
export const plannedPlugins: ReadonlySet<string> = new Set([
  "precise-prefix-cache-scorer",
  "mm-embeddings-cache-scorer",
  "multicluster-queue-scorer",
  "multicluster-kv-cache-utilization-scorer",
  "multicluster-prefix-cache-scorer",
  "multicluster-session-affinity-filter",
  "precise-prefix-cache-producer",
  "burst-prefix-cache-producer",
  "mm-embeddings-cache-producer",
  "p2p-source-producer",
  "disaggregatedset-rollout-screener",
  "k8s-notification-source",
  "endpoint-notification-source",
  "multicluster-file-discovery",
  "multicluster-metrics-data-source",
  "multicluster-metrics-extractor",
  "multicluster-approx-prefix-cache-producer",
  "vllmgrpc-parser",
  "vertexai-parser",
]);
