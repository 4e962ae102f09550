import type { Cluster } from "../control-plane/cluster.ts";
import { registerClusterMetrics } from "../control-plane/metrics.ts";
import { conversationMemory } from "../data-plane/scheduling/producers/conversation.ts";
import { registerSessionMetrics } from "../data-plane/scheduling/producers/conversations/metrics.ts";
import { latencyModelMemory } from "../data-plane/scheduling/producers/latency/latency-model.ts";
import { registerLatencyMetrics } from "../data-plane/scheduling/producers/latency/metrics.ts";
import { registerPrefixMetrics } from "../data-plane/scheduling/producers/prefix-index/metrics.ts";
import { prefixCacheMemory } from "../data-plane/scheduling/producers/prefix-index/prefix-cache.ts";
import { sessionHomeMemory } from "../data-plane/scheduling/producers/session-home.ts";
import { sessionMemory } from "../data-plane/scheduling/shared/session-table.ts";
import type { PluginMemory } from "../state/plugin-memory.ts";
import type { Clock } from "../std/clock.ts";
import type { MetricsRegistry } from "../telemetry/metrics-registry.ts";
import { registerProcessMetrics } from "../telemetry/process-metrics.ts";
import type { Pool } from "./pool.ts";

interface Measured {
  readonly pool: Pool;
  readonly clock: Clock;
  readonly memory: PluginMemory;
  /** Undefined without a cluster. */
  readonly cluster: Cluster | undefined;
}

/** Registers the metrics of the process, of the memories of plugins and of the cluster. */
export function registerMetrics(
  registry: MetricsRegistry,
  { pool: { store, view }, clock, memory, cluster }: Measured,
): void {
  registerProcessMetrics(registry);
  registerPrefixMetrics(registry, () => memory.ofKind(prefixCacheMemory));
  registerSessionMetrics(registry, () => [
    ...memory.ofKind(conversationMemory),
    ...memory.ofKind(sessionHomeMemory),
    ...memory.ofKind(sessionMemory),
  ]);
  registerLatencyMetrics(registry, {
    models: () => memory.ofKind(latencyModelMemory),
    endpoints: () => store.takers(),
    load: () => view.load,
    nowMs: () => clock.nowMs(),
  });
  if (cluster !== undefined) registerClusterMetrics(registry, cluster.view);
}
