/** Time over which work is counted, and for which the shares then hold. */
const windowMs = 1_000;
/** Work of one window may exceed the budget by this factor, because requests come in bursts; then the rest is cut off. */
const burst = 1.25;
/** Part of the budget that the shares aim at, so that they rarely exceed it. */
const aim = 0.8;
/** Least and most by which a share changes from window to window. */
const [changeMin, changeMax] = [0.25, 2];
/** Least shares: a single slow request must not end the comparison. */
const [learnedMin, comparedMin] = [0.01, 0.1];

/** The two kinds of work on a request: `learn` looks at it and learns from it, and `compare` also decides about it. */
export type StudyWork = "learn" | "compare";

/**
 * Keeps the work on requests within a share of the time of the event loop. Beyond it, fewer requests are compared first, and
 * only if learning alone takes too long, fewer are learned from.
 */
export class CpuBudget {
  /** Share of the time, above 0 to 1. */
  readonly share: number;
  /** Time spent since the start. */
  totalMs = 0;
  #learned = 1;
  /** Share of the requests that are learned from. */
  #comparedOfLearned = 1;
  #startedMs = Number.NaN;
  #hasWork = false;
  #spentMs = 0;

  constructor(share: number) {
    this.share = share;
  }

  /** Share of the requests that are learned from. */
  get learned(): number {
    return this.#learned;
  }

  /** Share of the requests that are compared; at most that of the others. */
  get compared(): number {
    return this.#learned * this.#comparedOfLearned;
  }

  /** The work to do on a request that arrives; undefined for none. `places`: numbers in [0, 1), asked for only if needed. */
  workOn(nowMs: number, places: Readonly<Record<StudyWork, () => number>>): StudyWork | undefined {
    if (!(nowMs - this.#startedMs < windowMs)) this.#next(nowMs);
    this.#hasWork = true;
    if (this.#spentMs >= this.share * windowMs * burst) return undefined;
    if (this.#learned < 1 && places.learn() >= this.#learned) return undefined;
    const share = this.#comparedOfLearned;
    return share === 1 || places.compare() < share ? "compare" : "learn";
  }

  spent(ms: number): void {
    this.#spentMs += ms;
    this.totalMs += ms;
  }

  #next(nowMs: number): void {
    const elapsedMs = nowMs - this.#startedMs;
    const usage = this.#spentMs / (this.share * elapsedMs);
    // NaN in the first window, and 0 without any work: the shares may rise.
    const change = usage > 0 ? Math.max(changeMin, Math.min(changeMax, aim / usage)) : changeMax;
    if (this.#hasWork) this.#change(change);
    this.#startedMs = nowMs;
    this.#hasWork = false;
    this.#spentMs = 0;
  }

  /** Gives comparing up first, and takes it up last. */
  #change(by: number): void {
    const isLearning = by < 1 ? this.#comparedOfLearned === comparedMin : this.#learned < 1;
    if (isLearning) this.#learned = Math.min(1, Math.max(learnedMin, this.#learned * by));
    else {
      this.#comparedOfLearned = Math.min(1, Math.max(comparedMin, this.#comparedOfLearned * by));
    }
  }
}
