import { Counter, Gauge, Histogram } from "prom-client";
import { defaultFairnessId } from "../core/fairness-id.ts";
import { type FlowOutcome, flowOutcomes, type QueuedRequest } from "../core/flow-control.ts";
import type { InferenceRequest } from "../core/request.ts";
import type { FlowControl } from "../data-plane/admission/flow/flow-control.ts";
import type { FlowEnd, FlowObserver } from "../data-plane/admission/flow/flow-parts.ts";
import { registerQueueGauges } from "../data-plane/admission/flow/gauges/metrics.ts";
import { labelsText } from "../telemetry/exposition.ts";
import type { CountedSet } from "../telemetry/label-set.ts";
import type { MetricsRegistry, PiecewiseFamily } from "../telemetry/metrics-registry.ts";
import {
  piecesOf,
  type RowFamily,
  RowHistogram,
  RowLayout,
  RowNumber,
  SplitHistogram,
  SplitNumber,
} from "../telemetry/row-families.ts";

const waitBuckets = [
  0.0001, 0.0005, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
];
const evictionBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const cycleBuckets = [0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1];

/** Flows with series of their own at a time; those beyond are counted under `other`. */
const seriesMax = 1_000;
const otherValue = "other";
/** Time after which the series of an idle flow are dropped. */
const idleMs = 300_000;

const flowLabels = [
  "fairness_id",
  "priority",
  "inference_pool",
  "model_name",
  "target_model_name",
] as const;

type FlowLabels = Record<(typeof flowLabels)[number], string>;

/** Values of the labels that requests choose. */
type FlowNames = Pick<InferenceRequest, "model" | "targetModel"> & { readonly fairnessId: string };

/** Requests of one priority. */
interface BandSeries extends CountedSet {
  readonly isGone: false;
}

/** Requests of one fairness id, priority and model. */
interface Series extends CountedSet {
  readonly labels: FlowLabels;
  readonly isGone: false;
  readonly ofBand: BandSeries;
  size: number;
  bytes: number;
  usedMs: number;
}

interface MetricsDeps {
  readonly registry: MetricsRegistry;
  /** The pool's name in metrics. */
  readonly poolName: string;
  /** Distinct fairness ids that metrics distinguish; 0 for none. */
  readonly fairnessIdsMax: number;
  /** The queue in force; undefined while flow control is off. */
  readonly flow: () => FlowControl | undefined;
  readonly nowMs: () => number;
  /** Runs if a policy threw, which is a bug. */
  readonly onFailed: (cause: unknown) => void;
}

/** Metrics of the queue, under the names and labels of llm-d-router. */
export class FlowMetrics implements FlowObserver {
  readonly #deps: MetricsDeps;
  readonly #series = new Map<string, Series>();
  /** Of each request that waits: the one that its entry was counted in. */
  readonly #entered = new WeakMap<QueuedRequest, Series>();
  readonly #bands = new Map<number, BandSeries>();
  readonly #layout = new RowLayout();
  readonly #waits = waitsIn(this.#layout);
  readonly #entries = entriesIn(this.#layout);
  readonly #bandLayout = new RowLayout();
  readonly #outcomes = outcomesIn(this.#bandLayout);
  readonly #cycles: Histogram;
  readonly #evictions: Counter<"priority" | "inference_pool">;
  readonly #evicted: Counter<"outcome" | "inference_pool">;
  readonly #evictionTimes: Histogram<"inference_pool">;

