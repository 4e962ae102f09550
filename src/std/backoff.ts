import type { Random } from "./random.ts";

export interface BackoffOptions {
  readonly firstMs: number;
  readonly maxMs: number;
}

/** Pauses between tries that fail: each twice the one before, with jitter, up to a limit. */
export class Backoff {
  readonly #options: BackoffOptions;
  readonly #random: Random;
  #nextMs: number;

  constructor(options: BackoffOptions, random: Random) {
    this.#options = options;
    this.#random = random;
    this.#nextMs = options.firstMs;
  }

  /** Milliseconds to wait before the next try: between half of the pause and all of it. */
  next(): number {
    const pauseMs = this.#nextMs;
    this.#nextMs = Math.min(pauseMs * 2, this.#options.maxMs);
    return jittered(pauseMs, this.#random);
  }

  /** A try has succeeded. */
  reset(): void {
    this.#nextMs = this.#options.firstMs;
  }
}

/** Between half of `pauseMs` and all of it, so that many who wait do not come at once. */
export function jittered(pauseMs: number, random: Random): number {
  return pauseMs * (0.5 + random() / 2);
}
