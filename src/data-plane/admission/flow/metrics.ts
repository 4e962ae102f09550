import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import { type FlowOutcome, flowOutcomes, type QueuedRequest } from "../../../core/flow-control.ts";
import { defaultFairnessId } from "../../../core/fairness-id.ts";
import type { InferenceRequest } from "../../../core/request.ts";
import { registerQueueGauges } from "./gauges/metrics.ts";
import type { FlowControl } from "./flow-control.ts";
import type { FlowEnd, FlowObserver } from "./flow-parts.ts";

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

/** Requests of one fairness id, priority and model. */
interface Series {
  readonly labels: FlowLabels;
  size: number;
  bytes: number;
  usedMs: number;
}

interface MetricsDeps {
  readonly registry: Registry;
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
  readonly #waits: Histogram<"outcome" | keyof FlowLabels>;
  readonly #entries: Histogram<"outcome" | keyof FlowLabels>;
  readonly #cycles: Histogram;
  readonly #outcomes: Counter<"outcome" | "priority" | "inference_pool">;

  readonly #evictions: Counter<"priority" | "inference_pool">;
  readonly #evicted: Counter<"outcome" | "inference_pool">;
  readonly #evictionTimes: Histogram<"inference_pool">;

  constructor(deps: MetricsDeps) {
    this.#deps = deps;
    const registers = [deps.registry];
    const labelNames = [...flowLabels, "outcome"] as const;
    this.#waits = new Histogram({
      name: "llm_d_epp_flow_control_request_queue_duration_seconds",
      help: "Time of requests in the queue, by outcome; 0 for those that did not wait.",
      labelNames,
      buckets: waitBuckets,
      registers,
    });
    this.#entries = new Histogram({
      name: "llm_d_epp_flow_control_request_enqueue_duration_seconds",
      help: "Time that it took to put a request in the queue.",
      labelNames,
      buckets: waitBuckets,
      registers,
    });
    this.#cycles = new Histogram({
      name: "llm_d_epp_flow_control_dispatch_cycle_duration_seconds",
      help: "Time of a check of the queue, scheduling of the requests sent included.",
      buckets: cycleBuckets,
      registers,
    });
    this.#outcomes = new Counter({
      name: "llm_d_epp_flow_control_requests_total",
      help: "Requests that came to the queue, by outcome.",
      labelNames: ["outcome", "priority", "inference_pool"],
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
    this.#registerSizes(registers);
    registerQueueGauges(deps);
  }

  passed(request: InferenceRequest, fairnessId: string, priority: number): void {
    const { labels } = this.#seriesOf(request, fairnessId, priority);
    this.#count(labels, "Dispatched", 0);
  }

  entered(waiting: QueuedRequest, priority: number, tookMs: number): void {
    const { request, fairnessId } = waiting;
    const series = this.#seriesOf(request, fairnessId, priority);
    this.#entered.set(waiting, series);
    series.size += 1;
    series.bytes += request.bodyBytes;
    this.#entries.observe({ ...series.labels, outcome: "NotYetFinalized" }, tookMs / 1_000);
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
    const { labels } = entered ?? this.#seriesOf(request, fairnessId, priority);
    this.#count(labels, outcome, waitedMs);
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

  #count(labels: FlowLabels, outcome: FlowOutcome, waitedMs: number): void {
    this.#waits.observe({ ...labels, outcome }, waitedMs / 1_000);
    const { priority, inference_pool } = labels;
    this.#outcomes.inc({ outcome, priority, inference_pool });
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
    if (hasRoom) {
      return this.#made(key, this.#labelsOf(fairnessId, priority, { model, targetModel }));
    }
    const other = `${otherValue}\0${priority}\0\0`;
    const labels = this.#labelsOf(otherValue, priority, {
      model: otherValue,
      targetModel: otherValue,
    });
    return this.#series.get(other) ?? this.#made(other, labels);
  }

  #made(key: string, labels: FlowLabels): Series {
    const series = { labels, size: 0, bytes: 0, usedMs: this.#deps.nowMs() };
    this.#series.set(key, series);
    return series;
  }

  #labelsOf(
    fairnessId: string,
    priority: number,
    { model, targetModel }: Pick<InferenceRequest, "model" | "targetModel">,
  ): FlowLabels {
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
    for (const [key, { labels, size, usedMs }] of this.#series) {
      if (size > 0 || nowMs - usedMs < idleMs) continue;
      this.#series.delete(key);
      for (const outcome of flowOutcomes) this.#waits.remove({ ...labels, outcome });
      this.#entries.remove({ ...labels, outcome: "NotYetFinalized" });
    }
  }

  #registerSizes(registers: Registry[]): void {
    const gaugeOf = (name: string, help: string, valueOf: (series: Series) => number) => {
      const collect = (gauge: Gauge<keyof FlowLabels>) => {
        gauge.reset();
        const flow = this.#deps.flow();
        if (flow === undefined) return;
        this.#forgetIdle();
        // Autoscalers take a missing series for an error: there is one before the first request.
        for (const { priority } of flow.bands) {
          gauge.set(this.#labelsOf(defaultFairnessId, priority, { model: "", targetModel: "" }), 0);
        }
        for (const series of this.#series.values()) gauge.set(series.labels, valueOf(series));
      };
      registers[0]?.registerMetric(
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