  constructor(deps: MetricsDeps) {
    this.#deps = deps;
    const { registry } = deps;
    const registers = [registry];
    register(registry, this.#waits, this.#series);
    register(registry, this.#entries, this.#series);
    register(registry, this.#outcomes, this.#bands);
    this.#cycles = new Histogram({
      name: "llm_d_epp_flow_control_dispatch_cycle_duration_seconds",
      help: "Time of a check of the queue, scheduling of the requests sent included.",
      buckets: cycleBuckets,
      registers,
    });
    this.#evictions = new Counter({
      name: "llm_d_epp_flow_control_revocations_issued_total",
      help: "Running requests evicted, by the priority of those that waited.",
      labelNames: ["priority", "inference_pool"],
      registers,
    });
    this.#evicted = new Counter({
      name: "llm_d_epp_flow_control_revocations_total",
      help: "Evictions that are over, by outcome.",
      labelNames: ["outcome", "inference_pool"],
      registers,
    });
    this.#evictionTimes = new Histogram({
      name: "llm_d_epp_flow_control_revocation_confirmation_seconds",
      help: "Time from an eviction to the end of its request.",
      labelNames: ["inference_pool"],
      buckets: evictionBuckets,
      registers,
    });
    this.#registerSizes();
    registerQueueGauges(deps);
  }

  passed(request: InferenceRequest, fairnessId: string, priority: number): void {
    this.#count(this.#seriesOf(request, fairnessId, priority), "Dispatched", 0);
  }

  entered(waiting: QueuedRequest, priority: number, tookMs: number): void {
    const { request, fairnessId } = waiting;
    const series = this.#seriesOf(request, fairnessId, priority);
    this.#entered.set(waiting, series);
    series.size += 1;
    series.bytes += request.bodyBytes;
    this.#entries.observe(series, tookMs / 1_000);
  }

  left(waiting: QueuedRequest, priority: number, { outcome, waitedMs }: FlowEnd): void {
    const { request, fairnessId } = waiting;
    // Its labels may have room now that they had not when it came.
    const entered = this.#entered.get(waiting);
    if (entered !== undefined) {
      this.#entered.delete(waiting);
      entered.size -= 1;
      entered.bytes -= request.bodyBytes;
      entered.usedMs = this.#deps.nowMs();
    }
    const series = entered ?? this.#seriesOf(request, fairnessId, priority);
    this.#count(series, outcome, waitedMs);
  }

  evictionIssued(priority: number): void {
    this.#evictions.inc({ priority: String(priority), inference_pool: this.#deps.poolName });
  }

  evictionEnded(outcome: "confirmed" | "timed_out", tookMs: number): void {
    const inference_pool = this.#deps.poolName;
    this.#evicted.inc({ outcome, inference_pool });
    if (outcome === "confirmed") this.#evictionTimes.observe({ inference_pool }, tookMs / 1_000);
  }

  failed(cause: unknown): void {
    this.#deps.onFailed(cause);
  }

  checked(tookMs: number): void {
    this.#cycles.observe(tookMs / 1_000);
  }

  #count(series: Series, outcome: FlowOutcome, waitedMs: number): void {
    this.#waits.observe(series, outcome, waitedMs / 1_000);
    this.#outcomes.add(series.ofBand, outcome, 1);
  }

  #seriesOf(request: InferenceRequest, fairnessId: string, priority: number): Series {
    const { model, targetModel } = request;
    const key = `${fairnessId}\0${priority}\0${model}\0${targetModel}`;
    const known = this.#series.get(key);
    if (known !== undefined) {
      known.usedMs = this.#deps.nowMs();
      return known;
    }
    const hasRoom = this.#series.size < Math.min(seriesMax, this.#deps.fairnessIdsMax);
    if (hasRoom) return this.#made(key, priority, { fairnessId, model, targetModel });
    const other = `${otherValue}\0${priority}\0\0`;
    const names = { fairnessId: otherValue, model: otherValue, targetModel: otherValue };
    return this.#series.get(other) ?? this.#made(other, priority, names);
  }

  #made(key: string, priority: number, names: FlowNames): Series {
    const labels = this.#labelsOf(priority, names);
    const series: Series = {
      labels,
      text: labelsText(labels),
      values: new Float64Array(this.#layout.width),
      isGone: false,
      ofBand: this.#bandSeriesOf(priority),
      size: 0,
      bytes: 0,
      usedMs: this.#deps.nowMs(),
    };
    this.#series.set(key, series);
    return series;
  }

  #bandSeriesOf(priority: number): BandSeries {
    let series = this.#bands.get(priority);
    if (series === undefined) {
      const labels = { priority: String(priority), inference_pool: this.#deps.poolName };
      const values = new Float64Array(this.#bandLayout.width);
      series = { labels, text: labelsText(labels), values, isGone: false };
      this.#bands.set(priority, series);
    }
    return series;
  }

  #labelsOf(priority: number, { fairnessId, model, targetModel }: FlowNames): FlowLabels {
    return {
      fairness_id: fairnessId,
      priority: String(priority),
      inference_pool: this.#deps.poolName,
      model_name: model,
      target_model_name: targetModel,
    };
  }

  /** Drops the series of flows that have been idle for long. */
  #forgetIdle(): void {
    const nowMs = this.#deps.nowMs();
    for (const [key, { size, usedMs }] of this.#series) {
      if (size === 0 && nowMs - usedMs >= idleMs) this.#series.delete(key);
    }
  }

  #registerSizes(): void {
    const gaugeOf = (name: string, help: string, valueOf: (series: Series) => number) => {
      const collect = (gauge: Gauge<keyof FlowLabels>) => {
        gauge.reset();
        const flow = this.#deps.flow();
        if (flow === undefined) return;
        this.#forgetIdle();
        // Autoscalers take a missing series for an error: there is one before the first request.
        const names = { fairnessId: defaultFairnessId, model: "", targetModel: "" };
        for (const { priority } of flow.bands) gauge.set(this.#labelsOf(priority, names), 0);
        for (const series of this.#series.values()) gauge.set(series.labels, valueOf(series));
      };
      this.#deps.registry.registerMetric(
        new Gauge({
          name,
          help,
          labelNames: flowLabels,
          registers: [],
          collect() {
            collect(this);
          },
        }),
      );
    };
    gaugeOf(
      "llm_d_epp_flow_control_queue_size",
      "Requests that wait for their turn.",
      ({ size }) => size,
    );
    gaugeOf(
      "llm_d_epp_flow_control_queue_bytes",
      "Bytes of the bodies of requests that wait for their turn.",
      ({ bytes }) => bytes,
    );
  }
}

