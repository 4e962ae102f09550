import type { Clock } from "../../../std/clock.ts";
import { ConnectionError, errorCode } from "./frame-types.ts";

/** Frames of no use that a connection may send at once, and each millisecond after that. */
const noiseMax = 10_000;
const noisePerMs = 1;

/** Frames of no use that bytes of a request make up for: a proxy may end each stream in its own way. */
const earnedByData = 4;

/** Resets of streams that had sent something, at once and a second: each client that leaves causes one. */
const resetsMax = 1_000_000;
const resetsPerMs = 1_000;

/** A number of events that are allowed at once, and some more each millisecond. */
class Allowance {
  readonly #max: number;
  readonly #perMs: number;
  readonly #clock: Pick<Clock, "nowMs">;
  #left: number;
  #filledAtMs: number;

  constructor(max: number, perMs: number, clock: Pick<Clock, "nowMs">) {
    this.#max = max;
    this.#perMs = perMs;
    this.#clock = clock;
    this.#left = max;
    this.#filledAtMs = clock.nowMs();
  }

  earn(events: number): void {
    if (this.#left < this.#max) this.#left += events;
  }

  /** Takes one; false if none is left. The clock is read only when they have run out. */
  take(): boolean {
    if (this.#left < 1) {
      const nowMs = this.#clock.nowMs();
      this.#left = Math.min(this.#max, (nowMs - this.#filledAtMs) * this.#perMs);
      this.#filledAtMs = nowMs;
      if (this.#left < 1) return false;
    }
    this.#left -= 1;
    return true;
  }
}

/**
 * Bounds frames that cost work and serve no request: pings, settings, empty frames, frames of streams that are gone, and
 * streams that are reset before they have sent anything (CVE-2019-9512 to 9518, CVE-2023-44487).
 */
export class NoiseBudget {
  readonly #noise: Allowance;
  readonly #resets: Allowance;

  constructor(clock: Pick<Clock, "nowMs">) {
    this.#noise = new Allowance(noiseMax, noisePerMs, clock);
    this.#resets = new Allowance(resetsMax, resetsPerMs, clock);
  }

  /** Counts bytes of a request. */
  earn(): void {
    this.#noise.earn(earnedByData);
  }

  /** Counts a frame of no use; throws if the client has sent too many. */
  noise(): void {
    if (!this.#noise.take()) throw tooMany("frames that serve no request");
  }

  /** Counts a reset of a stream that had sent something. */
  reset(): void {
    if (!this.#resets.take()) throw tooMany("resets");
  }
}

function tooMany(what: string): ConnectionError {
  return new ConnectionError(errorCode.enhanceYourCalm, `too many ${what}`);
}
