/** Values before which the bounds say nothing: they are right only for many values. */
const countMin = 8;
/** The bounds are narrowest after about this many values. */
const countBest = 32;

/** Bounds of a mean. */
export interface MeanBounds {
  readonly mean: number;
  readonly lower: number;
  readonly upper: number;
}

/**
 * Bounds of the mean of values that hold at every time at once, so that one may look after each value and stop when one
 * likes: an asymptotic confidence sequence,
 *
 *     mean ± deviation x sqrt(2 (n r² + 1) / (n² r²) x ln(sqrt(n r² + 1) / risk))
 *
 * where `r` is chosen for the number of values at which the bounds are to be narrowest. (Waudby-Smith, Arbour, Sinha,
 * Kennedy, Ramdas: Time-uniform central limit theory and asymptotic confidence sequences, theorem 2.2.)
 */
export class MeanSequence {
  readonly #risk: number;
  readonly #r2: number;
  #count = 0;
  #mean = 0;
  /** Sum of squared distances from the mean. */
  #squares = 0;

  /** `risk`: probability that the mean is ever outside the bounds. */
  constructor(risk: number) {
    this.#risk = risk;
    const twice = -2 * Math.log(risk);
    this.#r2 = (twice + Math.log(twice + 1)) / countBest;
  }

  get count(): number {
    return this.#count;
  }

  add(value: number): void {
    this.#count += 1;
    const before = value - this.#mean;
    this.#mean += before / this.#count;
    this.#squares += before * (value - this.#mean);
  }

  /** Undefined before there are enough values. */
  get bounds(): MeanBounds | undefined {
    const count = this.#count;
    if (count < countMin) return undefined;
    const deviation = Math.sqrt(this.#squares / (count - 1));
    const spread = count * this.#r2 + 1;
    const width =
      deviation *
      Math.sqrt(
        ((2 * spread) / (count * count * this.#r2)) * Math.log(Math.sqrt(spread) / this.#risk),
      );
    return { mean: this.#mean, lower: this.#mean - width, upper: this.#mean + width };
  }
}