function waitsIn(layout: RowLayout): SplitHistogram<FlowOutcome> {
  const spec = {
    name: "llm_d_epp_flow_control_request_queue_duration_seconds",
    help: "Time of requests in the queue, by outcome; 0 for those that did not wait.",
    buckets: waitBuckets,
  };
  const part = (outcome: FlowOutcome) => new RowHistogram(spec, layout, { outcome });
  return new SplitHistogram(spec, byOutcome(part));
}

function entriesIn(layout: RowLayout): RowHistogram {
  const spec = {
    name: "llm_d_epp_flow_control_request_enqueue_duration_seconds",
    help: "Time that it took to put a request in the queue.",
    buckets: waitBuckets,
  };
  return new RowHistogram(spec, layout, { outcome: "NotYetFinalized" });
}

function outcomesIn(layout: RowLayout): SplitNumber<FlowOutcome> {
  const spec = {
    name: "llm_d_epp_flow_control_requests_total",
    help: "Requests that came to the queue, by outcome.",
    type: "counter",
  } as const;
  return new SplitNumber(
    spec,
    byOutcome((outcome) => new RowNumber(spec, layout, { outcome })),
  );
}

function byOutcome<Part>(part: (outcome: FlowOutcome) => Part): Record<FlowOutcome, Part> {
  const parts = flowOutcomes.map((outcome) => [outcome, part(outcome)] as const);
  // It has an entry for each outcome.
  return Object.fromEntries(parts) as Record<FlowOutcome, Part>;
}

function register<Counted extends CountedSet>(
  registry: MetricsRegistry,
  family: RowFamily<Counted>,
  sets: ReadonlyMap<unknown, Counted>,
): void {
  const { name, help, type } = family;
  const pieces: PiecewiseFamily["pieces"] = (older) => piecesOf(family, sets.values(), { older });
  registry.register({ name, help, type, pieces });
}
