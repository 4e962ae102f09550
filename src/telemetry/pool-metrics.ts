import { Gauge, type Registry } from "prom-client";
import { drainOf, drainReasons, type Endpoint } from "../core/endpoint.ts";
import type { LoadSnapshot } from "../core/load.ts";
import { type LoadSignal, loadSignalLabels, loadSignals } from "../core/signals.ts";

/** The pool at the moment of asking. */
export interface PoolView {
  readonly name: string;
  /** Those that take requests. */
  readonly endpoints: () => readonly Endpoint[];
  /** Those that take none and stay for what they run, or because they may come back. */
  readonly draining: () => readonly Endpoint[];
  readonly load: () => LoadSnapshot;
}

const averaged: readonly (readonly [LoadSignal, suffix: string, what: string])[] = [
  ["kvCacheUsedRatio", "kv_cache_utilization", "share of the KV cache in use"],
  ["waitingRequests", "queue_size", "requests waiting in engines"],
  ["runningRequests", "running_requests", "requests running in engines"],
];

/** Gauges of the pool under the peer's names, computed for each scrape of our metrics. */
export function registerPoolMetrics(registry: Registry, pool: PoolView): void {
  for (const [signal, suffix, what] of averaged) {
    registerGauge(registry, {
      name: `average_${suffix}`,
      help: `Average over the endpoints that report it: ${what}. No series if none does.`,
      collect: (gauge) => setKnown(gauge, pool.name, meanOf(toldValuesOf(pool, signal))),
    });
    registerGauge(registry, {
      name: `std_dev_${suffix}`,
      help: `Standard deviation over the endpoints that report it: ${what}. No series if none does.`,
      collect: (gauge) => setKnown(gauge, pool.name, deviationOf(toldValuesOf(pool, signal))),
    });
  }
  registerTelling(registry, pool);
  registerGauge(registry, {
    name: "ready_endpoints",
    help: "Endpoints that take requests.",
    collect: (gauge) => gauge.set({ name: pool.name }, pool.endpoints().length),
  });
  registerDraining(registry, pool);
  registerPerEndpoint(registry, pool);
}

/** The averages say nothing of the endpoints that do not report: these gauges count those that do. */
function registerTelling(registry: Registry, pool: PoolView): void {
  registry.registerMetric(
    new Gauge({
      name: "pointsman_signal_reporting_endpoints",
      help: "Endpoints that take requests and whose engine reports the signal; the pool's averages are over these.",
      labelNames: ["name", "signal"],
      registers: [],
      collect() {
        this.reset();
        for (const signal of loadSignals) {
          const labels = { name: pool.name, signal: loadSignalLabels[signal] };
          this.set(labels, toldValuesOf(pool, signal).length);
        }
      },
    }),
  );
}

function registerDraining(registry: Registry, pool: PoolView): void {
  registry.registerMetric(
    new Gauge({
      name: "pointsman_draining_endpoints",
      help: "Endpoints that take no new requests, by reason.",
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
    help: "Requests waiting in an engine. No series for an engine that does not report them.",
    labelNames: ["name", "model_server_endpoint"],
    collect(gauge) {
      const { waitingRequests } = pool.load().told;
      for (const { name, slot } of pool.endpoints()) {
        const waiting = waitingRequests[slot] ?? Number.NaN;
        const labels = { name: pool.name, model_server_endpoint: name };
        if (Number.isFinite(waiting)) gauge.set(labels, waiting);
      }
    },
  });
  registerGauge<"endpoint_name" | "namespace">(registry, {
    name: "inflight_requests",
    help: "Requests in flight at an endpoint, as this picker counts them.",
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
  /** Fills the gauge; it is empty when this is called. */
  readonly collect: (gauge: Gauge<L | "name">) => void;
}

/** A gauge that is computed at each scrape, so that series of removed objects disappear. */
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

function setKnown(gauge: Gauge<"name">, name: string, value: number | undefined): void {
  if (value !== undefined) gauge.set({ name }, value);
}

function toldValuesOf(pool: PoolView, signal: LoadSignal): readonly number[] {
  const told = pool.load().told[signal];
  return pool
    .endpoints()
    .map(({ slot }) => told[slot] ?? Number.NaN)
    .filter((value) => Number.isFinite(value));
}

/** Undefined without values: an unknown load is not a load of 0. */
function meanOf(values: readonly number[]): number | undefined {
  if (values.length === 0) return undefined;
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function deviationOf(values: readonly number[]): number | undefined {
  const mean = meanOf(values) ?? 0;
  const variance = meanOf(values.map((value) => (value - mean) ** 2));
  return variance === undefined ? undefined : Math.sqrt(variance);
}
