/** Interval between the first requests that try a paused endpoint; it doubles with each failure. */
const firstIntervalMs = 200;
const intervalMsMax = 2_000;

/**
 * The pause of an endpoint whose connections fail. A dead engine refuses at once, and so looks empty: without a pause, it
 * would draw all requests until its ejection. Until something answers there, one request tries it at a time.
 *
 * All times are monotonic milliseconds.
 */
export class Pause {
  /** Scrapes that were answered when it began. */
  readonly #answered: number;
  /** True if a connection was refused; false if streams broke, which clients may have done too. */
  readonly isRefused: boolean;
  #sinceMs: number;
  #intervalMs = firstIntervalMs;
  #nextMs: number;

  constructor(
    nowMs: number,
    { answered, isRefused }: { readonly answered: number; readonly isRefused: boolean },
  ) {
    this.#sinceMs = nowMs;
    this.#nextMs = nowMs + firstIntervalMs;
    this.#answered = answered;
    this.isRefused = isRefused;
  }

  /** True if a request may try the endpoint now. */
  isDue(nowMs: number): boolean {
    return nowMs >= this.#nextMs;
  }

  /** Notes a request that is sent all the same, or as a try. */
  sent(nowMs: number): void {
    this.#nextMs = nowMs + this.#intervalMs;
  }

  /** Notes a request that failed, and when it was sent. */
  failed(sentMs: number, nowMs: number): void {
    // Those that were sent before are no further evidence.
    if (sentMs <= this.#sinceMs) return;
    this.#sinceMs = nowMs;
    this.#intervalMs = Math.min(2 * this.#intervalMs, intervalMsMax);
    this.#nextMs = nowMs + this.#intervalMs;
  }

  /** True if an answer to a request that was sent at this time ends the pause. */
  endsWith(sentMs: number): boolean {
    return !this.isRefused || sentMs > this.#sinceMs;
  }

  /** True if scrapes end it: they show that the engine lives, but not that it takes connections. */
  isOver(scrapesAnswered: number): boolean {
    return !this.isRefused && scrapesAnswered > this.#answered;
  }
}
