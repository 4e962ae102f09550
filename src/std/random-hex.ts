import { randomFillSync } from "node:crypto";

/** Random bytes that are drawn at once: one call for many ids. */
const poolBytes = 4_096;

/** Unpredictable ids in hexadecimal. */
export class RandomHex {
  readonly #pool = Buffer.alloc(poolBytes);
  #used = poolBytes;

  /** Twice as many digits as `bytes`, which is at most a few tens. */
  next(bytes: number): string {
    if (this.#used + bytes > poolBytes) {
      randomFillSync(this.#pool);
      this.#used = 0;
    }
    const start = this.#used;
    this.#used += bytes;
    return this.#pool.toString("hex", start, this.#used);
  }
}
