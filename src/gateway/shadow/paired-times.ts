import { type MeanBounds, MeanSequence } from "./mean-sequence.ts";

/** Times of each document in a pair of means. */
const pairMin = 8;
/** Shorter times, in milliseconds, count as this: their logarithm would be of any size. */
const msMin = 0.1;

/** The two documents that decide about requests. */
export type ArmName = "inForce" | "shadow";

/**
 * Compares times of two documents over the same time: whenever both have some, the difference of the means of their logarithms
 * counts as one value. What changes for all requests, such as the load, changes both means, and single long times count little.
 */
export class PairedTimes {
  readonly #sequence: MeanSequence;
  readonly #open: Record<ArmName, { count: number; sum: number }> = {
    inForce: { count: 0, sum: 0 },
    shadow: { count: 0, sum: 0 },
  };

  constructor(risk: number) {
    this.#sequence = new MeanSequence(risk);
  }

  /** Pairs so far. */
  get count(): number {
    return this.#sequence.count;
  }

  /** Returns true if it made a pair. */
  add(arm: ArmName, ms: number): boolean {
    if (!Number.isFinite(ms)) return false;
    const { inForce, shadow } = this.#open;
    this.#open[arm].count += 1;
    this.#open[arm].sum += Math.log(Math.max(msMin, ms));
    if (inForce.count < pairMin || shadow.count < pairMin) return false;
    this.#sequence.add(shadow.sum / shadow.count - inForce.sum / inForce.count);
    for (const open of [inForce, shadow]) [open.count, open.sum] = [0, 0];
    return true;
  }

  /** The rise of the shadow document's times as a ratio: 0.1 is 10 % longer. Undefined before there are enough. */
  get rise(): MeanBounds | undefined {
    const { bounds } = this.#sequence;
    if (bounds === undefined) return undefined;
    const { mean, lower, upper } = bounds;
    return { mean: Math.expm1(mean), lower: Math.expm1(lower), upper: Math.expm1(upper) };
  }
}
