import { defaultFairnessId, fairnessIdOf } from "../core/fairness-id.ts";
import { Counter, Gauge, Histogram } from "prom-client";
import type { Decision } from "../core/decision.ts";
import type { Endpoint } from "../core/endpoint.ts";
import { objectiveOf } from "../core/latency-objective.ts";
import type { RequestRecord } from "../core/request-record.ts";
import type { InferenceRequest } from "../core/request.ts";
import { SchedulerAttempts } from "./attempts.ts";
import { schedulerBuckets } from "./buckets.ts";
import { Exemplars } from "./exemplars.ts";
import type { LabelSet, ModelLabels } from "./label-set.ts";
import { type Bound, type KnownModels, type LabelHold, LabelSets } from "./label-sets.ts";
import type { MetricsRegistry } from "./metrics-registry.ts";
import { type PredictorLabels, requestFamiliesIn } from "./request-families.ts";
import { piecesOf, RowLayout } from "./row-families.ts";

/** The only plugin type that predicts latencies. */
const predictorType = "predicted-latency-producer";

interface MetricsLog {
  warn(fields: object, message: string): void;
}

export interface RequestMetricsOptions {
  readonly known?: KnownModels;
  /** Monotonic milliseconds. */
  readonly nowMs?: () => number;
  /** Milliseconds since the Unix epoch, for exemplars. */
  readonly wallMs?: () => number;
  readonly log?: MetricsLog;
  /** True if an endpoint is in the pool; those that have left get no series. */
  readonly isInPool?: (endpoint: Endpoint) => boolean;
  /** Distinct fairness ids of clients; 0 folds all into `other`. */
  readonly fairnessIdsMax?: number | undefined;
}

