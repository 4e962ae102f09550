/** The time after which a request is sent a second time. */
export type HedgeAfter =
  | { readonly kind: "fixed"; readonly ms: number }
  /** A share of the requests, 0 to 1: those beyond it are sent again. */
  | { readonly kind: "percentile"; readonly share: number };

/** Waits that are remembered; the oldest is dropped. */
const waitsMax = 1_000;

/** Waits that must be known before a percentile means anything. */
const waitsMin = 100;

/** Waits between two sorts. */
const sortInterval = 50;

/**
 * Decides how long the first byte of an answer may take until the request is hedged. A percentile is one of the last waits,
 * each as a multiple of its prediction, so that a long prompt or a queue that was expected hedges nothing.
 */
export class HedgeDelay {
  readonly #after: HedgeAfter;
  readonly #waits = new Float64Array(waitsMax);
  #count = 0;
  #limit = Infinity;

  constructor(after: HedgeAfter) {
    this.#after = after;
  }

  /**
   * Undefined if too little is known. `predictedMs`: undefined if nothing predicts latencies, NaN if the prediction of this
   * one is not known.
   */
  msFor(predictedMs: number | undefined): number | undefined {
    if (this.#after.kind === "fixed") return this.#after.ms;
    const isKnown = this.#count >= waitsMin && !Number.isNaN(predictedMs);
    return isKnown ? this.#limit * scaleOf(predictedMs) : undefined;
  }

  /** An answer began after this wait, or was outrun after it. */
  note(waitedMs: number, predictedMs: number | undefined): void {
    if (this.#after.kind === "fixed" || Number.isNaN(predictedMs)) return;
    this.#waits[this.#count % waitsMax] = waitedMs / scaleOf(predictedMs);
    this.#count += 1;
    if (this.#count < waitsMin || this.#count % sortInterval !== 0) return;
    const sorted = this.#waits.slice(0, Math.min(this.#count, waitsMax)).toSorted();
    this.#limit = sorted[Math.floor((sorted.length - 1) * this.#after.share)] ?? Infinity;
  }
}

/** Milliseconds that count as 1; a prediction of next to nothing would hedge everything. */
function scaleOf(predictedMs: number | undefined): number {
  return predictedMs === undefined ? 1 : Math.max(1, predictedMs);
}
