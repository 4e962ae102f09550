/** Interval between the first requests that try a paused endpoint; it doubles with each failure. */
const firstIntervalMs = 200;
const intervalMsMax = 2_000;
/** Longest time that an endpoint may ask for. */
const retryAfterMsMax = 30_000;

/**
 * The reason of a pause. `refused`: connections fail, or the endpoint is silent. `broke`: streams broke, which clients may
 * have done too. `busy`: it turns all requests away.
 */
export type PauseReason = "refused" | "broke" | "busy";

/**
 * The pause of an endpoint that takes no requests. A dead or a full engine answers at once, and so looks empty: without a
 * pause, it would draw all requests. Until something answers there, one request tries it at a time.
 *
 * All times are monotonic milliseconds.
 */
export class Pause {
  /** Scrapes that were answered when it began. */
  readonly #answered: number;
  readonly #reason: PauseReason;
  #sinceMs: number;
  #intervalMs: number;
  #nextMs: number;

  /** `retryAfterMs`: the time that a busy endpoint asks for. */
  constructor(
    nowMs: number,
    {
      answered,
      reason,
      retryAfterMs,
    }: {
      readonly answered: number;
      readonly reason: PauseReason;
      readonly retryAfterMs?: number | undefined;
    },
  ) {
    this.#sinceMs = nowMs;
    this.#intervalMs = firstIntervalMs;
    this.#nextMs = nowMs + waitMsOf(this.#intervalMs, retryAfterMs);
    this.#answered = answered;
    this.#reason = reason;
  }

  /** True if requests cannot reach the endpoint. */
  get isRefused(): boolean {
    return this.#reason === "refused";
  }

  /** True if a request may try the endpoint now. */
  isDue(nowMs: number): boolean {
    return nowMs >= this.#nextMs;
  }

  /** Notes a request that is sent all the same, or as a try. */
  sent(nowMs: number): void {
    this.#nextMs = Math.max(this.#nextMs, nowMs + this.#intervalMs);
  }

  /** Notes a request that failed, and when it was sent. */
  failed(sentMs: number, nowMs: number, retryAfterMs?: number): void {
    // Those that were sent before are no further evidence.
    if (sentMs <= this.#sinceMs) return;
    this.#sinceMs = nowMs;
    this.#intervalMs = Math.min(2 * this.#intervalMs, intervalMsMax);
    this.#nextMs = nowMs + waitMsOf(this.#intervalMs, retryAfterMs);
  }

  /** True if an answer to a request that was sent at this time ends the pause. */
  endsWith(sentMs: number): boolean {
    return this.#reason === "broke" || sentMs > this.#sinceMs;
  }

  /** True if scrapes end it: they show that the engine lives, but not that it takes requests. */
  isOver(scrapesAnswered: number): boolean {
    return this.#reason === "broke" && scrapesAnswered > this.#answered;
  }
}

function waitMsOf(intervalMs: number, retryAfterMs = 0): number {
  return Math.max(intervalMs, Math.min(retryAfterMs, retryAfterMsMax));
}
