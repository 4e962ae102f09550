import type { SchedulingContext } from "../../core/data-plane-plugin.ts";
import type { PickLatency, PrefixHit } from "../../core/decision.ts";
import type {
  DecisionRecord,
  EndedRecord,
  RolloutRecord,
  UndecidedRecord,
} from "../../core/decision-record.ts";
import type { Endpoint } from "../../core/endpoint.ts";
import type { Refusal } from "../../core/errors.ts";
import { slotsOf } from "../../core/endpoint-slots.ts";
import type { LatencyPrediction } from "../../core/latency-prediction.ts";
import type { Standing } from "../../core/pool-snapshot.ts";
import type { PrefixMatch } from "../../core/prefix-match.ts";
import type { RequestRecord } from "../../core/request-record.ts";
import type { RepeatableRandom } from "../../std/random.ts";
import { BestTotals } from "./best-totals.ts";
import { inputRowsOf, writeInputs, writePredictions } from "./decision-numbers.ts";
import type { DecisionInputs } from "./decision-inputs.ts";
import { inputsOf, recordOf } from "./decision-records.ts";
import { furtherRowsOf, type FurtherRow, type ProducerName, writeFurther } from "./further-rows.ts";
import { KeptDecision } from "./kept-decision.ts";
import { NumberRing } from "./number-ring.ts";
import type { ProfileRun } from "./profile.ts";
import { ScoreRows } from "./score-rows.ts";
import { UndecidedRequests } from "./undecided-requests.ts";

/**
 * Candidates of a decision whose numbers are kept. Of more, those of all are kept in one decision of several, so that they are
 * this many in the mean, and else those of the best by their totals.
 */
const candidatesMaxDefault = 64;

/** Requests without a decision that are kept. */
const undecidedMax = 1_000;

export interface DecisionLogOptions {
  /** Maximum number of decisions; older ones are overwritten. */
  readonly recordsMax?: number;
  /** Maximum numbers of all decisions together, 8 bytes each; the oldest decisions lose theirs first. */
  readonly numbersMax?: number;
  /** Maximum of candidates of a decision whose numbers are kept, in the mean. */
  readonly candidatesMax?: number;
  /** The source of the plugins' random numbers; undefined if it cannot be set back. */
  readonly chance?: Pick<RepeatableRandom, "state"> | undefined;
}

/** Inputs that only a complete record has. */
interface WholeFacts {
  readonly standing: Standing;
  readonly producers: readonly ProducerName[];
  /** State of the random source before the decision; NaN if it is unknown. */
  readonly chance: number;
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
  /** Undefined if the numbers of the best candidates are enough. */
  readonly whole?: WholeFacts | undefined;
  /** Undefined unless a rollout is going on. */
  readonly rollout?: RolloutRecord | undefined;
  readonly refusal?: Refusal | undefined;
}

/** Share of the numbers of a bounded record that whole records of large pools add in the mean. */
const wholeShare = 0.25;

/**
 * The last decisions, for `/debug/decisions` and `/explain`.
 *
 * Every decision is recorded even if no client reads the log, so recording has to be cheap, and its cost must not grow
 * with the pool: of a large one, most records have only the numbers of the best candidates. Readable records are made on
 * request.
 */
export class DecisionLog {
  /** Memory for the scores of the decision that is made now; `record` copies from it. */
  readonly rows = new ScoreRows();
  readonly #numbers: NumberRing;
  readonly #ring: (KeptDecision | undefined)[];
  #count = 0;
  /** By the run's place in its decision. */
  readonly #best: BestTotals[] = [];
  readonly #indexes: Int32Array[] = [];
  /** Slots of the candidates whose inputs are recorded. */
  #slots = new Int32Array(candidatesMaxDefault);
  /** By slot, the last decision of which it is among these. */
  #recordedIn = new Float64Array(candidatesMaxDefault);
  readonly #candidatesMax: number;
  readonly #undecided = new UndecidedRequests(undecidedMax);
  readonly #chance: DecisionLogOptions["chance"];
  /** Candidates whose numbers may be kept before the mean is above the maximum. */
  #credit = 0;
  /** Candidates of the decision that is recorded whose numbers are kept. */
  #keptMax = candidatesMaxDefault;

  /** By default 5,000 decisions and 16 MiB of numbers, which are 5,000 decisions of 20 candidates, or 1,500 of 64. */
  constructor(options: DecisionLogOptions = {}) {
    const { recordsMax = 5_000, numbersMax = 2 * 2 ** 20, chance } = options;
    this.#candidatesMax = options.candidatesMax ?? candidatesMaxDefault;
    this.#chance = chance;
    this.#numbers = new NumberRing(numbersMax);
    this.#ring = Array.from<KeptDecision | undefined>({ length: recordsMax }).fill(undefined);
  }

