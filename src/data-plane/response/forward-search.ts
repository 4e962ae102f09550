/**
 * Finds the places of one needle in order, and remembers the last one found: asking again for a
 * place that still lies ahead costs nothing. A chunk without the needle is searched once, however
 * many lines or events it holds.
 */
export class ForwardSearch {
  readonly #needle: number | Buffer;
  #bytes: Buffer = Buffer.alloc(0);
  #found = 0;

  constructor(needle: number | Buffer) {
    this.#needle = needle;
  }

  /** Begins anew, in `bytes`. */
  start(bytes: Buffer): void {
    this.#bytes = bytes;
    this.#found = -1;
  }

  /** The first place at or after `from`, which must not go back; the length where there is none. */
  next(from: number): number {
    if (this.#found < from) {
      const index = this.#bytes.indexOf(this.#needle, from);
      this.#found = index === -1 ? this.#bytes.byteLength : index;
    }
    return this.#found;
  }
}
