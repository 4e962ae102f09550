import type { Clock } from "../../../../std/clock.ts";

const minuteMs = 60_000;

/** A limit per minute as a bucket that refills steadily. It may be overdrawn, and then refuses until it has recovered. */
export class TokenBucket {
  readonly perMinute: number;
  readonly #clock: Pick<Clock, "nowMs">;
  #level: number;
  #updatedMs: number;

  /** `perMinute`: above 0; also its capacity. It starts full. */
  constructor(perMinute: number, clock: Pick<Clock, "nowMs">) {
    this.perMinute = perMinute;
    this.#clock = clock;
    this.#level = perMinute;
    this.#updatedMs = clock.nowMs();
  }

  /** Below 0 if it is overdrawn. */
  get level(): number {
    const nowMs = this.#clock.nowMs();
    const refilled = ((nowMs - this.#updatedMs) * this.perMinute) / minuteMs;
    this.#level = Math.min(this.perMinute, this.#level + refilled);
    this.#updatedMs = nowMs;
    return this.#level;
  }

  /** Milliseconds until `amount` can be taken; 0 if it can be now. More than the capacity needs a full bucket. */
  msUntil(amount: number): number {
    const missing = Math.min(amount, this.perMinute) - this.level;
    return missing <= 0 ? 0 : (missing * minuteMs) / this.perMinute;
  }

  /** A negative amount is given back. */
  take(amount: number): void {
    this.#level = this.level - amount;
  }
}