  get memoryBytes(): number {
    return this.#numbers.memoryBytes;
  }

  /** Maximum number of decisions. */
  get recordsMax(): number {
    return this.#ring.length;
  }

  /** Number of the last decision; 0 before the first one. */
  get lastId(): number {
    return this.#count;
  }

  /** State of the random source; NaN if it is unknown. */
  get chance(): number {
    return this.#chance?.state ?? Number.NaN;
  }

  /** True if the record of the next decision is to be complete. Call it once for each decision. */
  isNextWhole(candidateCount: number): boolean {
    if (candidateCount <= this.#candidatesMax) return true;
    this.#credit += this.#candidatesMax * wholeShare;
    if (this.#credit < candidateCount) return false;
    this.#credit -= candidateCount;
    return true;
  }

  /** Records a decision; returns its id. */
  record(facts: DecisionFacts): number {
    const { runs, primary, whole } = facts;
    this.#keptMax = whole === undefined ? this.#candidatesMax : Number.POSITIVE_INFINITY;
    this.#count += 1;
    const id = this.#count;
    const kept = (this.#ring[id % this.#ring.length] ??= new KeptDecision());
    kept.write(id, facts);
    kept.runCount = 0;
    for (let index = 0; index < runs.length; index += 1) {
      const run = runs[index];
      if (run !== undefined) kept.writeRun(index, run, this.#choose(index, run));
    }
    kept.primary = primary === undefined ? -1 : runs.indexOf(primary);
    this.#copyNumbers(kept, facts);
    return id;
  }

  /** Records how a decision turned out. */
  ended(id: number, ended: EndedRecord): void {
    const kept = this.#ring[id % this.#ring.length];
    if (kept?.id === id) kept.ended(ended);
  }

  /** Records a request that ended before any decision about it. */
  undecided(ended: RequestRecord): void {
    this.#undecided.add(ended);
  }

  /** The last requests that ended before any decision about them, newest first. */
  get undecidedRequests(): readonly UndecidedRecord[] {
    return this.#undecided.all;
  }

  /** The last decisions, newest first. */
  last(count: number): readonly DecisionRecord[] {
    const records: DecisionRecord[] = [];
    for (let id = this.#count; id > 0 && records.length < count; id -= 1) {
      const kept = this.#ring[id % this.#ring.length];
      if (kept?.id !== id) break;
      records.push(recordOf(kept, this.#numbers));
    }
    return records;
  }

  /** The kept decisions, newest first; valid until the next one is recorded. */
  *kept(): Generator<KeptDecision> {
    for (let id = this.#count; id > 0; id -= 1) {
      const kept = this.#ring[id % this.#ring.length];
      if (kept?.id !== id) return;
      yield kept;
    }
  }

  /** The recorded decisions with this request id, newest first: a client may use an id twice. */
  ofRequest(requestId: string): readonly DecisionRecord[] {
    return this.#ring
      .filter((kept) => kept?.requestId === requestId)
      .toSorted((a, b) => (b?.id ?? 0) - (a?.id ?? 0))
      .flatMap((kept) => (kept === undefined ? [] : [recordOf(kept, this.#numbers)]));
  }

  /** Distinct ids of requests that begin with `prefix`, at most `most`. */
  requestIds(prefix: string, most: number): readonly string[] {
    const ids = new Set<string>();
    for (const kept of this.#ring) {
      if (kept?.requestId.startsWith(prefix) === true) ids.add(kept.requestId);
      if (ids.size >= most) break;
    }
    return [...ids];
  }

  /** The decision with this id; undefined if it was overwritten or never existed. */
  byId(id: number): DecisionRecord | undefined {
    const kept = this.#ring[id % this.#ring.length];
    return kept?.id === id ? recordOf(kept, this.#numbers) : undefined;
  }

  /** All that the decision with this id depended on; undefined if its record is gone or was never complete. */
  inputsOf(id: number): DecisionInputs | undefined {
    const kept = this.#ring[id % this.#ring.length];
    return kept?.id === id ? inputsOf(kept, this.#numbers) : undefined;
  }

  /** Chooses the endpoints of a run whose numbers are kept, and returns how many they are. */
  #choose(place: number, { judged, totals, picked }: ProfileRun): number {
    if (judged.length <= this.#keptMax) return judged.length;
    const best = (this.#best[place] ??= new BestTotals(this.#candidatesMax)).of(totals);
    const [first = -1] = picked;
    const indexes = (this.#indexes[place] ??= new Int32Array(this.#candidatesMax));
    indexes.set(best);
    // The first one has the lowest total.
    if (first in judged && !best.includes(first)) indexes[0] = first;
    return indexes.length;
  }

  #copyNumbers(kept: KeptDecision, facts: DecisionFacts): void {
    const { context, runs, prediction, prefixMatch } = facts;
    const slots = this.#slotsOf(kept, facts);
    kept.count = slots.length;
    kept.hasPredictions = prediction !== undefined;
    const further = furtherOf(facts);
    kept.writeFurther(further);
    kept.position = this.#numbers.take(numbersOf(kept));
    if (Number.isNaN(kept.position)) return;
    const { numbers } = this.#numbers;
    let offset = this.#numbers.offsetOf(kept.position);
    if (slots.length < kept.candidates.length) {
      numbers.set(slots, offset);
      offset += slots.length;
    }
    const inputs = { slots, numbers, offset };
    writeInputs(context, prefixMatch, inputs);
    if (prediction !== undefined) writePredictions(prediction, inputs);
    offset += slots.length * inputRowsOf(kept.hasPredictions);
    if (further.length > 0) {
      writeFurther(further, { slots, numbers, offset });
      offset += slots.length * further.length;
    }
    for (let index = 0; index < runs.length; index += 1) {
      const run = runs[index];
      if (run !== undefined) offset = this.#copyScores(index, run, offset);
    }
  }

  /** Returns the offset after the numbers of the run. */
  #copyScores(place: number, { judged, scores, totals }: ProfileRun, offset: number): number {
    const { numbers } = this.#numbers;
    if (judged.length <= this.#keptMax) {
      let end = copyRow(totals, numbers, offset);
      for (const row of scores) end = copyRow(row, numbers, end);
      return end;
    }
    const indexes = this.#indexes[place] ?? noIndexes;
    const count = indexes.length;
    const slots = slotsOf(judged);
    for (let each = 0; each < count; each += 1) {
      const index = indexes[each] ?? 0;
      let at = offset + each;
      numbers[at] = slots[index] ?? Number.NaN;
      at += count;
      numbers[at] = totals[index] ?? Number.NaN;
      for (let row = 0; row < scores.length; row += 1) {
        at += count;
        numbers[at] = scores[row]?.[index] ?? Number.NaN;
      }
    }
    return offset + (2 + scores.length) * count;
  }

  /** Slots of the candidates whose inputs are kept: all of a small pool, else those of which a run's scores are. */
  #slotsOf(kept: KeptDecision, { candidates, runs }: DecisionFacts): Int32Array {
    const all = slotsOf(candidates);
    if (candidates.length <= this.#keptMax) return all;
    let count = 0;
    for (let place = 0; place < runs.length; place += 1) {
      const judged = runs[place]?.judged ?? [];
      const chosen = kept.runs[place]?.count ?? 0;
      const slots = slotsOf(judged);
      for (let each = 0; each < chosen; each += 1) {
        const index = judged.length <= this.#keptMax ? each : (this.#indexes[place]?.[each] ?? 0);
        const slot = slots[index] ?? 0;
        if (this.#recordedIn[slot] === kept.id) continue;
        this.#fit(slot + 1, count + 1);
        this.#recordedIn[slot] = kept.id;
        this.#slots[count] = slot;
        count += 1;
      }
    }
    return count === 0 ? all.subarray(0, this.#candidatesMax) : this.#slots.subarray(0, count);
  }

  /** Makes room for this many slots, and for this many of them that are recorded. */
  #fit(slots: number, recorded: number): void {
    if (slots > this.#recordedIn.length) {
      const longer = new Float64Array(slots * 2);
      longer.set(this.#recordedIn);
      this.#recordedIn = longer;
    }
    if (recorded <= this.#slots.length) return;
    const longer = new Int32Array(recorded * 2);
    longer.set(this.#slots);
    this.#slots = longer;
  }
}

const noIndexes = new Int32Array(0);
const noRows: readonly FurtherRow[] = [];

function furtherOf({ context, candidates, whole }: DecisionFacts): readonly FurtherRow[] {
  return whole === undefined ? noRows : furtherRowsOf({ context, candidates, ...whole });
}

/** Copies a short row, for which a call of `set` takes longer; returns the offset after it. */
function copyRow(row: Float64Array, numbers: Float64Array, offset: number): number {
  for (let index = 0; index < row.length; index += 1) {
    numbers[offset + index] = row[index] ?? Number.NaN;
  }
  return offset + row.length;
}

/** Numbers of a decision, with the slots of those candidates that are not all. */
function numbersOf(kept: KeptDecision): number {
  const { candidates, count, runs, runCount } = kept;
  let sum = count * (kept.inputRows + Number(count < candidates.length));
  for (let index = 0; index < runCount; index += 1) {
    const run = runs[index];
    if (run === undefined) continue;
    const { profile, judged } = run;
    sum += run.count * (1 + profile.scorers.length + Number(run.count < judged.length));
  }
  return sum;
}
