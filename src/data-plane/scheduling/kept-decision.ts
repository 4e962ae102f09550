import type {
  ActualRecord,
  EndedRecord,
  PredictedRecord,
  RolloutRecord,
} from "../../core/decision-record.ts";
import { cut } from "../../core/client-values.ts";
import type { Endpoint } from "../../core/endpoint.ts";
import type { ErrorCode, Refusal } from "../../core/errors.ts";
import type { QueueStay } from "../../core/flow-control.ts";
import type { EndedBy, RequestEnd } from "../../core/request-record.ts";
import type { ApiDialect, InferenceRequest } from "../../core/request.ts";
import { hashSeed, hashText } from "../../std/text-hash.ts";
import type { DecisionFacts } from "./decision-log.ts";
import { inputRowsOf } from "./decision-numbers.ts";
import type { FurtherRow, ProducerName } from "./further-rows.ts";
import type { ProfileRun, SchedulingProfile } from "./profile.ts";

const noEndpoints: readonly Endpoint[] = [];
const noProducers: readonly ProducerName[] = [];
const noNames: readonly string[] = [];

/** Kinds of data that are one small value for the request, and no prompt. */
const keptKinds: ReadonlySet<ProducerName["produces"]> = new Set([
  "prompt-tokens",
  "session-home",
  "topology",
]);

/** The part of a record about one profile's run, without its numbers. */
export class KeptRun {
  profile: SchedulingProfile;
  began = noEndpoints;
  readonly kept: (readonly Endpoint[])[] = [];
  judged = noEndpoints;
  readonly picked: number[] = [];
  /** Endpoints of `judged` whose scores are in the numbers. */
  count = 0;

  constructor(profile: SchedulingProfile) {
    this.profile = profile;
  }

  write(run: ProfileRun, count: number): void {
    this.profile = run.profile;
    this.began = run.began;
    this.judged = run.judged;
    this.count = count;
    copyTo(this.kept, run.kept);
    copyTo(this.picked, run.picked);
  }
}

/**
 * A place of the decision log. It is written over by another decision later, so that records make no objects that live
 * for a thousand decisions: the garbage collector would copy each of them twice.
 */
export class KeptDecision {
  id = 0;
  requestId = "";
  api: ApiDialect = "passthrough";
  model = "";
  targetModel = "";
  // NaN, so that V8 keeps a place for a number in the object, and makes none for each value.
  atMs = Number.NaN;
  priority = Number.NaN;
  promptTokens = Number.NaN;
  candidates = noEndpoints;
  /** All endpoints that took requests. */
  endpoints = noEndpoints;
  subset: readonly string[] | undefined;
  /** True if the record has all that the decision depended on, so that it can be made again. */
  isWhole = false;
  /** State of the random source before the decision; NaN if it has none. */
  chance = Number.NaN;
  /** Hash of the name of its session; NaN if it has none. */
  sessionHash = Number.NaN;
  recalls: ReadonlyMap<string, unknown> | undefined;
  producers = noProducers;
  /** Data of producers, by their place in `producers`; undefined for those that are in rows. */
  readonly values: unknown[] = [];
  /** Names of the rows after those that every record has. */
  furtherNames = noNames;
  hasMatch = false;
  readonly runs: KeptRun[] = [];
  /** Runs in use, and the one of them whose choice received the request; -1 if none did. */
  runCount = 0;
  primary = -1;
  /** Position of the numbers in the ring; NaN if they did not fit. */
  position = Number.NaN;
  /** Candidates whose inputs are in the numbers. */
  count = 0;
  hasPredictions = false;
  refusal: ErrorCode | undefined;
  refusalMessage: string | undefined;
  stay: QueueStay | undefined;
  rollout: RolloutRecord | undefined;
  #hasPrefixHit = false;
  #hasLatency = false;
  #predictedTtftMs = Number.NaN;
  #predictedTpotMs = Number.NaN;
  #predictedCachedTokens = Number.NaN;
  /** Undefined until the request has ended. */
  #end: RequestEnd | undefined;
  #endedBy: EndedBy | undefined;
  #failure: string | undefined;
  #attempt: ActualRecord["attempt"];
  #servedBy: string | undefined;
  #ttftMs = Number.NaN;
  #tpotMs = Number.NaN;
  #cachedTokens = Number.NaN;
  #actualPromptTokens = Number.NaN;
  #httpStatus = Number.NaN;

