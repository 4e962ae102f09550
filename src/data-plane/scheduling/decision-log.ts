import type { PickLatency, PrefixHit } from "../../core/decision.ts";
import type {
  ActualRecord,
  CandidateRecord,
  DecisionRecord,
  PredictedRecord,
  ProfileRecord,
} from "../../core/decision-record.ts";
import type { Endpoint } from "../../core/endpoint.ts";
import type { LatencyPrediction } from "../../core/latency-prediction.ts";
import type { PrefixMatch } from "../../core/prefix-match.ts";
import type { SchedulingContext } from "../../core/data-plane-plugin.ts";
import { pickedEndpoints, type ProfileRun } from "./profile.ts";
import { ScoreArena } from "./score-arena.ts";

export interface DecisionLogOptions {
  /** Maximum number of decisions; older ones are overwritten. */
  readonly recordsMax?: number;
  /** Maximum numbers of all decisions together, 8 bytes each; the oldest decisions lose theirs first. */
  readonly numbersMax?: number;
}

/** Inputs and results of one decision. */
export interface DecisionFacts {
  readonly context: SchedulingContext;
  readonly candidates: readonly Endpoint[];
  readonly runs: readonly ProfileRun[];
  /** The run whose choice receives the request. */
  readonly primary: ProfileRun | undefined;
  readonly prefixMatch: PrefixMatch | undefined;
  readonly prediction: LatencyPrediction | undefined;
  /** Predictions for the pick. */
  readonly picked: {
    readonly prefixHit: PrefixHit | undefined;
    readonly latency: PickLatency | undefined;
  };
}

/** Rows of recorded inputs, in the order in which `#inputsOf` writes them. */
const rows = [
  "waitingRequests",
  "runningRequests",
  "kvCacheUsedRatio",
  "signalsAtMs",
  "inFlightRequests",
  "inFlightTokens",
  "matchedBlocks",
  "totalBlocks",
] as const;

/** Rows that follow if a producer predicts latencies, in the order in which `#predictionsIn` writes them. */
const predictionRows = [
  "ttftMs",
  "tpotMs",
  "prefillMs",
  "copyMs",
  "adapterMs",
  "decoding",
] as const;
const allRows: readonly string[] = [...rows, ...predictionRows];

/** Facts about the request, the same in kept and in shown records. */
type RequestFacts = Pick<
  DecisionRecord,
  "id" | "requestId" | "atMs" | "api" | "model" | "targetModel" | "priority" | "promptTokens"
>;

/** A recorded decision: references to existing objects, and rows of the arena. */
interface Kept extends RequestFacts {
  readonly candidates: readonly Endpoint[];
  /** `allRows`, or only `rows`, one after another, each with one number per candidate. */
  readonly inputs: Float64Array;
  readonly predicted: DecisionFacts["picked"];
  actual: ActualRecord | undefined;
  readonly runs: readonly ProfileRun[];
  readonly primary: ProfileRun | undefined;
  /** Position of its rows in the arena, for `ScoreArena.holds`. */
  readonly position: number;
}

/**
 * The last decisions, for `/debug/decisions`.
 *
 * Every decision is recorded even if no client reads the log, so recording has to be cheap: scorers write their scores
 * directly into the arena, and only the inputs are copied. Readable records are made on request.
 */
export class DecisionLog {
  readonly arena: ScoreArena;
  readonly #ring: (Kept | undefined)[];
  #count = 0;

  /** By default 1,000 decisions and 12 MiB of numbers: 1,000 decisions over 64 endpoints. */
  constructor({ recordsMax = 1_000, numbersMax = 1.5 * 2 ** 20 }: DecisionLogOptions = {}) {
    this.arena = new ScoreArena(numbersMax);
    this.#ring = Array.from<Kept | undefined>({ length: recordsMax }).fill(undefined);
  }

