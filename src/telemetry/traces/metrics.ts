import { Counter, Gauge } from "prom-client";
import type { MetricsRegistry } from "../metrics-registry.ts";
import { type DropReason, dropReasons } from "./span-batches.ts";

/** Counts spans that were sent and dropped. */
export class TraceMetrics {
  readonly #exported: Counter;
  readonly #dropped: Counter<"reason">;
  readonly #registry: MetricsRegistry;

  constructor(registry: MetricsRegistry) {
    this.#registry = registry;
    this.#exported = new Counter({
      name: "pointsman_trace_spans_exported_total",
      help: "Spans that the collector has taken.",
      registers: [registry],
    });
    this.#dropped = new Counter({
      name: "pointsman_trace_spans_dropped_total",
      help: "Spans that did not reach the collector, by reason.",
      labelNames: ["reason"],
      registers: [registry],
    });
    for (const reason of dropReasons) this.#dropped.inc({ reason }, 0);
  }

  exported(spans: number): void {
    this.#exported.inc(spans);
  }

  dropped(reason: DropReason, spans: number): void {
    this.#dropped.inc({ reason }, spans);
  }

  /** Exposes the number of spans that wait. */
  watchQueue(queuedSpans: () => number): void {
    this.#registry.registerMetric(
      new Gauge({
        name: "pointsman_trace_spans_queued",
        help: "Spans that wait to be sent to the collector.",
        registers: [],
        collect() {
          this.set(queuedSpans());
        },
      }),
    );
  }
}
