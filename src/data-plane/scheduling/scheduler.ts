import type { Decision, Target } from "../../core/decision.ts";
import type { RolloutRecord } from "../../core/decision-record.ts";
import type { Endpoint } from "../../core/endpoint.ts";
import type { BodyFields } from "../../core/parse-result.ts";
import type { DataKind } from "../../core/plugin.ts";
import type { PoolSnapshot } from "../../core/pool-snapshot.ts";
import type { Recalls } from "../../core/recalls.ts";
import type { StageTrace } from "../../core/request-trace.ts";
import type { RequestFollower } from "../../core/request-follower.ts";
import type { InferenceRequest } from "../../core/request.ts";
import type {
  Admitter,
  DataProducer,
  Dispatch,
  ProfileHandler,
  RequestHooks,
  RequestWriter,
  SaturationDetector,
  SchedulingContext,
  SentRequest,
} from "../../core/data-plane-plugin.ts";
import type { DecisionFacts, DecisionLog } from "./decision-log.ts";
import { type HeldRequest, heldRequestOf } from "./held-request.ts";
import { pickedEndpoints, type ProfileRun, runProfile, type SchedulingProfile } from "./profile.ts";
import { servingModel, wasServed } from "./shared/serving-model.ts";
import { latencyOf, predictionIn, prefixHitOf, prefixIn } from "./picked-facts.ts";
import { endpointsInSubset } from "./shared/subset.ts";
import { modelNotFound, noCandidates, type Refused, saturated } from "./refused.ts";
import { wellAmong } from "./shared/well-among.ts";

/** A plugin instance under the name that the document gives it. */
export interface Named<Instance> {
  readonly name: string;
  readonly instance: Instance;
}

/** The scheduling plugins of one configuration, built and ready to run. */
export interface SchedulingGraph {
  readonly profiles: ReadonlyMap<string, SchedulingProfile>;
  readonly handler: ProfileHandler;
  /** Producers, each after those whose data it reads. */
  readonly producers: readonly (Named<DataProducer> & { readonly produces: DataKind })[];
  readonly admitters: readonly Named<Admitter>[];
  readonly writers: readonly Named<RequestWriter>[];
  readonly hooks: readonly Named<RequestHooks>[];
  /** Decides when requests of a priority below 0 are shed. */
  readonly detector: SaturationDetector;
}

/** Records what a scheduler decides, and lends it memory for scores. */
type DecisionRecorder = Pick<DecisionLog, "rows" | "isNextWhole" | "chance" | "record">;

export interface SchedulerOptions {
  /** True to ignore the gateway's subset hint. */
  readonly ignoresSubset: boolean;
  /** True to refuse requests for a model that no endpoint serves; default false. */
  readonly refusesUnknownModels?: boolean;
  /** True if requests wait for a model that no endpoint serves any more; default false. */
  readonly awaitsModels?: boolean;
  readonly log: DecisionRecorder;
  /** Marks its decisions; undefined for the document in force. */
  readonly madeBy?: Decision["madeBy"];
  /** Monotonic milliseconds, to measure the time that predictions take; undefined to measure none. */
  readonly nowMs?: (() => number) | undefined;
}

/** One request to schedule, and a snapshot of the pool. */
export interface SchedulingInput {
  readonly request: InferenceRequest;
  readonly snapshot: PoolSnapshot;
  /** True if only endpoints that may serve the model are candidates, even if there are none. */
  readonly needsModel?: boolean;
  /** True if the request will not be sent; default false. */
  readonly isTried?: boolean;
  /** True if the request waits, so that it may be scheduled again; default false. */
  readonly mayRepeat?: boolean | undefined;
  /** The answers that plugins got when this decision was made before. */
  readonly recalls?: Recalls | undefined;
  /** For the record; undefined unless a rollout is going on. */
  readonly rollout?: RolloutRecord | undefined;
  /** Takes down the stages of the decision; undefined if it is not traced. */
  readonly stages?: StageTrace | undefined;
}

