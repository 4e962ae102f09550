import type { Endpoint } from "../core/endpoint.ts";
import type { AdapterState, LoadSnapshot } from "../core/load.ts";
import type { TrustSettings } from "../core/signal-settings.ts";
import { loadSignals } from "../core/signals.ts";
import { clearSignals, createLoadColumns, type LoadColumns } from "./load-columns.ts";
import type { SignalBoard } from "./signal-board.ts";
import { defaultTrust, trustIn } from "./trust.ts";

/** Ages change slowly: rows without news are computed again this often. */
const sweepMs = 20;
/** What stands for the KV cache of an engine of which nothing is known: the middle. */
const unknownKvCacheRatio = 0.5;

/** No engine has restarted, most of the time. */
const noSlots: readonly number[] = [];

/** One request as the view counted it. */
export interface CountedRequest {
  readonly slot: number;
  /** Counts the requests of the slot. */
  readonly number: number;
  readonly tokens: number;
  /** Its answer has begun. */
  hasStarted: boolean;
}

/**
 * What is believed of every endpoint's load now.
 *
 * The engine's last report is corrected by what we have sent and seen finish since it was asked for:
 *
 *     waiting = max(0, reported waiting - finished) + sent and not begun
 *     running = max(0, reported running - finished beyond the waiting ones) + sent and begun
 *
 * so a burst between two reports is seen as it happens. With trust t (`trustIn`) in the report, our own
 * accounting has the weight 1 - t: requests in flight wait until their answer begins, and run from then
 * on. An engine never has fewer requests than we have in flight there: what is missing is added, which
 * corrects one that reports nothing but zeros. KV cache use follows the prompt tokens in flight.
 */
export class RunningView {
  readonly #board: SignalBoard;
  readonly #columns: LoadColumns;
  /** Requests of ours in flight whose answer has begun. */
  readonly #started: Float64Array;
  /** Of the requests sent since the current report: those that have ended, and those begun and not ended. */
  readonly #newEnded: Float64Array;
  readonly #newStarted: Float64Array;
  /** `sentBefore` of the current report. */
  readonly #sentBefore: Float64Array;
  /** Version of the board's last report that was looked at. */
  readonly #versions: Int32Array;
  /** Where on the board the report lies that the row goes by; -1 for none. */
  readonly #reports: Int32Array;
  readonly #isDirty: Uint8Array;
  /** Attributes as reported, under the same names as the view's. */
  readonly #reportedAttributes = new Map<string, Float64Array>();
  /** Unix seconds; NaN where the engine does not say. */
  readonly #engineStartedAt: Float64Array;
  /** Requests that the current report has; NaN without a report. */
  readonly #reportedRequests: Float64Array;
  /** Slots whose engine has restarted, since the tick began. */
  #restarted: readonly number[] = noSlots;
  /** How far reports count by their age. */
  trust: TrustSettings = defaultTrust;
  #sweptAtMs = Number.NEGATIVE_INFINITY;

  constructor(board: SignalBoard) {
    const { slotsMax } = board.shared;
    const column = () => new Float64Array(slotsMax);
    this.#board = board;
    this.#columns = createLoadColumns(slotsMax, board);
    this.#started = column();
    this.#newEnded = column();
    this.#newStarted = column();
    this.#sentBefore = column();
    this.#engineStartedAt = new Float64Array(slotsMax).fill(Number.NaN);
    this.#reportedRequests = new Float64Array(slotsMax).fill(Number.NaN);
    this.#versions = new Int32Array(slotsMax);
    this.#reports = new Int32Array(slotsMax).fill(-1);
    this.#isDirty = new Uint8Array(slotsMax).fill(1);
  }

  /**
   * What is believed of every endpoint's load, as of the last tick: live columns and no copy, which only a tick and the
   * counting of requests change.
   */
  get load(): LoadSnapshot {
    return this.#columns;
  }

