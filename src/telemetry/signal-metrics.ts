import { Counter, Gauge, type Registry } from "prom-client";
import type { Endpoint } from "../core/endpoint.ts";
import type { LoadSnapshot } from "../core/load.ts";

/** State of the scrapes of one endpoint. */
interface ScrapeCounts {
  /** Milliseconds of the last scrape; 0 before the first. */
  readonly durationMs: number;
  readonly bytes: number;
  /** By what went wrong. */
  readonly failures: Readonly<Record<string, number>>;
}

interface MissingSignals {
  readonly signal: string;
  readonly engine: string;
  readonly reason: string;
  readonly endpoints: number;
}

/** Endpoints and their signals at the moment of asking. */
export interface SignalView {
  readonly endpoints: () => readonly Endpoint[];
  readonly nowMs: () => number;
  readonly load: () => LoadSnapshot;
  /** Requests that are believed to be there beyond those reported; negative for fewer. */
  readonly correctionOf: (endpoint: Endpoint) => number;
  readonly scrapesOf: (endpoint: Endpoint) => ScrapeCounts;
  readonly engineOf: (endpoint: Endpoint) => string | undefined;
  /** The signals that are needed and missing, with the endpoints that do not report them. */
  readonly missing: () => readonly MissingSignals[];
}

const labelNames = ["endpoint_name", "namespace"] as const;
type Label = (typeof labelNames)[number];

const labelsOf = ({ name, namespace }: Endpoint) => ({ endpoint_name: name, namespace });

interface PerEndpoint<L extends string> {
  readonly name: string;
  readonly help: string;
  readonly more?: readonly L[];
  readonly collect: (metric: { set: SetSeries<L> }) => void;
}

type SetSeries<L extends string> = (
  endpoint: Endpoint,
  value: number,
  more?: Readonly<Record<L, string>>,
) => void;

/** Metrics of each endpoint's signals: age, cost of scrapes and corrections. */
export function registerSignalMetrics(registry: Registry, view: SignalView): void {
  registerAges(registry, view);
  registerScrapes(registry, view);
  registerPool(registry, view);
}

function registerAges(registry: Registry, view: SignalView): void {
  gauge(registry, {
    name: "pointsman_endpoint_signals_age_seconds",
    help: "Age of an endpoint's last report, from the time its scrape was sent.",
    collect({ set }) {
      const { signalsAtMs } = view.load();
      const nowMs = view.nowMs();
      for (const endpoint of view.endpoints()) {
        const atMs = signalsAtMs[endpoint.slot] ?? Number.NaN;
        if (Number.isFinite(atMs)) set(endpoint, Math.max(0, nowMs - atMs) / 1_000);
      }
    },
  });
  gauge(registry, {
    name: "pointsman_endpoint_signals_trust_ratio",
    help: "Weight of an endpoint's last report relative to the picker's own counts, 0 to 1.",
    collect({ set }) {
      const { signalsTrust } = view.load();
      for (const endpoint of view.endpoints()) set(endpoint, signalsTrust[endpoint.slot] ?? 0);
    },
  });
  gauge(registry, {
    name: "pointsman_endpoint_signals_correction_requests",
    help: "Estimated requests at an endpoint minus those it reported.",
    collect({ set }) {
      view.load();
      for (const endpoint of view.endpoints()) set(endpoint, view.correctionOf(endpoint));
    },
  });
}

function registerScrapes(registry: Registry, view: SignalView): void {
  gauge(registry, {
    name: "pointsman_endpoint_scrape_duration_seconds",
    help: "Duration of an endpoint's last scrape.",
    collect({ set }) {
      for (const endpoint of view.endpoints()) {
        set(endpoint, view.scrapesOf(endpoint).durationMs / 1_000);
      }
    },
  });
  counter(registry, {
    name: "pointsman_endpoint_scrape_bytes_total",
    help: "Bytes of an endpoint's metrics that were read.",
    collect({ set }) {
      for (const endpoint of view.endpoints()) set(endpoint, view.scrapesOf(endpoint).bytes);
    },
  });
  counter<"kind">(registry, {
    name: "pointsman_endpoint_scrape_failures_total",
    help: "Failed scrapes of an endpoint, by reason.",
    more: ["kind"],
    collect({ set }) {
      for (const endpoint of view.endpoints()) {
        for (const [kind, count] of Object.entries(view.scrapesOf(endpoint).failures)) {
          if (count > 0) set(endpoint, count, { kind });
        }
      }
    },
  });
  gauge<"engine">(registry, {
    name: "pointsman_endpoint_engine_info",
    help: "Always 1; the label names the endpoint's engine.",
    more: ["engine"],
    collect({ set }) {
      for (const endpoint of view.endpoints()) {
        const engine = view.engineOf(endpoint);
        if (engine !== undefined) set(endpoint, 1, { engine });
      }
    },
  });
}

function registerPool(registry: Registry, view: SignalView): void {
  registry.registerMetric(
    new Gauge({
      name: "pointsman_signals_trusted_endpoints",
      help: "Endpoints whose reports are used; 0 while only the picker's own counts are.",
      registers: [],
      collect() {
        const { signalsTrust } = view.load();
        this.set(view.endpoints().filter(({ slot }) => (signalsTrust[slot] ?? 0) > 0).length);
      },
    }),
  );
  registry.registerMetric(
    new Gauge({
      name: "pointsman_signal_missing_endpoints",
      help: "Endpoints whose engine does not report a signal that the configuration needs, while it reports others.",
      labelNames: ["signal", "engine", "reason"],
      registers: [],
      collect() {
        this.reset();
        for (const { signal, engine, reason, endpoints } of view.missing()) {
          this.inc({ signal, engine, reason }, endpoints);
        }
      },
    }),
  );
}

function gauge<L extends string = never>(registry: Registry, spec: PerEndpoint<L>): void {
  registry.registerMetric(new Gauge<Label | L>(computed(spec)));
}

function counter<L extends string = never>(registry: Registry, spec: PerEndpoint<L>): void {
  registry.registerMetric(new Counter<Label | L>(computed(spec)));
}

/** Common part of gauges and counters that are computed at each scrape. */
interface Computed<L extends string> {
  reset(): void;
  inc(labels: Partial<Record<L, string | number>>, value: number): void;
}

/** A metric that is computed at each scrape, so that series of removed endpoints disappear. */
function computed<L extends string>({ name, help, more = [], collect }: PerEndpoint<L>) {
  return {
    name,
    help,
    labelNames: [...labelNames, ...more],
    registers: [],
    collect(this: Computed<Label | L>) {
      this.reset();
      collect({
        // The labels are those declared above, which the type of a computed union cannot show.
        set: (endpoint, value, labels) =>
          this.inc({ ...labelsOf(endpoint), ...labels } as Record<Label | L, string>, value),
      });
    },
  };
}
