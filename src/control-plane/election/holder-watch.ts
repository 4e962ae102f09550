import { isDeepStrictEqual } from "node:util";
import type { LeaseRecord } from "./lease.ts";

/**
 * Longest time between two answers that still counts as contact, in milliseconds. Longer than a look
 * every two seconds that once gets no answer, shorter than any lease.
 */
const silenceMsMax = 5_000;

/** When a question was asked and answered, in monotonic milliseconds. */
export interface Answered {
  readonly askedAtMs: number;
  readonly answeredAtMs: number;
}

/**
 * Judges if the holder of a Lease has stopped: its record has not changed for as long as it is valid,
 * by our own clock since we saw it first. The times in the record play no part.
 *
 * Time without contact does not count as time without renewal. The wait restarts when contact is restored, and
 * so a holder that lost the API server with us gets its renewal in first.
 */
export class HolderWatch {
  #record: LeaseRecord | undefined;
  #sinceMs = 0;
  #contactAtMs = Number.NEGATIVE_INFINITY;
  #unchangedMs = 0;

  /** An answer has shown the record. */
  saw(record: LeaseRecord, { askedAtMs, answeredAtMs }: Answered): void {
    const wasSilent = answeredAtMs - this.#contactAtMs > silenceMsMax;
    if (wasSilent || !isDeepStrictEqual(record, this.#record)) this.#sinceMs = answeredAtMs;
    this.#record = record;
    this.#contactAtMs = answeredAtMs;
    // What an answer shows was so when it was asked for, and perhaps no longer now.
    this.#unchangedMs = askedAtMs - this.#sinceMs;
  }

  /** True if the record that was seen last has expired. */
  get isExpired(): boolean {
    return this.#unchangedMs >= this.#durationMs;
  }

  /** Milliseconds from `nowMs` to when it may have expired. */
  remainingMs(nowMs: number): number {
    return Math.max(0, this.#sinceMs + this.#durationMs - nowMs);
  }

  get #durationMs(): number {
    return (this.#record?.leaseDurationSeconds ?? 0) * 1_000;
  }
}
