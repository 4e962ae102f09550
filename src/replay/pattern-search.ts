/** A number to find, on a scale of factors. */
interface SearchedNumber {
  readonly name: string;
  readonly start: number;
  readonly min: number;
  readonly max: number;
}

export interface SearchOptions {
  readonly numbers: readonly SearchedNumber[];
  /** The number to make small. */
  readonly loss: (values: readonly number[]) => number | Promise<number>;
  /** Calls of `loss`, at most. */
  readonly evaluationsMax: number;
  /** Factor of the first steps, and the one below which the search ends. */
  readonly firstFactor: number;
  readonly lastFactor: number;
  /** Hears each call. */
  readonly onEvaluated?: ((evaluations: number, best: number) => void) | undefined;
}

export interface Found {
  readonly values: readonly number[];
  readonly loss: number;
  readonly evaluations: number;
}

/**
 * Searches along one number after another: up and down by a factor, and on in a direction that helps. If none helps, the
 * factor becomes its root.
 */
export async function patternSearch(options: SearchOptions): Promise<Found> {
  const search = new PatternSearch(options);
  await search.run();
  return search.found;
}

class PatternSearch {
  readonly #options: SearchOptions;
  readonly #tried = new Set<string>();
  #best: readonly number[];
  #loss = Number.POSITIVE_INFINITY;
  #evaluations = 0;

  constructor(options: SearchOptions) {
    this.#options = options;
    this.#best = options.numbers.map(({ start, min, max }) => {
      return Math.min(max, Math.max(min, start));
    });
  }

  get found(): Found {
    return { values: this.#best, loss: this.#loss, evaluations: this.#evaluations };
  }

  async run(): Promise<void> {
    const { firstFactor, lastFactor } = this.#options;
    await this.#helps(this.#best);
    for (let factor = firstFactor; factor > lastFactor && !this.#isOver;) {
      let hasHelped = false;
      for (const index of this.#best.keys()) {
        const helped = (await this.#along(index, factor)) || (await this.#along(index, 1 / factor));
        hasHelped ||= helped;
      }
      if (!hasHelped) factor = Math.sqrt(factor);
    }
  }

  get #isOver(): boolean {
    return this.#evaluations >= this.#options.evaluationsMax;
  }

  /** Goes on along one number as long as it helps; returns false if it does not help at all. */
  async #along(index: number, step: number): Promise<boolean> {
    const { min = 0, max = 0 } = this.#options.numbers[index] ?? {};
    const next = () => {
      return this.#best.map((value, place) =>
        place === index ? Math.min(max, Math.max(min, value * step)) : value,
      );
    };
    const hasHelped = await this.#helps(next());
    let helps = hasHelped;
    while (helps) helps = await this.#helps(next());
    return hasHelped;
  }

  async #helps(values: readonly number[]): Promise<boolean> {
    const key = values.map((value) => value.toPrecision(6)).join(" ");
    if (this.#tried.has(key) || this.#isOver) return false;
    this.#tried.add(key);
    this.#evaluations += 1;
    const loss = await this.#options.loss(values);
    const isBetter = loss < this.#loss;
    if (isBetter) {
      this.#loss = loss;
      this.#best = values;
    }
    this.#options.onEvaluated?.(this.#evaluations, this.#loss);
    return isBetter;
  }
}