export type Scheduled = ({ readonly kind: "routed" } & SentRequest) | Refused;

/**
 * Chooses endpoints for a request as a pure function of the request and the snapshot: no I/O, no clock, no live state.
 * Exceptions are plugins with a memory, pickers that draw random numbers, and the time that predictions take.
 */
export class Scheduler {
  readonly #graph: SchedulingGraph;
  readonly #options: SchedulerOptions;
  readonly #profileNames: readonly string[];

  constructor(graph: SchedulingGraph, options: SchedulerOptions) {
    this.#graph = graph;
    this.#options = options;
    this.#profileNames = [...graph.profiles.keys()];
  }

  schedule(input: SchedulingInput): Scheduled;
  /** `heldFrom`: share of the longest wait in an engine from which the request is held; undefined if it is never. */
  schedule(input: SchedulingInput, heldFrom: number | undefined): Scheduled | HeldRequest;
  schedule(input: SchedulingInput, heldFrom?: number): Scheduled | HeldRequest {
    const { request, snapshot, isTried, mayRepeat, rollout, stages } = input;
    const { endpoints, load, nowMs, standing } = snapshot;
    const { log } = this.#options;
    const found = this.#candidatesOf(input);
    const all = "kind" in found ? none : found;
    const { detector, producers } = this.#graph;
    const hold = heldFrom === undefined ? undefined : detector.hold;
    const candidates = hold?.open?.(all, request.priority, nowMs) ?? all;
    const data = new Map<string, unknown>();
    const chosen = new Map<string, readonly [Endpoint, ...Endpoint[]]>();
    const isWhole = log.isNextWhole(candidates.length);
    const recalls = input.recalls ?? (isWhole ? { values: undefined, isAgain: false } : undefined);
    const context: SchedulingContext = {
      request,
      endpoints,
      load,
      nowMs,
      data,
      mayRepeat,
      chosen,
      isTried,
      recalls,
    };
    const whole = isWhole ? { standing, producers, chance: log.chance } : undefined;
    const recorded = { candidates, whole, rollout };
    if ("kind" in found) return this.#refused(found, context, recorded);

    const well = wellAmong(candidates, standing, load);
    const predictedInMs = this.#produce(context, candidates, { data, stages });
    for (const { instance } of this.#graph.admitters) {
      const refusal = instance.admit(context, candidates);
      if (refusal === undefined) continue;
      return this.#refused({ kind: "refused", refusal }, context, recorded);
    }
    const runs = this.#runProfiles(context, { candidates, well, stages }, chosen);
    return this.#decided(runs, context, { ...recorded, predictedInMs, heldFrom });
  }

  /** Least expected time of the request's own work, in milliseconds; NaN if it is unknown. */
  ownMs(input: SchedulingInput): number {
    const { hold } = this.#graph.detector;
    if (hold === undefined) return Number.NaN;
    const looked = this.#lookAt(input, true);
    return looked === undefined ? Number.NaN : hold.ownMs(looked.context, looked.candidates);
  }

  /** The data of producers about a request, without a decision; undefined if it has no candidates. */
  lookAt(input: SchedulingInput): SchedulingContext | undefined {
    return this.#lookAt(input, false)?.context;
  }

