import type {
  ActualRecord,
  CandidateRecord,
  DecisionRecord,
  PredictedRecord,
  ProfileRecord,
  RolloutRecord,
} from "../core/decision-record.ts";
import type { QueueStay } from "../core/flow-control.ts";
import type { ModelsNow } from "./models-now.ts";
import { adviceOf, type Stage, stagesOf } from "./refusal-advice.ts";
import { rolloutText } from "./rollout-text.ts";
import { whyLost } from "./why-lost.ts";

/** The pick of another policy for the same request and pool. */
export interface Baseline {
  readonly policy: string;
  /** Empty if the policy has no pick, and then `note` says why. */
  readonly picks: readonly string[];
  readonly note?: string | undefined;
}

/** An endpoint in a decision, and the reason that it got the request or did not. */
export interface ExplainedEndpoint {
  readonly endpoint: string;
  readonly result: "picked" | "scored" | "filtered" | "unwell" | "left out" | "unknown";
  /** A word or two under which endpoints that lost alike are grouped. */
  readonly kind: string;
  /** One sentence. */
  readonly why: string;
  readonly total: number | null;
  readonly scores: readonly {
    readonly scorer: string;
    readonly weight: number;
    readonly score: number;
  }[];
  readonly inputs: readonly ExplainedInput[];
}

/** An input with its age and source; `ageMs` is null for a value that has no age. */
interface ExplainedInput {
  readonly input: string;
  readonly value: number | string;
  readonly ageMs: number | null;
  readonly source: "engine" | "engine and own" | "own" | "prediction" | "prefix index" | "health";
}

export interface Explanation {
  readonly requestId: string;
  readonly decision: number;
  readonly at: string;
  readonly ageMs: number;
  readonly api: string;
  readonly model: string;
  readonly targetModel: string;
  readonly priority: number;
  readonly promptTokens: number;
  readonly outcome: string;
  readonly refusal: string | null;
  /** The message of the error that the client got. */
  readonly refusalMessage: string | null;
  /** The endpoints that were left after each step. */
  readonly stages: readonly Stage[];
  /** Next steps after a refusal or a failure; empty for others. */
  readonly advice: readonly string[];
  /** The pool's models now, if none of its endpoints lists the model of the request. */
  readonly models: ModelsNow | null;
  /** The part of a rollout, and `why` in a sentence; null if there was none. */
  readonly rollout: (RolloutRecord & { readonly why: string }) | null;
  readonly profile: string | null;
  readonly picked: readonly string[];
  readonly margin: number | null;
  readonly candidateCount: number;
  /** False if only the best candidates have numbers. */
  readonly isWhole: boolean;
  /** One for each profile that ran; the first is the one that chose the target. */
  readonly profiles: readonly ExplainedProfile[];
  readonly baselines: readonly Baseline[];
  readonly queue: QueueStay | null;
  readonly predicted: PredictedRecord | null;
  readonly actual: ActualRecord | null;
  readonly notes: readonly string[];
}

export interface ExplainedProfile {
  readonly profile: string;
  readonly filters: ProfileRecord["filters"];
  readonly endpoints: readonly ExplainedEndpoint[];
}

export interface ExplainedAt {
  readonly nowMs: number;
  /** Wall clock minus monotonic clock. */
  readonly offsetMs: number;
  readonly baselines: readonly Baseline[];
  /** The pool's models now; undefined if an endpoint lists the model, or none lists any. */
  readonly models: ModelsNow | undefined;
}

/** Explains a decision from its record alone. */
export function explanationOf(record: DecisionRecord, asked: ExplainedAt): Explanation {
  const { requestId, api, model, targetModel, priority, promptTokens } = record;
  const primary = record.profiles.find(({ name }) => name === record.profile);
  const others = record.profiles.filter((profile) => profile !== primary);
  const ordered = primary === undefined ? others : [primary, ...others];
  return {
    requestId,
    decision: record.id,
    at: new Date(record.atMs + asked.offsetMs).toISOString(),
    ageMs: Math.round(asked.nowMs - record.atMs),
    api,
    model,
    targetModel,
    priority,
    promptTokens,
    outcome: outcomeOf(record),
    refusal: record.refusal ?? null,
    refusalMessage: record.refusalMessage ?? null,
    stages: stagesOf(record),
    advice: adviceOf(record),
    models: asked.models ?? null,
    rollout: record.rollout ? { ...record.rollout, why: rolloutText(record.rollout) } : null,
    profile: record.profile ?? null,
    picked: record.picked,
    margin: record.margin ?? null,
    candidateCount: record.candidateCount,
    isWhole: record.isWhole,
    profiles: ordered.map((profile) => explainedProfile(profile, record)),
    baselines: asked.baselines,
    queue: record.stay ?? null,
    predicted: record.predicted ?? null,
    actual: record.actual ?? null,
    notes: notesOf(record),
  };
}

/** The error of a refused request. */
export function refusedText(refusal: string | undefined, message: string | undefined): string {
  return `refused: ${refusal ?? "no endpoint was left"}${message === undefined ? "" : `, ${message}`}`;
}