  /**
   * Takes in the reports of `endpoints` that have arrived and lets the others age. Returns the slots of engines that have
   * restarted: they say that they began later than they said before.
   */
  tick(nowMs: number, endpoints: readonly Endpoint[]): readonly number[] {
    this.#restarted = noSlots;
    const isSweep = nowMs - this.#sweptAtMs >= sweepMs;
    if (isSweep) this.#sweptAtMs = nowMs;
    const { versions } = this.#board;
    for (const { slot } of endpoints) {
      const hasNews = versions[slot] !== this.#versions[slot];
      if (hasNews) this.#acceptReport(slot);
      if (hasNews || isSweep || this.#isDirty[slot] === 1) this.#compute(slot, nowMs);
    }
    return this.#restarted;
  }

  /** Requests in the row beyond those of its report; 0 without one. */
  correctionOf({ slot }: Endpoint): number {
    const { waitingRequests, runningRequests } = this.#columns;
    const believed = valueAt(waitingRequests, slot) + valueAt(runningRequests, slot);
    return knownOr(believed - valueAt(this.#reportedRequests, slot), 0);
  }

  sent(slot: number, tokens: number): CountedRequest {
    const { sentRequests, inFlightRequests, inFlightTokens } = this.#board;
    const number = valueAt(sentRequests, slot) + 1;
    sentRequests[slot] = number;
    add(inFlightRequests, slot, 1);
    add(inFlightTokens, slot, tokens);
    this.#isDirty[slot] = 1;
    return { slot, number, tokens, hasStarted: false };
  }

  started(request: CountedRequest): void {
    if (request.hasStarted) return;
    request.hasStarted = true;
    const { slot } = request;
    add(this.#started, slot, 1);
    if (this.#isNew(request)) add(this.#newStarted, slot, 1);
    this.#isDirty[slot] = 1;
  }

  finished(request: CountedRequest): void {
    const { slot, tokens, hasStarted } = request;
    const { finishedRequests, inFlightRequests, inFlightTokens } = this.#board;
    add(finishedRequests, slot, 1);
    add(inFlightRequests, slot, -1);
    add(inFlightTokens, slot, -tokens);
    if (hasStarted) add(this.#started, slot, -1);
    if (this.#isNew(request)) {
      add(this.#newEnded, slot, 1);
      if (hasStarted) add(this.#newStarted, slot, -1);
    }
    this.#isDirty[slot] = 1;
  }

  setAdapters(slot: number, adapters: AdapterState | undefined): void {
    this.#columns.adapters[slot] = adapters;
  }

  /** Where the reader of engines writes the attributes with these names; memory shared by threads. */
  attributeColumns(names: Iterable<string>): ReadonlyMap<string, Float64Array> {
    const { slotsMax } = this.#board.shared;
    const wanted = new Map<string, Float64Array>();
    for (const name of names) {
      const bytes = slotsMax * Float64Array.BYTES_PER_ELEMENT;
      const column =
        this.#reportedAttributes.get(name) ??
        new Float64Array(new SharedArrayBuffer(bytes)).fill(Number.NaN);
      this.#reportedAttributes.set(name, column);
      wanted.set(name, column);
      if (!this.#columns.attributes.has(name)) {
        this.#columns.attributes.set(name, new Float64Array(slotsMax).fill(Number.NaN));
      }
    }
    return wanted;
  }

  /** Forgets what was reported of a slot whose endpoint comes or goes. */
  turnover(slot: number): void {
    this.#reports[slot] = -1;
    this.#reportedRequests[slot] = Number.NaN;
    this.#isDirty[slot] = 1;
    this.#versions[slot] = this.#board.versions[slot] ?? 0;
    for (const counts of Object.values(this.#board.scrapes)) counts[slot] = 0;
    for (const column of this.#reportedAttributes.values()) column[slot] = Number.NaN;
    this.#engineStartedAt[slot] = Number.NaN;
    clearSignals(this.#columns, slot);
  }

  /** Forgets the rest of a slot that becomes free. */
  freed(slot: number): void {
    this.#board.inFlightTokens[slot] = 0;
    this.#started[slot] = 0;
    this.#newStarted[slot] = 0;
  }

  #isNew({ slot, number }: CountedRequest): boolean {
    return number > valueAt(this.#sentBefore, slot);
  }

  #acceptReport(slot: number): void {
    const board = this.#board;
    this.#versions[slot] = board.versions[slot] ?? 0;
    const row = board.rowOf(slot);
    // A scrape of the endpoint that had the slot before came late.
    if (board.field(row, "generation") !== board.generations[slot]) return;
    this.#reports[slot] = row;
    this.#reportedRequests[slot] =
      knownOr(board.field(row, "waitingRequests"), 0) +
      knownOr(board.field(row, "runningRequests"), 0);
    this.#sentBefore[slot] = board.field(row, "sentBefore");
    this.#newEnded[slot] = 0;
    this.#newStarted[slot] = 0;
    const columns = this.#columns;
    columns.blockTokens[slot] = board.field(row, "blockTokens");
    columns.blocksMax[slot] = board.field(row, "blocksMax");
    this.#noteStart(slot, board.field(row, "startedAtSeconds"));
    const atMs = board.field(row, "atMs");
    columns.signalsAtMs[slot] = atMs;
    columns.signalsDueAtMs[slot] = atMs + board.field(row, "intervalMs");
  }

  #noteStart(slot: number, startedAtSeconds: number): void {
    const before = valueAt(this.#engineStartedAt, slot);
    if (Number.isFinite(startedAtSeconds)) this.#engineStartedAt[slot] = startedAtSeconds;
    if (startedAtSeconds > before) this.#restarted = [...this.#restarted, slot];
  }

  #compute(slot: number, nowMs: number): void {
    this.#isDirty[slot] = 0;
    const columns = this.#columns;
    // NaN, and so no trust, where there is no report.
    const dueAtMs = valueAt(columns.signalsDueAtMs, slot);
    const trust = trustIn(nowMs - dueAtMs, this.trust);
    columns.signalsTrust[slot] = trust;
    const { told } = columns;
    if (trust > 0 && trust < 1) {
      this.#computeRequests(slot, 1);
      this.#computeKvCache(slot, 1);
      this.#noteTold(slot);
    }
    this.#computeRequests(slot, trust);
    this.#computeKvCache(slot, trust);
    if (trust >= 1) this.#noteTold(slot);
    else if (trust <= 0) for (const signal of loadSignals) told[signal][slot] = Number.NaN;
    for (const [name, reported] of this.#reportedAttributes) {
      const column = columns.attributes.get(name);
      if (column !== undefined) column[slot] = trust > 0 ? valueAt(reported, slot) : Number.NaN;
    }
  }

  /** Keeps what was computed at full trust, of the signals that the report has. */
  #noteTold(slot: number): void {
    const columns = this.#columns;
    const row = this.#reports[slot] ?? 0;
    for (const signal of loadSignals) {
      const isReported = !Number.isNaN(this.#board.field(row, signal));
      columns.told[signal][slot] = isReported ? valueAt(columns[signal], slot) : Number.NaN;
    }
  }

  #computeRequests(slot: number, trust: number): void {
    const board = this.#board;
    const inFlight = valueAt(board.inFlightRequests, slot);
    const ownRunning = valueAt(this.#started, slot);
    const ownWaiting = inFlight - ownRunning;
    let waiting = ownWaiting;
    let running = ownRunning;
    if (trust > 0) {
      const row = this.#reports[slot] ?? 0;
      const newEnded = valueAt(this.#newEnded, slot);
      const newStarted = Math.max(0, valueAt(this.#newStarted, slot));
      const newOpen =
        valueAt(board.sentRequests, slot) - valueAt(this.#sentBefore, slot) - newEnded;
      const ended = valueAt(board.finishedRequests, slot) - board.field(row, "finishedBefore");
      const endedSince = Math.max(0, ended - newEnded);
      const reportedWaiting = board.field(row, "waitingRequests");
      const reportedRunning = board.field(row, "runningRequests");
      const beyondWaiting = Math.max(0, endedSince - knownOr(reportedWaiting, 0));
      const correctedWaiting =
        Math.max(0, reportedWaiting - endedSince) + Math.max(0, newOpen - newStarted);
      const correctedRunning = Math.max(0, reportedRunning - beyondWaiting) + newStarted;
      // What the engine does not report stays our own.
      waiting += trust * (knownOr(correctedWaiting, ownWaiting) - ownWaiting);
      running += trust * (knownOr(correctedRunning, ownRunning) - ownRunning);
    }
    const missing = inFlight - waiting - running;
    if (missing > 0) {
      const toWaiting = Math.min(missing, Math.max(0, ownWaiting - waiting));
      waiting += toWaiting;
      running += missing - toWaiting;
    }
    this.#columns.waitingRequests[slot] = waiting;
    this.#columns.runningRequests[slot] = running;
  }

  #computeKvCache(slot: number, trust: number): void {
    const board = this.#board;
    const columns = this.#columns;
    const capacity = valueAt(columns.blockTokens, slot) * valueAt(columns.blocksMax, slot);
    const tokens = valueAt(board.inFlightTokens, slot);
    // NaN where the engine never said how much its cache holds.
    const own = Math.min(1, tokens / capacity);
    let used = own;
    if (trust > 0) {
      const row = this.#reports[slot] ?? 0;
      const reported = board.field(row, "kvCacheUsedRatio");
      const added = (tokens - board.field(row, "tokensBefore")) / capacity;
      const corrected = Math.min(1, Math.max(0, reported + knownOr(added, 0)));
      const rest = (1 - trust) * knownOr(own, unknownKvCacheRatio);
      used = knownOr(trust * corrected + rest, own);
    }
    columns.kvCacheUsedRatio[slot] = used;
  }
}

function knownOr(value: number, otherwise: number): number {
  return Number.isNaN(value) ? otherwise : value;
}

function valueAt(column: Float64Array, slot: number): number {
  return column[slot] ?? Number.NaN;
}

function add(column: Float64Array, slot: number, amount: number): void {
  column[slot] = (column[slot] ?? 0) + amount;
}
