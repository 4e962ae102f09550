import type { Endpoint } from "../core/endpoint.ts";
import { slotsOf } from "../core/endpoint-slots.ts";
import type { AdapterState, LoadSnapshot } from "../core/load.ts";
import type { TrustSettings } from "../core/signal-settings.ts";
import { loadSignals } from "../core/signals.ts";
import { clearSignals, createLoadColumns, type LoadColumns } from "./load-columns.ts";
import type { SignalBoard } from "./signal-board.ts";
import { defaultTrust, trustIn } from "./trust.ts";

/** Ages change slowly: rows without other changes are looked at again at this interval. */
const sweepMs = 20;
/** Assumed KV cache use of an engine without any data: the middle. */
const unknownKvCacheRatio = 0.5;

/** Shared empty result: usually no engine has restarted. */
const noRestarts: readonly SlotRestart[] = [];

/** A restart of an engine, as reports tell it. */
export interface ReportedRestart {
  /** Unix seconds, by the engine's clock. */
  readonly startedAtSeconds: number;
  /** When the engine was asked for the last report that did not tell the restart. */
  readonly lastReportMs: number;
}

interface SlotRestart extends ReportedRestart {
  readonly slot: number;
}

/** One request as the view counted it. */
export interface CountedRequest {
  readonly slot: number;
  /** Ordinal of the request in its slot, from 1. */
  readonly number: number;
  readonly tokens: number;
  /** True once its answer has begun. */
  hasStarted: boolean;
}

/**
 * The estimated load of every endpoint now.
 *
 * The engine's last report is corrected by the requests that were sent and that finished since it
 * was asked for:
 *
 *     waiting = max(0, reported waiting - finished) + sent and not begun
 *     running = max(0, reported running - finished beyond the waiting ones) + sent and begun
 *
 * so a burst between two reports is seen as it happens. With trust t (`trustIn`) in the report, our
 * own count has the weight 1 - t: requests in flight wait until their answer begins, and run from
 * then on. An engine never has fewer requests than we have in flight there: the difference is
 * added, which corrects an engine that reports only zeros. KV cache use follows the prompt tokens
 * in flight.
 */
export class RunningView {
  readonly #board: SignalBoard;
  readonly #columns: LoadColumns;
  /** Requests of ours in flight whose answer has begun. */
  readonly #started: Float64Array;
  /**
   * Of the requests sent since the current report: those that have ended, and those begun and not
   * ended.
   */
  readonly #newEnded: Float64Array;
  readonly #newStarted: Float64Array;
  /** `sentBefore` of the current report. */
  readonly #sentBefore: Float64Array;
  /** Version of the last report that was read from the board. */
  readonly #versions: Int32Array;
  /** Offset on the board of the report in use; -1 for none. */
  readonly #reports: Int32Array;
  readonly #isDirty: Uint8Array;
  /** Attributes as reported, under the same names as the view's. */
  readonly #reportedAttributes = new Map<string, Float64Array>();
  /** Unix seconds; NaN if the engine does not report it. */
  readonly #engineStartedAt: Float64Array;
  /** Requests in the current report; NaN without a report. */
  readonly #reportedRequests: Float64Array;
  /** Engines that have restarted, since the tick began. */
  #restarted: readonly SlotRestart[] = noRestarts;
  /** The weight of reports by their age. */
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
   * The estimated load of every endpoint as of the last tick: live columns, not a copy. Only ticks
   * and counts of requests change them.
   */
  get load(): LoadSnapshot {
    return this.#columns;
  }

  /**
   * Applies new reports of `endpoints` and lets the others age. Returns the engines that have
   * restarted, which is if they report a later start than before.
   */
  tick(nowMs: number, endpoints: readonly Endpoint[]): readonly SlotRestart[] {
    this.#restarted = noRestarts;
    const isSweep = nowMs - this.#sweptAtMs >= sweepMs;
    if (isSweep) this.#sweptAtMs = nowMs;
    const { versions } = this.#board;
    const known = this.#versions;
    const isDirty = this.#isDirty;
    const slots = slotsOf(endpoints);
    const count = slots.length;
    for (let index = 0; index < count; index += 1) {
      const slot = slots[index] ?? 0;
      const hasNews = versions[slot] !== known[slot];
      if (hasNews) this.#acceptReport(slot);
      const isDue = hasNews || isDirty[slot] === 1 || (isSweep && this.#hasAged(slot, nowMs));
      if (isDue) this.#compute(slot, nowMs);
    }
    return this.#restarted;
  }

  /** Estimated requests beyond those of the report; 0 without a report. */
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

  /**
   * The columns that the scraper writes the attributes with these names to; memory shared by
   * threads.
   */
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
        this.#isDirty.fill(1);
      }
    }
    return wanted;
  }

  /** Clears the reports of a slot when its endpoint joins or leaves. */
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

  /** Clears the rest of a slot that becomes free. */
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
    // A late scrape of the endpoint that had the slot before.
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
    columns.prefixLookupTokens[slot] = board.field(row, "prefixLookupTokens");
    columns.prefixHitTokens[slot] = board.field(row, "prefixHitTokens");
    this.#noteStart(slot, board.field(row, "startedAtSeconds"));
    const atMs = board.field(row, "atMs");
    columns.signalsAtMs[slot] = atMs;
    columns.signalsDueAtMs[slot] = atMs + board.field(row, "intervalMs");
  }

  /** True if the weight of the report has changed. Without a change, nothing else does with time. */
  #hasAged(slot: number, nowMs: number): boolean {
    const { signalsDueAtMs, signalsTrust } = this.#columns;
    return trustIn(nowMs - valueAt(signalsDueAtMs, slot), this.trust) !== signalsTrust[slot];
  }

  #noteStart(slot: number, startedAtSeconds: number): void {
    const before = valueAt(this.#engineStartedAt, slot);
    if (Number.isFinite(startedAtSeconds)) this.#engineStartedAt[slot] = startedAtSeconds;
    if (!(startedAtSeconds > before)) return;
    // Still of the report before this one.
    const lastReportMs = valueAt(this.#columns.signalsAtMs, slot);
    this.#restarted = [...this.#restarted, { slot, startedAtSeconds, lastReportMs }];
  }

  #compute(slot: number, nowMs: number): void {
    this.#isDirty[slot] = 0;
    const columns = this.#columns;
    // NaN without a report, and so no trust.
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

  /** Keeps the values computed at full trust, for signals that the report has. */
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
      const newSent =
        valueAt(board.sentRequests, slot) - valueAt(this.#sentBefore, slot) - newEnded;
      // Requests that were sent and ended while the report was on its way, of which no count was kept.
      const passed = Math.max(0, newSent - inFlight);
      const newOpen = newSent - passed;
      const ended = valueAt(board.finishedRequests, slot) - board.field(row, "finishedBefore");
      const endedSince = Math.max(0, ended - newEnded - passed);
      const reportedWaiting = board.field(row, "waitingRequests");
      const reportedRunning = board.field(row, "runningRequests");
      const beyondWaiting = Math.max(0, endedSince - knownOr(reportedWaiting, 0));
      const correctedWaiting =
        Math.max(0, reportedWaiting - endedSince) + Math.max(0, newOpen - newStarted);
      const correctedRunning = Math.max(0, reportedRunning - beyondWaiting) + newStarted;
      // A signal that the engine does not report keeps our own count.
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
    // NaN if the engine never reported the size of its cache.
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