function outcomeOf({ picked, refusal, refusalMessage, candidateCount }: DecisionRecord): string {
  const [first, ...fallbacks] = picked;
  if (first === undefined) return refusedText(refusal, refusalMessage);
  const of = candidateCount === 1 ? "the only candidate" : `of ${candidateCount} candidates`;
  const rest = fallbacks.length === 0 ? "" : `, then ${fallbacks.join(", ")}`;
  return `sent to ${first}${rest}, ${of}`;
}

function notesOf({ isWhole, candidates, candidateCount }: DecisionRecord): readonly string[] {
  if (candidates === undefined) return ["The numbers of this decision have been overwritten."];
  if (isWhole) return [];
  const count = `${candidates.length} of ${candidateCount}`;
  return [`The record has the numbers of ${count} candidates, those with the best totals.`];
}

function explainedProfile(profile: ProfileRecord, record: DecisionRecord): ExplainedProfile {
  const inputs = new Map(record.candidates?.map((each) => [each.endpoint, each]));
  const losing = { profile, record, inputs };
  const scored = (profile.totals ?? []).map(({ endpoint }) => endpoint);
  const dropped = profile.filters.flatMap((filter) => filter.dropped);
  const known = new Set([...profile.picked, ...scored, ...dropped, ...profile.unwell]);
  // Best first: the picks, then by total, then by the step that dropped them.
  const endpoints = [...known].map((endpoint) => explainedEndpoint(endpoint, losing));
  const leftOut = record.leftOut.map(({ endpoint, reason }) => ({
    endpoint,
    result: "left out" as const,
    kind: reason === "model" ? "other models" : "not in the subset",
    why:
      reason === "model"
        ? `it does not serve ${JSON.stringify(record.targetModel)}`
        : "the gateway's subset hint does not name it",
    ...nothing,
  }));
  return { profile: profile.name, filters: profile.filters, endpoints: [...endpoints, ...leftOut] };
}

const nothing = { total: null, scores: [], inputs: [] };

/** A decision, one of its profiles, and the numbers of its candidates. */
export interface Losing {
  readonly profile: ProfileRecord;
  readonly record: DecisionRecord;
  readonly inputs: ReadonlyMap<string, CandidateRecord>;
}

function explainedEndpoint(endpoint: string, losing: Losing): ExplainedEndpoint {
  const { profile, inputs } = losing;
  const found = profile.totals?.find((each) => each.endpoint === endpoint);
  const candidate = inputs.get(endpoint);
  return {
    endpoint,
    ...whyLost(endpoint, losing),
    total: found?.total ?? null,
    scores: profile.scorers.flatMap(({ name, weight }) => {
      const score = found?.scores[name];
      return score === undefined ? [] : [{ scorer: name, weight, score }];
    }),
    inputs: candidate === undefined ? [] : inputsOf(candidate),
  };
}

type Source = ExplainedInput["source"];

/** All inputs of a candidate that are known. */
function inputsOf(candidate: CandidateRecord): ExplainedInput[] {
  const { signalsAgeMs = null, signalsTrust } = candidate;
  const signals = signalsTrust === undefined || signalsTrust <= 0 ? "own" : trusted(signalsTrust);
  const list: ExplainedInput[] = [];
  const add = (source: Source, values: Readonly<Record<string, number | string | undefined>>) => {
    for (const [input, value] of Object.entries(values)) {
      if (value === undefined || Number.isNaN(value)) continue;
      const ageMs = source === "engine" || source === "engine and own" ? signalsAgeMs : null;
      list.push({ input, value, ageMs, source });
    }
  };
  const { waitingRequests, runningRequests, kvCacheUsedRatio, adapter, standing } = candidate;
  add(signals, { waitingRequests, runningRequests, kvCacheUsedRatio });
  add("engine", { adapter });
  add("health", { standing });
  const { inFlightRequests, inFlightTokens } = candidate;
  add("own", { inFlightRequests, inFlightTokens });
  const { prefixMatchedBlocks, prefixTotalBlocks, prefixBlockTokens } = candidate;
  add("prefix index", { prefixMatchedBlocks, prefixTotalBlocks, prefixBlockTokens });
  const { predictedTtftMs, predictedTpotMs, prefillMs, ownPrefillMs, copyMs } = candidate;
  const { adapterMs, decodingRequests } = candidate;
  add("prediction", { predictedTtftMs, predictedTpotMs, prefillMs, ownPrefillMs, copyMs });
  add("prediction", { adapterMs, decodingRequests });
  for (const [name, value] of Object.entries(candidate.further)) {
    if (!shownElsewhere.has(name))
      add(/^(attribute |adapters)/.test(name) ? "engine" : "own", { [name]: value });
  }
  return list;
}

/** Rows that `standing` and `adapter` show in words. */
const shownElsewhere = new Set(["standingCode", "adapterPlace"]);

function trusted(trust: number): Source {
  return trust >= 1 ? "engine" : "engine and own";
}