  /** `mayRepeat`: the same request will be scheduled later. */
  #lookAt(input: SchedulingInput, mayRepeat: boolean): Looked | undefined {
    const candidates = this.#candidatesOf(input);
    if ("kind" in candidates) return undefined;
    const { endpoints, load, nowMs } = input.snapshot;
    const data = new Map<string, unknown>();
    const { request } = input;
    const context = { request, endpoints, load, nowMs, data, mayRepeat, chosen: new Map() };
    this.#produce(context, candidates, { data });
    return { context, candidates };
  }

  #candidatesOf({
    request,
    snapshot,
    needsModel = false,
  }: SchedulingInput): readonly Endpoint[] | Refused {
    const { endpoints } = snapshot;
    const subset = this.#options.ignoresSubset ? undefined : request.head.subset;
    const allowed = subset === undefined ? endpoints : endpointsInSubset(endpoints, subset);
    if (allowed.length === 0) return noCandidates(endpoints.length);
    const serving = servingModel(allowed, request.targetModel, snapshot.models);
    if (serving.length === 0 && this.#options.awaitsModels === true) {
      if (wasServed(snapshot, request.targetModel))
        return { ...modelNotFound(request.targetModel), isUnplaced: true };
    }
    if (serving.length === 0 && (needsModel || this.#options.refusesUnknownModels === true)) {
      return modelNotFound(request.targetModel);
    }
    return serving.length === 0 ? allowed : serving;
  }

  /** Fields that plugins add to the body of a request that leaves now; undefined for none. The last one wins. */
  fieldsOf(request: SentRequest, arrivedAtMs: number): BodyFields | undefined {
    let all: BodyFields | undefined;
    for (const { instance } of this.#graph.writers) {
      const fields = instance.fields(request, arrivedAtMs);
      if (fields !== undefined) all = all === undefined ? fields : new Map([...all, ...fields]);
    }
    return all;
  }

  /**
   * Calls plugins with hooks, in order, when the request leaves for its endpoint, and `follow` with the follower of
   * each at once: if a later plugin throws, the earlier ones still follow the request to its end.
   */
  sent(request: SentRequest, follow: (follower: RequestFollower) => void): void {
    for (const { instance } of this.#graph.hooks) {
      const follower = instance.sent(request);
      if (follower !== undefined) follow(follower);
    }
  }

  /** Returns the time that the prediction of latencies took; undefined if there is none, or it was not measured. */
  #produce(
    context: SchedulingContext,
    candidates: readonly Endpoint[],
    { data, stages }: { readonly data: Map<string, unknown>; readonly stages?: Stages },
  ): number | undefined {
    const { nowMs } = this.#options;
    let predictedInMs: number | undefined;
    for (const { name, produces, instance } of this.#graph.producers) {
      const isMeasured = produces === "latency-prediction" && predictedInMs === undefined;
      const startMs = isMeasured ? nowMs?.() : undefined;
      stages?.begin("produce_data");
      const found = instance.produce(context, candidates);
      stages?.end({ "pointsman.producer.name": name, "pointsman.producer.data": produces });
      if (found !== undefined) data.set(name, found);
      if (startMs !== undefined && nowMs !== undefined) predictedInMs = nowMs() - startMs;
    }
    return predictedInMs;
  }

  #runProfiles(
    context: SchedulingContext,
    { candidates, well, stages }: ProfileInput,
    chosen: Map<string, readonly [Endpoint, ...Endpoint[]]>,
  ): readonly ProfileRun[] {
    const { handler, profiles } = this.#graph;
    const { rows } = this.#options.log;
    rows.begin();
    let runs: readonly ProfileRun[] = [];
    const names: string[] = [];
    for (;;) {
      const name = handler.next(context, this.#profileNames, names);
      const profile = name === undefined ? undefined : profiles.get(name);
      // A profile runs at most once: asking for it again ends the loop.
      if (profile === undefined || names.includes(profile.name)) return runs;
      const onWell = runProfile(profile, context, { endpoints: well, rows, stages });
      // If filters leave no endpoint that is well, retry with all candidates.
      const run =
        onWell.judged.length === 0 && well !== candidates
          ? runProfile(profile, context, { endpoints: candidates, rows, stages })
          : onWell;
      runs = runs.length === 0 ? [run] : [...runs, run];
      names.push(profile.name);
      const picked = pickedEndpoints(run);
      if (picked !== undefined) chosen.set(profile.name, picked);
    }
  }

  /** Records a refusal before any profile ran. */
  #refused(refused: Refused, context: SchedulingContext, recorded: Recorded): Refused {
    const recordId = this.#options.log.record({
      ...recorded,
      context,
      runs: noRuns,
      primary: undefined,
      prefixMatch: prefixIn(context, this.#graph)?.match,
      prediction: predictionIn(context, this.#graph)?.prediction,
      picked: nothingPicked,
      refusal: refused.refusal,
    });
    return { ...refused, recordId };
  }

  #decided(
    runs: readonly ProfileRun[],
    context: SchedulingContext,
    { predictedInMs, heldFrom, ...recorded }: Predicted,
  ): Scheduled | HeldRequest {
    const { handler } = this.#graph;
    const profile = handler.primary(runs.map((run) => run.profile.name));
    const run = runs.find((each) => each.profile.name === profile);
    const endpoints = profile === undefined ? undefined : context.chosen.get(profile);
    const prefix = prefixIn(context, this.#graph);
    const predicted = predictionIn(context, this.#graph);
    const helpers = handler.helpers?.flatMap((name) => context.chosen.get(name)?.[0] ?? []) ?? none;
    const { hold } = this.#graph.detector;
    if (heldFrom !== undefined && hold !== undefined && endpoints !== undefined) {
      const held = heldRequestOf(hold, context, { endpoints, helpers, heldFrom });
      // It is no decision yet, so that no record is made of it.
      if (held !== undefined) return held;
    }
    const picked = {
      prefixHit: prefix && endpoints && prefixHitOf(prefix, endpoints[0]),
      latency: predicted && endpoints && latencyOf(predicted, endpoints[0], helpers),
    };
    const recordId = this.#options.log.record({
      ...recorded,
      context,
      runs,
      primary: run,
      prefixMatch: prefix?.match,
      prediction: predicted?.prediction,
      picked,
      refusal: endpoints === undefined ? saturated.refusal : undefined,
    });
    if (profile === undefined || run === undefined || endpoints === undefined) {
      return { ...saturated, recordId };
    }

    const targetOf = (endpoint: Endpoint): Target => ({
      endpoint,
      ...(handler.dispatch?.(context, endpoint) ?? direct(endpoint)),
    });
    const [first, ...others] = endpoints;
    const decision: Decision = {
      targets: [targetOf(first), ...others.map(targetOf)],
      profile,
      candidateCount: recorded.candidates.length,
      score: run.scores.length === 0 ? Number.NaN : (run.totals[run.picked[0] ?? -1] ?? Number.NaN),
      chosen: context.chosen,
      helpers,
      prefixHit: picked.prefixHit,
      latency: picked.latency,
      predictedInMs,
      recordId,
      madeBy: this.#options.madeBy,
    };
    return { kind: "routed", context, decision };
  }
}

type Stages = SchedulingInput["stages"];

interface ProfileInput {
  readonly candidates: readonly Endpoint[];
  /** Those that are well. */
  readonly well: readonly Endpoint[];
  readonly stages: Stages;
}

type Recorded = Pick<DecisionFacts, "candidates" | "whole" | "rollout">;

interface Predicted extends Recorded {
  /** Time that the predictions took; undefined if it is unknown. */
  readonly predictedInMs: number | undefined;
  readonly heldFrom: number | undefined;
}

interface Looked {
  readonly context: SchedulingContext;
  readonly candidates: readonly Endpoint[];
}

/** Default for a handler without `dispatch`: the endpoint's own address. */
function direct({ hostPort }: Endpoint): Dispatch {
  return { hostPort, requestHeaders: noHeaders };
}

const noHeaders: Dispatch["requestHeaders"] = [];
const none: readonly Endpoint[] = [];
const noRuns: readonly ProfileRun[] = [];
const nothingPicked: DecisionFacts["picked"] = { prefixHit: undefined, latency: undefined };
