/**
 * Finds the occurrences of one needle in order, and caches the last one found, so that asking again before it is free.
 * A chunk without the needle is searched once, even if it has many lines or events.
 */
export class ForwardSearch {
  readonly #needle: number | Buffer;
  #bytes: Buffer = Buffer.alloc(0);
  #found = 0;

  constructor(needle: number | Buffer) {
    this.#needle = needle;
  }

  /** Starts a search in `bytes`. */
  start(bytes: Buffer): void {
    this.#bytes = bytes;
    this.#found = -1;
  }

  /** The first occurrence at or after `from`, or the length if there is none. `from` must not decrease. */
  next(from: number): number {
    if (this.#found < from) {
      const index = this.#bytes.indexOf(this.#needle, from);
      this.#found = index === -1 ? this.#bytes.byteLength : index;
    }
    return this.#found;
  }
}
