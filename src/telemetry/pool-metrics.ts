import { Gauge, type Registry } from "prom-client";
import { drainOf, drainReasons, type Endpoint } from "../core/endpoint.ts";
import type { LoadSnapshot } from "../core/load.ts";

/** The pool at the moment of asking. */
export interface PoolView {
  readonly name: string;
  /** Those that take requests. */
  readonly endpoints: () => readonly Endpoint[];
  /** Those that take none and stay for what they run, or because they may come back. */
  readonly draining: () => readonly Endpoint[];
  readonly load: () => LoadSnapshot;
}

type Column = "kvCacheUsedRatio" | "waitingRequests" | "runningRequests";

const averaged: readonly (readonly [Column, suffix: string, what: string])[] = [
  ["kvCacheUsedRatio", "kv_cache_utilization", "share of the KV cache in use"],
  ["waitingRequests", "queue_size", "requests waiting in engines"],
  ["runningRequests", "running_requests", "requests running in engines"],
];

/** Gauges of the pool under the peer's names, computed when somebody scrapes them. */
export function registerPoolMetrics(registry: Registry, pool: PoolView): void {
  for (const [column, suffix, what] of averaged) {
    registerGauge(registry, {
      name: `average_${suffix}`,
      help: `Average over the pool: ${what}.`,
      collect: (gauge) => gauge.set({ name: pool.name }, spreadOf(pool, column).mean),
    });
    registerGauge(registry, {
      name: `std_dev_${suffix}`,
      help: `Standard deviation over the pool: ${what}.`,
      collect: (gauge) => gauge.set({ name: pool.name }, spreadOf(pool, column).deviation),
    });
  }
  registerGauge(registry, {
    name: "ready_endpoints",
    help: "Endpoints that can be given requests.",
    collect: (gauge) => gauge.set({ name: pool.name }, pool.endpoints().length),
  });
  registerDraining(registry, pool);
  registerPerEndpoint(registry, pool);
}

function registerDraining(registry: Registry, pool: PoolView): void {
  registry.registerMetric(
    new Gauge({
      name: "pointsman_draining_endpoints",
      help: "Endpoints that take no new requests, by the reason.",
      labelNames: ["name", "reason"],
      registers: [],
      collect() {
        this.reset();
        for (const reason of drainReasons) this.set({ name: pool.name, reason }, 0);
        for (const endpoint of pool.draining()) {
          this.inc({ name: pool.name, reason: drainOf(endpoint) ?? "" });
        }
      },
    }),
  );
}

function registerPerEndpoint(registry: Registry, pool: PoolView): void {
  registerGauge<"name" | "model_server_endpoint">(registry, {
    name: "per_endpoint_queue_size",
    help: "Requests waiting in an engine.",
    labelNames: ["name", "model_server_endpoint"],
    collect(gauge) {
      const { waitingRequests } = pool.load();
      for (const { name, slot } of pool.endpoints()) {
        const waiting = waitingRequests[slot] ?? Number.NaN;
        const labels = { name: pool.name, model_server_endpoint: name };
        if (Number.isFinite(waiting)) gauge.set(labels, waiting);
      }
    },
  });
  registerGauge<"endpoint_name" | "namespace">(registry, {
    name: "inflight_requests",
    help: "Requests sent to an endpoint and not seen to finish.",
    labelNames: ["endpoint_name", "namespace"],
    collect(gauge) {
      const { inFlightRequests } = pool.load();
      for (const { name, namespace, slot } of pool.endpoints()) {
        gauge.set({ endpoint_name: name, namespace }, inFlightRequests[slot] ?? 0);
      }
    },
  });
}

interface GaugeSpec<L extends string> {
  readonly name: string;
  readonly help: string;
  readonly labelNames?: readonly L[];
  /** Sets the gauge anew; it is empty when this is called. */
  readonly collect: (gauge: Gauge<L | "name">) => void;
}

/** A gauge that is computed for each scrape: series of what has gone go with it. */
function registerGauge<L extends string = "name">(registry: Registry, spec: GaugeSpec<L>): void {
  registry.registerMetric(
    new Gauge<L | "name">({
      name: `llm_d_epp_${spec.name}`,
      help: spec.help,
      labelNames: spec.labelNames ?? ["name"],
      registers: [],
      collect() {
        this.reset();
        spec.collect(this);
      },
    }),
  );
}

/** Mean and standard deviation over the endpoints that report the signal; 0 where none does. */
function spreadOf(pool: PoolView, column: Column): { mean: number; deviation: number } {
  const values = pool.load()[column];
  const known = pool
    .endpoints()
    .map(({ slot }) => values[slot] ?? Number.NaN)
    .filter((value) => Number.isFinite(value));
  if (known.length === 0) return { mean: 0, deviation: 0 };
  const mean = known.reduce((sum, value) => sum + value, 0) / known.length;
  const variance = known.reduce((sum, value) => sum + (value - mean) ** 2, 0) / known.length;
  return { mean, deviation: Math.sqrt(variance) };
}
