import type { ActualRecord, PredictedRecord } from "../../core/decision-record.ts";
import type { Endpoint } from "../../core/endpoint.ts";
import type { RequestEnd } from "../../core/request-record.ts";
import type { InferenceRequest } from "../../core/request.ts";
import type { DecisionFacts } from "./decision-log.ts";
import type { ProfileRun, SchedulingProfile } from "./profile.ts";

const noEndpoints: readonly Endpoint[] = [];

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
  api = "";
  model = "";
  targetModel = "";
  // NaN, so that V8 keeps a place for a number in the object, and makes none for each value.
  atMs = Number.NaN;
  priority = Number.NaN;
  promptTokens = Number.NaN;
  candidates = noEndpoints;
  readonly runs: KeptRun[] = [];
  /** Runs in use, and the one of them whose choice received the request; -1 if none did. */
  runCount = 0;
  primary = -1;
  /** Position of the numbers in the ring; NaN if they did not fit. */
  position = Number.NaN;
  /** Candidates whose inputs are in the numbers. */
  count = 0;
  hasPredictions = false;
  #hasPrefixHit = false;
  #hasLatency = false;
  #predictedTtftMs = Number.NaN;
  #predictedTpotMs = Number.NaN;
  #predictedCachedTokens = Number.NaN;
  /** Undefined until the request has ended. */
  #end: RequestEnd | undefined;
  #attempt: ActualRecord["attempt"];
  #servedBy: string | undefined;
  #ttftMs = Number.NaN;
  #tpotMs = Number.NaN;
  #cachedTokens = Number.NaN;
  #actualPromptTokens = Number.NaN;
  #httpStatus = Number.NaN;

  write(id: number, { context, candidates, picked }: DecisionFacts): void {
    this.id = id;
    this.#writeRequest(context.request);
    this.atMs = context.nowMs;
    this.candidates = candidates;
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

  ended(actual: ActualRecord): void {
    this.#end = actual.end;
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
      attempt: this.#attempt,
      httpStatus: known(this.#httpStatus),
    };
  }

  #writeRequest(request: InferenceRequest): void {
    this.requestId = request.head.id;
    this.api = request.dialect;
    this.model = request.model;
    this.targetModel = request.targetModel;
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
