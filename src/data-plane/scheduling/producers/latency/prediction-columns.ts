import type { CostColumns } from "../../../../core/latency-prediction.ts";

const slotsMin = 64;

/** The numbers of one prediction by slot. */
export class PredictionColumns implements CostColumns {
  /** Tokens of the prompt that the endpoint has to compute; NaN for an endpoint that was no candidate. */
  readonly uncached: Float64Array;
  /** Tokens of the prompt that the endpoint is believed to hold. */
  readonly matched: Float64Array;
  readonly tokensPerMs: Float64Array;
  /** NaN for an endpoint that was no candidate. */
  readonly prefillMs: Float64Array;
  readonly copyMs: Float64Array;
  readonly adapterMs: Float64Array;
  readonly adapterWaitMs: Float64Array;
  readonly decoding: Float64Array;
  /** Milliseconds that a copy of a block would live, -1 if there is room for more; of matches without a column. */
  readonly lifetimeMs: Float64Array;
  /** Slots that need more than the usual arithmetic, in any number. */
  readonly special: Int32Array;

  constructor(slots = slotsMin) {
    const column = () => new Float64Array(slots);
    this.uncached = column().fill(Number.NaN);
    this.matched = column();
    this.tokensPerMs = column();
    this.prefillMs = column().fill(Number.NaN);
    this.copyMs = column();
    this.adapterMs = column();
    this.adapterWaitMs = column();
    this.decoding = column();
    this.lifetimeMs = column();
    this.special = new Int32Array(slots);
  }

  get length(): number {
    return this.uncached.length;
  }

  /** Begins with other candidates. */
  clear(): void {
    this.uncached.fill(Number.NaN);
    this.prefillMs.fill(Number.NaN);
  }

  clearWaits(): void {
    this.adapterMs.fill(0);
    this.adapterWaitMs.fill(0);
  }
}
