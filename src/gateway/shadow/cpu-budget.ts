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
/** Share of the time that the budget has at least: a picker with few requests can look at all of them. */
const shareOfTimeMin = 0.001;

/** The two kinds of work on a request: `learn` looks at it and learns from it, and `compare` also decides about it. */
export type StudyWork = "learn" | "compare";

/**
 * Keeps the work on requests within a share of the time for which the event loop is busy, so that a request takes that much
 * more at every rate. Beyond it, fewer requests are compared first, and only if learning alone takes too long, fewer are
 * learned from.
 */
export class CpuBudget {
  /** Share of the busy time, above 0 to 1. */
  readonly share: number;
  /** Time spent since the start, with that beyond the budget. */
  totalMs = 0;
  readonly #busyMs: () => number;
  /** Busy time at the start, and at that of the window. */
  readonly #busyBeforeMs: number;
  #busyAtMs: number;
  /** Of the window, as the one before it was busy. */
  #allowedMs: number;
  #learned = 1;
  /** Share of the requests that are learned from. */
  #comparedOfLearned = 1;
  #startedMs = Number.NaN;
  #hasWork = false;
  #spentMs = 0;

  /** `busyMs`: time for which the event loop has been busy, from any start. */
  constructor(share: number, busyMs: () => number) {
    this.share = share;
    this.#busyMs = busyMs;
    this.#busyBeforeMs = busyMs();
    this.#busyAtMs = this.#busyBeforeMs;
    this.#allowedMs = Math.max(shareOfTimeMin, share) * windowMs;
  }

  /** Share of the requests that are learned from. */
  get learned(): number {
    return this.#learned;
  }

  /** Share of the requests that are compared; at most that of the others. */
  get compared(): number {
    return this.#learned * this.#comparedOfLearned;
  }

  /** Time spent, as a share of the busy time since the start. */
  get used(): number {
    return this.totalMs / Math.max(1, this.#busyMs() - this.#busyBeforeMs);
  }

  /** The work to do on a request that arrives; undefined for none. `places`: numbers in [0, 1), asked for only if needed. */
  workOn(nowMs: number, places: Readonly<Record<StudyWork, () => number>>): StudyWork | undefined {
    if (!(nowMs - this.#startedMs < windowMs)) this.#next(nowMs);
    this.#hasWork = true;
    if (this.#isOver()) return undefined;
    if (this.#learned < 1 && places.learn() >= this.#learned) return undefined;
    const share = this.#comparedOfLearned;
    return share === 1 || places.compare() < share ? "compare" : "learn";
  }

  spent(ms: number): void {
    this.#spentMs += ms;
    this.totalMs += ms;
  }

  /** Work that has to be done whatever it takes: it leaves the shares unchanged. */
  spentBeyond(ms: number): void {
    this.totalMs += ms;
  }

  /** True if the work is cut off until the next window. */
  #isOver(): boolean {
    if (this.#spentMs < this.#allowedMs * burst) return false;
    // There may be more requests than a second ago.
    const soFarMs = this.share * (this.#busyMs() - this.#busyAtMs);
    this.#allowedMs = Math.max(this.#allowedMs, soFarMs);
    return this.#spentMs >= this.#allowedMs * burst;
  }

  #next(nowMs: number): void {
    const busyMs = this.#busyMs();
    // NaN in the first window.
    const elapsedMs = nowMs - this.#startedMs;
    const allowed = Math.max(shareOfTimeMin, (this.share * (busyMs - this.#busyAtMs)) / elapsedMs);
    const usage = this.#spentMs / (allowed * elapsedMs);
    // Without any work, the shares may rise.
    const change = usage > 0 ? Math.max(changeMin, Math.min(changeMax, aim / usage)) : changeMax;
    if (this.#hasWork) this.#change(change);
    if (allowed > 0) this.#allowedMs = allowed * windowMs;
    this.#busyAtMs = busyMs;
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
