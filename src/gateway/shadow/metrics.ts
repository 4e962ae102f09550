import { Counter, Gauge } from "prom-client";
import type { MetricsRegistry } from "../../telemetry/metrics-registry.ts";
import { piecesOf, RowLayout } from "../../telemetry/row-families.ts";
import { shadowFamiliesIn } from "./families.ts";
import type { ShadowTally } from "./shadow-tally.ts";

interface MeasuredShadow {
  /** Of the shadow document in use, if there is one. */
  readonly tally: () => ShadowTally | undefined;
  readonly sampled: (work: "learned" | "compared") => number;
  readonly isRefused: () => boolean;
  readonly cpuMs: () => number;
  readonly failures: () => number;
}

/** Registers the metrics of the shadow document. Those of decisions begin again with each document. */
export function registerShadowMetrics(registry: MetricsRegistry, shadow: MeasuredShadow): void {
  for (const [index, { name, help, type }] of Object.values(
    shadowFamiliesIn(new RowLayout()),
  ).entries()) {
    registry.register({
      name,
      help,
      type,
      pieces: (older) => {
        const tally = shadow.tally();
        const family = tally?.families[index];
        return family === undefined ? [] : piecesOf(family, tally?.list() ?? [], { older });
      },
    });
  }
  registry.registerMetric(
    new Counter({
      name: "pointsman_shadow_differences_total",
      help: "Compared decisions that differ, by the shadow document's reason: one of its plugins, tie, picker, candidates, helpers or refused.",
      labelNames: ["reason"],
      registers: [],
      collect() {
        this.reset();
        for (const [reason, count] of shadow.tally()?.reasons ?? []) {
          this.inc({ reason }, count);
        }
      },
    }),
  );
  registerNumbers(registry, shadow);
}

function registerNumbers(registry: MetricsRegistry, shadow: MeasuredShadow): void {
  const add = (metric: Gauge | Counter) => registry.registerMetric(metric);
  add(
    new Gauge({
      name: "pointsman_shadow_document_in_use",
      help: "1 while a shadow document is compared with the one in force.",
      registers: [],
      collect() {
        this.set(shadow.tally() === undefined ? 0 : 1);
      },
    }),
  );
  add(
    new Gauge({
      name: "pointsman_shadow_last_reload_success",
      help: "0 if the last shadow document read was refused, else 1.",
      registers: [],
      collect() {
        this.set(shadow.isRefused() ? 0 : 1);
      },
    }),
  );
  registry.registerMetric(
    new Gauge({
      name: "pointsman_shadow_sampled_ratio",
      help: "Share of the requests that the shadow document learns from, and that are compared, within its CPU budget.",
      labelNames: ["work"],
      registers: [],
      collect() {
        this.set({ work: "learn" }, shadow.sampled("learned"));
        this.set({ work: "compare" }, shadow.sampled("compared"));
      },
    }),
  );
  add(
    new Counter({
      name: "pointsman_shadow_cpu_seconds_total",
      help: "Time of the event loop that the shadow document took.",
      registers: [],
      collect() {
        this.reset();
        this.inc(shadow.cpuMs() / 1_000);
      },
    }),
  );
  add(
    new Counter({
      name: "pointsman_shadow_failures_total",
      help: "Exceptions of the shadow document. The requests went on undisturbed.",
      registers: [],
      collect() {
        this.reset();
        this.inc(shadow.failures());
      },
    }),
  );
}