/** The request families, under the peer's names, labels and buckets. */
export class RequestMetrics {
  readonly #families: ReturnType<typeof requestFamiliesIn>;
  readonly #predictor: PredictorLabels = {
    plugin_name: predictorType,
    plugin_type: predictorType,
  };
  readonly #sets: LabelSets;
  readonly #exemplars = new Exemplars();
  readonly #exemplarOf = (set: LabelSet, place: number) => this.#exemplars.textOf(set, place);
  readonly #wallMs: () => number;
  readonly #attempts = new SchedulerAttempts();
  readonly #schedulerSeconds: Histogram;
  readonly #known: KnownModels;
  readonly #isInPool: (endpoint: Endpoint) => boolean;
  /** Handle of a routed request until it ends: it counts under the same labels for all its life. */
  readonly #holds = new WeakMap<Decision, LabelHold>();

  constructor(registry: MetricsRegistry, options: RequestMetricsOptions = {}) {
    const { known = knownOfNone, fairnessIdsMax, isInPool = () => true } = options;
    const { nowMs = () => 0, wallMs = () => 0 } = options;
    this.#wallMs = wallMs;
    const layout = new RowLayout();
    this.#known = known;
    this.#isInPool = isInPool;
    this.#families = requestFamiliesIn(layout, this.#predictor);
    this.#sets = new LabelSets({
      width: layout.width,
      known,
      nowMs,
      fairnessIdsMax,
      onFolded: foldedIn(registry, options.log),
      onDropped: (targets) => this.#attempts.keep(targets),
    });
    for (const family of Object.values(this.#families)) {
      const { name, help, type } = family;
      registry.register({
        name,
        help,
        type,
        pieces: (older, hasExemplars) => {
          const keepsExemplars = hasExemplars && family === this.#families.ttftSeconds;
          const endOf = keepsExemplars ? this.#exemplarOf : undefined;
          return piecesOf(family, this.#sets.list(), { older, endOf });
        },
      });
    }
    registry.register(this.#attempts);
    this.#schedulerSeconds = new Histogram({
      name: "llm_d_epp_scheduler_e2e_duration_seconds",
      help: "Time to choose an endpoint.",
      buckets: schedulerBuckets,
      registers: [registry],
    });
    registerSize(registry, this.#sets);
  }

  /** The request has an endpoint and runs. */
  routed(request: InferenceRequest, decision: Decision): void {
    const hold = this.#sets.begin(labelsOf(request));
    this.#holds.set(decision, hold);
    const { set } = hold;
    this.#families.total.add(set, 1);
    this.#families.running.add(set, 1);
    this.#families.requestBytes.observe(set, request.bodyBytes);
    if (set.isProven) this.#attempted(decision, set);
  }

  /** The request has another endpoint, by another decision. */
  retried(failed: Decision, decision: Decision): void {
    const hold = this.#holds.get(failed);
    if (hold === undefined) return;
    this.#holds.delete(failed);
    this.#holds.set(decision, hold);
    if (hold.set.isProven) this.#attempted(decision, hold.set);
  }

  /** Drops the series of a removed endpoint: pools change for as long as a picker runs. */
  forget(endpoint: Endpoint): void {
    this.#attempts.forget(endpoint);
  }

  ended(record: RequestRecord): void {
    const { schedulingMs } = record;
    if (schedulingMs !== undefined) this.#schedulerSeconds.observe(schedulingMs / 1_000);
    const error = errorOf(record);
    const set = this.#settled(record, error);
    if (error !== undefined) this.#families.errors.add(set, error);
    if (record.decision !== undefined) {
      this.#predicted(record.decision, set);
      this.#ranAndEnded(record, set);
    } else if (schedulingMs !== undefined) this.#attempts.failed(set.labels.target_model_name);
  }

  /** The set that an ended request counts in: an invented name loses its own. */
  #settled(record: RequestRecord, error: string | undefined): LabelSet {
    const { decision, httpStatus } = record;
    const hold = decision && this.#holds.get(decision);
    if (decision === undefined || hold === undefined) {
      return this.#sets.ofUnsent(labelsOf(record.request));
    }
    this.#holds.delete(decision);
    this.#families.running.add(hold.set, -1);
    const wasProven = hold.set.isProven;
    // A client that leaves proves nothing against the answer that it got.
    const isGood = error === undefined || error === "aborted";
    const set = this.#sets.end(hold, isGood && httpStatus !== undefined);
    if (!wasProven) this.#attempted(decision, set);
    return set;
  }

  #attempted({ targets: [{ endpoint }] }: Decision, { labels }: LabelSet): void {
    if (!this.#isInPool(endpoint)) return;
    const target = labels.target_model_name;
    this.#attempts.succeeded(endpoint, target, () => this.#known.has(target));
  }

  #predicted({ latency, predictedInMs }: Decision, set: LabelSet): void {
    if (latency !== undefined) this.#predictor.plugin_name = latency.producer;
    if (predictedInMs === undefined) return;
    this.#families.ttftPredictionSeconds.observe(set, predictedInMs / 1_000);
    this.#families.tpotPredictionSeconds.observe(set, predictedInMs / 1_000);
  }

  #ranAndEnded(record: RequestRecord, set: LabelSet): void {
    const families = this.#families;
    const objective = record.request && objectiveOf(record.request.head);
    if (waitedMsOf(record) > (objective?.ttftMs ?? Number.POSITIVE_INFINITY)) {
      families.sloViolations.add(set, "ttft", 1);
    }
    if (record.httpStatus === undefined) return;
    families.durationSeconds.observe(set, (record.endedMs - record.startedMs) / 1_000);
    families.responseBytes.observe(set, record.responseBytes);
    const isStreaming = record.request?.isStreaming === true;
    if (record.firstTokenMs !== undefined && record.failure === undefined) {
      this.#ttft(record, set, (record.firstTokenMs - record.startedMs) / 1_000);
      const predictedMs = record.decision?.latency?.ttftMs;
      if (predictedMs !== undefined)
        families.predictedTtftSeconds.observe(set, predictedMs / 1_000);
    }
    if (record.usage !== undefined) this.#used(record, set, isStreaming);
  }

  /** Counts a time to first token, and keeps its trace as an exemplar. */
  #ttft({ request, traceId }: RequestRecord, set: LabelSet, value: number): void {
    const streaming = request?.isStreaming === true ? "true" : "false";
    const place = this.#families.ttftSeconds.observe(set, streaming, value);
    if (traceId === undefined || place === undefined) return;
    this.#exemplars.note(set, place, { traceId, value, atSeconds: this.#wallMs() / 1_000 });
  }

  #used(record: RequestRecord, set: LabelSet, isStreaming: boolean): void {
    const { usage, startedMs, endedMs, firstTokenMs, lastChunkMs } = record;
    if (usage === undefined) return;
    const families = this.#families;
    families.inputTokens.observe(set, usage.promptTokens);
    families.outputTokens.observe(set, usage.outputTokens);
    if (usage.cachedTokens !== undefined) families.cachedTokens.observe(set, usage.cachedTokens);
    if (usage.outputTokens > 0) {
      families.ntpotSeconds.observe(set, (endedMs - startedMs) / 1_000 / usage.outputTokens);
    }
    // Tokens that arrived in one piece tell nothing about the time between them.
    if (!isStreaming || usage.outputTokens < 2 || record.responseChunks < 2) return;
    if (firstTokenMs === undefined || lastChunkMs === undefined) return;
    const tpotMs = (lastChunkMs - firstTokenMs) / (usage.outputTokens - 1);
    families.tpotSeconds.observe(set, tpotMs / 1_000);
    const { decision, request } = record;
    const predictedMs = decision?.latency?.tpotMs;
    if (predictedMs !== undefined) families.predictedTpotSeconds.observe(set, predictedMs / 1_000);
    const objective = request && objectiveOf(request.head);
    if (tpotMs > (objective?.tpotMs ?? Number.POSITIVE_INFINITY))
      families.sloViolations.add(set, "tpot", 1);
  }
}