  write(id: number, facts: DecisionFacts): void {
    const { context, candidates, picked } = facts;
    this.id = id;
    this.#writeRequest(context.request);
    this.atMs = context.nowMs;
    this.candidates = candidates;
    this.endpoints = context.endpoints;
    this.hasMatch = facts.prefixMatch !== undefined;
    this.#writeRefusal(facts.refusal);
    this.stay = undefined;
    this.rollout = facts.rollout;
    this.#writeWhole(facts);
    this.#hasPrefixHit = picked.prefixHit !== undefined;
    this.#hasLatency = picked.latency !== undefined;
    this.#predictedTtftMs = picked.latency?.ttftMs ?? Number.NaN;
    this.#predictedTpotMs = picked.latency?.tpotMs ?? Number.NaN;
    this.#predictedCachedTokens = picked.prefixHit?.tokens ?? Number.NaN;
    this.#end = undefined;
  }

  writeRun(index: number, run: ProfileRun, count: number): void {
    const kept = (this.runs[index] ??= new KeptRun(run.profile));
    kept.write(run, count);
    this.runCount = index + 1;
  }

  ended({ stay, refusal, ...actual }: EndedRecord): void {
    this.stay = stay;
    if (refusal !== undefined) this.#writeRefusal(refusal);
    this.#end = actual.end;
    this.#endedBy = actual.endedBy;
    this.#failure = actual.failure;
    this.#attempt = actual.attempt;
    this.#servedBy = actual.servedBy;
    this.#ttftMs = actual.ttftMs ?? Number.NaN;
    this.#tpotMs = actual.tpotMs ?? Number.NaN;
    this.#cachedTokens = actual.cachedTokens ?? Number.NaN;
    this.#actualPromptTokens = actual.promptTokens ?? Number.NaN;
    this.#httpStatus = actual.httpStatus ?? Number.NaN;
  }

  get predicted(): PredictedRecord | undefined {
    if (!this.#hasPrefixHit && !this.#hasLatency) return undefined;
    return {
      ttftMs: known(this.#predictedTtftMs),
      tpotMs: known(this.#predictedTpotMs),
      cachedTokens: known(this.#predictedCachedTokens),
    };
  }

  get actual(): ActualRecord | undefined {
    if (this.#end === undefined) return undefined;
    return {
      ttftMs: known(this.#ttftMs),
      tpotMs: known(this.#tpotMs),
      cachedTokens: known(this.#cachedTokens),
      promptTokens: known(this.#actualPromptTokens),
      servedBy: this.#servedBy,
      end: this.#end,
      endedBy: this.#endedBy,
      failure: this.#failure,
      attempt: this.#attempt,
      httpStatus: known(this.#httpStatus),
    };
  }

  /** Rows of inputs in its numbers. */
  get inputRows(): number {
    return inputRowsOf(this.hasPredictions) + this.furtherNames.length;
  }

  writeFurther(rows: readonly FurtherRow[]): void {
    this.furtherNames = rows.length === 0 ? noNames : rows.map(([name]) => name);
  }

  #writeWhole({ context, whole }: DecisionFacts): void {
    this.isWhole = whole !== undefined;
    this.chance = whole?.chance ?? Number.NaN;
    this.recalls = context.recalls?.values;
    this.producers = whole?.producers ?? noProducers;
    this.sessionHash = Number.NaN;
    const { sessionKey } = context.request;
    if (sessionKey !== "") this.sessionHash = hashText(hashSeed, sessionKey);
    for (let index = 0; index < this.producers.length; index += 1) {
      const producer = this.producers[index];
      const isKept = producer !== undefined && keptKinds.has(producer.produces);
      const session = producer?.produces === "session-id" ? context.data.get(producer.name) : "";
      if (typeof session === "string" && session !== "") {
        this.sessionHash = hashText(hashSeed, session);
      }
      this.values[index] = isKept ? context.data.get(producer.name) : undefined;
    }
  }

  #writeRefusal(refusal: Refusal | undefined): void {
    this.refusal = refusal?.code;
    this.refusalMessage = refusal && cut(refusal.message);
  }

  #writeRequest(request: InferenceRequest): void {
    this.subset = request.head.subset;
    this.requestId = cut(request.head.id);
    this.api = request.dialect;
    this.model = cut(request.model);
    this.targetModel = cut(request.targetModel);
    this.priority = request.priority;
    this.promptTokens = request.promptTokens;
  }
}

export function known(value: number | undefined): number | undefined {
  return value === undefined || Number.isNaN(value) ? undefined : value;
}

/** Copies without a new array. */
function copyTo<T>(to: T[], from: readonly T[]): void {
  for (let index = 0; index < from.length; index += 1) {
    const each = from[index];
    if (each !== undefined) to[index] = each;
  }
  if (to.length > from.length) to.length = from.length;
}
