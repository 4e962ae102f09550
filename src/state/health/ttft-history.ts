/** Weight of one answer in what is recent: some 20 answers. */
const recentWeight = 0.1;
/** Weight of one answer in what is usual: some 1,000. */
const usualWeight = 0.002;
/** Answers before which nothing is called usual, and nothing recent. */
const usualMin = 100;
const recentMin = 20;

/**
 * An endpoint's times to first token, of late and as they usually are, as means of their logarithms: a long
 * prompt counts for more, but not for all.
 */
export class TtftHistory {
  #recentLog = 0;
  #recentCount = 0;
  #usualLog = 0;
  #usualCount = 0;

  /** @param ttftMs milliseconds from sending to the first byte of the answer's body */
  note(ttftMs: number): void {
    const log = Math.log(Math.max(1, ttftMs));
    this.#recentCount += 1;
    this.#recentLog += Math.max(recentWeight, 1 / this.#recentCount) * (log - this.#recentLog);
    this.#usualCount += 1;
    this.#usualLog += Math.max(usualWeight, 1 / this.#usualCount) * (log - this.#usualLog);
  }

  /** Logarithm of how many times the usual the recent ones are; undefined while that is not known. */
  get shift(): number | undefined {
    if (this.#usualCount < usualMin || this.#recentCount < recentMin) return undefined;
    return this.#recentLog - this.#usualLog;
  }

  /** The usual time to first token in milliseconds; undefined while it is not known. */
  get usualMs(): number | undefined {
    return this.#usualCount < usualMin ? undefined : Math.exp(this.#usualLog);
  }

  /** Begins anew with what is recent. */
  forgetRecent(): void {
    this.#recentLog = 0;
    this.#recentCount = 0;
  }

  /** Logarithm of how many times the usual the answers since `forgetRecent` are, however few; 0 where nothing is known. */
  get trialShift(): number {
    if (this.#recentCount === 0 || this.#usualCount < usualMin) return 0;
    return this.#recentLog - this.#usualLog;
  }
}