  /** Records a decision whose rows were taken from `arena` since the last call; returns its id. */
  record(facts: DecisionFacts): number {
    const { context, candidates, runs, primary, picked } = facts;
    const { request } = context;
    const inputs = this.#inputsOf(facts);
    const position = this.arena.close();
    this.#count += 1;
    const id = this.#count;
    // Copies: while the log keeps the scheduler's own objects, nearly all objects of the request survive with them, 6 KB
    // in place of 1 (`--trace-gc-nvp`; the cause lies within V8).
    const copies = runs.map(copyOf);
    this.#ring[id % this.#ring.length] = {
      id,
      requestId: request.head.id,
      atMs: context.nowMs,
      api: request.dialect,
      model: request.model,
      targetModel: request.targetModel,
      priority: request.priority,
      promptTokens: request.promptTokens,
      candidates,
      inputs,
      predicted: picked,
      actual: undefined,
      runs: copies,
      primary: primary && copies[runs.indexOf(primary)],
      position,
    };
    return id;
  }

  /** Records how a decision turned out. */
  ended(id: number, actual: ActualRecord): void {
    const kept = this.#ring[id % this.#ring.length];
    if (kept?.id === id) kept.actual = actual;
  }

  /** The last decisions, newest first. */
  last(count: number): readonly DecisionRecord[] {
    const records: DecisionRecord[] = [];
    for (let id = this.#count; id > 0 && records.length < count; id -= 1) {
      const kept = this.#ring[id % this.#ring.length];
      if (kept?.id !== id) break;
      records.push(this.#recordOf(kept));
    }
    return records;
  }

  /** The recorded decisions with this request id, newest first: a client may use an id twice. */
  ofRequest(requestId: string): readonly DecisionRecord[] {
    return this.#ring
      .filter((kept) => kept?.requestId === requestId)
      .toSorted((a, b) => (b?.id ?? 0) - (a?.id ?? 0))
      .flatMap((kept) => (kept === undefined ? [] : [this.#recordOf(kept)]));
  }

  /** The decision with this id; undefined if it was overwritten or never existed. */
  byId(id: number): DecisionRecord | undefined {
    const kept = this.#ring[id % this.#ring.length];
    return kept?.id === id ? this.#recordOf(kept) : undefined;
  }

  #inputsOf({ candidates, context, prefixMatch, prediction }: DecisionFacts): Float64Array {
    const { load } = context;
    const count = candidates.length;
    const rowCount = prediction === undefined ? rows.length : allRows.length;
    const inputs = this.arena.take(count * rowCount);
    if (prediction !== undefined) {
      writePredictions(prediction, candidates, inputs.subarray(count * rows.length));
    }
    const { waitingRequests, runningRequests, kvCacheUsedRatio } = load;
    const { signalsAtMs, inFlightRequests, inFlightTokens } = load;
    // One pass over the candidates, with the index of the next row by addition: this runs in every decision, and a
    // multiplication per row makes it a third slower.
    for (let index = 0; index < count; index += 1) {
      const slot = candidates[index]?.slot ?? 0;
      let at = index;
      inputs[at] = waitingRequests[slot] ?? Number.NaN;
      at += count;
      inputs[at] = runningRequests[slot] ?? Number.NaN;
      at += count;
      inputs[at] = kvCacheUsedRatio[slot] ?? Number.NaN;
      at += count;
      inputs[at] = signalsAtMs[slot] ?? Number.NaN;
      at += count;
      inputs[at] = inFlightRequests[slot] ?? Number.NaN;
      at += count;
      inputs[at] = inFlightTokens[slot] ?? Number.NaN;
      at += count;
      inputs[at] = prefixMatch === undefined ? Number.NaN : prefixMatch.matchedBlocks(slot);
      at += count;
      inputs[at] = prefixMatch === undefined ? Number.NaN : prefixMatch.totalBlocks(slot);
    }
    return inputs;
  }

  #recordOf(kept: Kept): DecisionRecord {
    const isHeld = this.arena.holds(kept.position);
    const picked = kept.primary && pickedEndpoints(kept.primary);
    return {
      id: kept.id,
      requestId: kept.requestId,
      atMs: kept.atMs,
      api: kept.api,
      model: kept.model,
      targetModel: kept.targetModel,
      priority: kept.priority,
      promptTokens: kept.promptTokens,
      profile: picked && kept.primary?.profile.name,
      picked: picked?.map(({ id }) => id) ?? [],
      margin: isHeld && kept.primary !== undefined ? marginOf(kept.primary) : undefined,
      candidates: isHeld ? candidateRecordsOf(kept) : undefined,
      profiles: kept.runs.map((run) => profileRecordOf(run, { kept, isHeld })),
      predicted: predictedRecordOf(kept.predicted),
      actual: kept.actual,
    };
  }
}

function copyOf(run: ProfileRun): ProfileRun {
  const { profile, began, kept, judged, scores, totals, picked } = run;
  return { profile, began, kept, judged, scores, totals, picked };
}

function writePredictions(
  prediction: LatencyPrediction,
  candidates: readonly Endpoint[],
  numbers: Float64Array,
): void {
  const count = candidates.length;
  for (let index = 0; index < count; index += 1) {
    const slot = candidates[index]?.slot ?? 0;
    let at = index;
    numbers[at] = prediction.ttftMs(slot);
    at += count;
    numbers[at] = prediction.tpotMs(slot);
    at += count;
    numbers[at] = prediction.prefillMs(slot);
    at += count;
    numbers[at] = prediction.copyMs(slot);
    at += count;
    numbers[at] = prediction.adapterMs(slot);
    at += count;
    numbers[at] = prediction.decoding(slot);
  }
}

function predictedRecordOf({
  prefixHit,
  latency,
}: DecisionFacts["picked"]): PredictedRecord | undefined {
  if (prefixHit === undefined && latency === undefined) return undefined;
  return {
    ttftMs: known(latency?.ttftMs),
    tpotMs: known(latency?.tpotMs),
    cachedTokens: prefixHit?.tokens,
  };
}

function candidateRecordsOf({ candidates, inputs, atMs }: Kept): CandidateRecord[] {
  const count = candidates.length;
  return candidates.map(({ id }, index) => {
    const input = (row: (typeof rows)[number] | (typeof predictionRows)[number]) =>
      known(inputs[allRows.indexOf(row) * count + index]);
    const readAtMs = input("signalsAtMs");
    return {
      endpoint: id,
      waitingRequests: input("waitingRequests"),
      runningRequests: input("runningRequests"),
      kvCacheUsedRatio: input("kvCacheUsedRatio"),
      signalsAgeMs: readAtMs === undefined ? undefined : atMs - readAtMs,
      inFlightRequests: input("inFlightRequests"),
      inFlightTokens: input("inFlightTokens"),
      prefixMatchedBlocks: input("matchedBlocks"),
      prefixTotalBlocks: input("totalBlocks"),
      predictedTtftMs: input("ttftMs"),
      predictedTpotMs: input("tpotMs"),
      prefillMs: input("prefillMs"),
      copyMs: input("copyMs"),
      adapterMs: input("adapterMs"),
      decodingRequests: input("decoding"),
    };
  });
}

function profileRecordOf(
  run: ProfileRun,
  { kept, isHeld }: { readonly kept: Kept; readonly isHeld: boolean },
): ProfileRecord {
  const { profile } = run;
  const began = new Set(run.began);
  return {
    name: profile.name,
    unwell: kept.candidates.filter((one) => !began.has(one)).map(({ id }) => id),
    filters: run.kept.map((left, index) => {
      const before = run.kept[index - 1] ?? run.began;
      const stays = new Set(left);
      return {
        name: profile.filters[index]?.name ?? "",
        keptCount: left.length,
        dropped: before.filter((endpoint) => !stays.has(endpoint)).map(({ id }) => id),
      };
    }),
    scorers: profile.scorers.map(({ name, weight }) => ({ name, weight })),
    totals: isHeld ? totalRecordsOf(run) : undefined,
    picked: pickedEndpoints(run)?.map(({ id }) => id) ?? [],
  };
}

function totalRecordsOf({ profile, judged, scores, totals }: ProfileRun) {
  return judged
    .map(({ id }, index) => ({
      endpoint: id,
      total: totals[index] ?? Number.NaN,
      scores: Object.fromEntries(
        profile.scorers.map(({ name }, row) => [name, scores[row]?.[index] ?? Number.NaN]),
      ),
    }))
    .toSorted((a, b) => b.total - a.total);
}

function marginOf({ totals, picked }: ProfileRun): number | undefined {
  const [first] = picked;
  if (first === undefined || totals.length < 2) return undefined;
  const best = totals.reduce(
    (most, total, index) => (index === first ? most : Math.max(most, total)),
    Number.NEGATIVE_INFINITY,
  );
  return (totals[first] ?? Number.NaN) - best;
}

function known(value: number | undefined): number | undefined {
  return value === undefined || Number.isNaN(value) ? undefined : value;
}