/**
 * Time until the first token. A client that left without one waited at least until then; NaN if the first token was
 * not visible, or the request failed.
 */
function waitedMsOf({ firstTokenMs, startedMs, endedMs, end, failure }: RequestRecord): number {
  if (failure !== undefined) return Number.NaN;
  return (firstTokenMs ?? (end === "aborted" ? endedMs : Number.NaN)) - startedMs;
}

const knownOfNone: KnownModels = { has: () => false, rewrites: () => false };

/** The labels that a request has by itself. */
function labelsOf(request: InferenceRequest | undefined): ModelLabels {
  return {
    model_name: request?.model ?? "",
    target_model_name: request?.targetModel ?? "",
    fairness_id: request === undefined ? defaultFairnessId : fairnessIdOf(request),
    // The configuration says which priorities there are, so they are few.
    priority: String(request?.priority ?? 0),
  };
}

/** Counts the requests whose labels are folded, and logs the first one of each bound. */
function foldedIn(registry: MetricsRegistry, log: MetricsLog | undefined) {
  const folded = new Counter({
    name: "pointsman_metric_labels_folded_total",
    help: "Requests counted under the label value other because a bound is reached, by bound.",
    labelNames: ["bound"],
    registers: [registry],
  });
  const logged = new Set<Bound>();
  return (bound: Bound, max: number) => {
    folded.inc({ bound });
    if (logged.has(bound)) return;
    logged.add(bound);
    log?.warn({ bound, max }, "metric labels folded into other");
  };
}

function registerSize(registry: MetricsRegistry, sets: LabelSets): void {
  registry.registerMetric(
    new Gauge({
      name: "pointsman_metric_label_sets",
      help: "Combinations of model, target model, fairness id and priority that have series of their own.",
      registers: [],
      collect() {
        this.set(sets.size);
      },
    }),
  );
}

/** The value of `error_code`, or undefined for a request that went well. */
function errorOf({ refusal, failure, end }: RequestRecord): string | undefined {
  if (refusal !== undefined) return refusal.code;
  if (failure !== undefined) return failure.code;
  return end === "aborted" ? "aborted" : undefined;
}
