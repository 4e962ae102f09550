/** Fields of one report of an engine, in the order of its row. */
const reportFields = [
  "waitingRequests",
  "runningRequests",
  "kvCacheUsedRatio",
  "blockTokens",
  "blocksMax",
  "prefixLookupTokens",
  "prefixHitTokens",
  "startedAtSeconds",
  "atMs",
  "intervalMs",
  "sentBefore",
  "finishedBefore",
  "tokensBefore",
  "generation",
] as const;

/**
 * One report of an engine; NaN for a field without a value.
 *
 * - `startedAtSeconds`: Unix seconds at which its process started.
 * - `atMs`: monotonic milliseconds at which it was asked for.
 * - `intervalMs`: from then until the next one is to be asked for.
 * - `sentBefore`, `finishedBefore`, `tokensBefore`: the slot's own columns when it was asked for.
 * - `generation`: of the slot, so that a report about an endpoint that left is recognized.
 */
export type Report = Readonly<Record<(typeof reportFields)[number], number>>;

/** Reasons why a scrape brought no signals; `ScrapeFailure` describes each. */
export const scrapeFailures = ["connect", "timeout", "status", "too-large", "parse"] as const;

/** Counts and sizes of the scrapes of one endpoint, each since the endpoint's arrival. */
const scrapeFields = ["ok", ...scrapeFailures, "malformedLines", "bytes", "durationMs"] as const;
export type ScrapeField = (typeof scrapeFields)[number];

/** The part of the board that is sent to another thread; a structured clone shares the memory. */
export interface SharedBoard {
  readonly slotsMax: number;
  readonly memory: SharedArrayBuffer;
}

const width = reportFields.length;
/** Rows of each slot: one is read while the other is written. */
const rows = 2;
const ownFields = [
  "sentRequests",
  "finishedRequests",
  "inFlightRequests",
  "inFlightTokens",
] as const;

const offsets: Readonly<Record<keyof Report, number>> = Object.freeze(
  // Every field is among the entries, once.
  Object.fromEntries(reportFields.map((name, index) => [name, index])) as Record<
    keyof Report,
    number
  >,
);

/**
 * Memory shared by the thread that serves requests and the one that scrapes engines.
 *
 * Requests write their own columns and the generations; the scraper writes reports and the counts
 * of its scrapes. Each report is written to the row that is not being read and then made current by
 * its version, so a reader finds a whole report, the new or the previous one, and no thread waits.
 */
export class SignalBoard {
  readonly shared: SharedBoard;
  /** Requests ever sent to the slot; only differences have a meaning. */
  readonly sentRequests: Float64Array;
  /** Requests of the slot that ever ended; only differences have a meaning. */
  readonly finishedRequests: Float64Array;
  readonly inFlightRequests: Float64Array;
  /** Prompt tokens of the requests in flight. */
  readonly inFlightTokens: Float64Array;
  /** Incremented whenever an endpoint takes or leaves a slot. */
  readonly generations: Int32Array;
  readonly scrapes: Readonly<Record<ScrapeField, Float64Array>>;
  /**
   * Changes with each report of a slot. A plain read is a cheap check for a new report; `rowOf`
   * reads it atomically, in order with the report itself.
   */
  readonly versions: Int32Array;
  readonly #reports: Float64Array;

  private constructor(shared: SharedBoard) {
    const { slotsMax, memory } = shared;
    this.shared = shared;
    let at = 0;
    const column = (): Float64Array => {
      const taken = new Float64Array(memory, at, slotsMax);
      at += taken.byteLength;
      return taken;
    };
    this.sentRequests = column();
    this.finishedRequests = column();
    this.inFlightRequests = column();
    this.inFlightTokens = column();
    // Every field is among the entries, once.
    this.scrapes = Object.fromEntries(scrapeFields.map((name) => [name, column()])) as Record<
      ScrapeField,
      Float64Array
    >;
    this.#reports = new Float64Array(memory, at, slotsMax * rows * width);
    at += this.#reports.byteLength;
    this.generations = new Int32Array(memory, at, slotsMax);
    this.versions = new Int32Array(memory, at + this.generations.byteLength, slotsMax);
  }

  /** A board of `slotsMax` slots: 336 bytes each, 1.4 MB for 4,096. */
  static create(slotsMax: number): SignalBoard {
    const floats = ownFields.length + scrapeFields.length + rows * width;
    const bytes = floats * Float64Array.BYTES_PER_ELEMENT + 2 * Int32Array.BYTES_PER_ELEMENT;
    return new SignalBoard({ slotsMax, memory: new SharedArrayBuffer(slotsMax * bytes) });
  }

  /** The same board on another thread. */
  static of(shared: SharedBoard): SignalBoard {
    return new SignalBoard(shared);
  }

  /** Start of the slot's current report, for `field`. */
  rowOf(slot: number): number {
    return (slot * rows + (Atomics.load(this.versions, slot) & 1)) * width;
  }

  field(row: number, name: keyof Report): number {
    return this.#reports[row + offsets[name]] ?? Number.NaN;
  }

  /** Makes `report` the current one of the slot; only one thread publishes. */
  publish(slot: number, report: Report): void {
    const next = Atomics.load(this.versions, slot) + 1;
    const row = (slot * rows + (next & 1)) * width;
    for (const name of reportFields) this.#reports[row + offsets[name]] = report[name];
    // Becomes visible only once the whole row is written.
    Atomics.store(this.versions, slot, next);
  }
}
