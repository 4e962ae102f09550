import { isDeepStrictEqual } from "node:util";
import type { LeaseRecord } from "./lease.ts";

/**
 * Longest time between two answers that still counts as contact, in milliseconds. Longer than two
 * reads at their two-second interval with one answer missing, shorter than any lease.
 */
const silenceMsMax = 5_000;

/** Times of a request and its answer, in monotonic milliseconds. */
export interface Answered {
  readonly askedAtMs: number;
  readonly answeredAtMs: number;
}

/**
 * Determines if the holder of a Lease has stopped: its record has not changed for its lease
 * duration, by our own clock since we first saw it. The times in the record are ignored.
 *
 * Time without contact does not count as time without renewal. The wait restarts when contact is
 * restored, so a holder that lost the API server at the same time can renew first.
 */
export class HolderWatch {
  #record: LeaseRecord | undefined;
  #sinceMs = 0;
  #contactAtMs = Number.NEGATIVE_INFINITY;
  #unchangedMs = 0;

  /** Notes an answer that shows the record. */
  saw(record: LeaseRecord, { askedAtMs, answeredAtMs }: Answered): void {
    const wasSilent = answeredAtMs - this.#contactAtMs > silenceMsMax;
    if (wasSilent || !isDeepStrictEqual(record, this.#record)) this.#sinceMs = answeredAtMs;
    this.#record = record;
    this.#contactAtMs = answeredAtMs;
    // An answer shows the state at the time of the request, which may have changed since.
    this.#unchangedMs = askedAtMs - this.#sinceMs;
  }

  /** True if the record seen last has expired. */
  get isExpired(): boolean {
    return this.#unchangedMs >= this.#durationMs;
  }

  /** Milliseconds from `nowMs` until it may expire. */
  remainingMs(nowMs: number): number {
    return Math.max(0, this.#sinceMs + this.#durationMs - nowMs);
  }

  get #durationMs(): number {
    return (this.#record?.leaseDurationSeconds ?? 0) * 1_000;
  }
}
