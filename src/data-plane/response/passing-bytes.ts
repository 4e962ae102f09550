/**
 * What goes on of the chunks of a body in which some bytes are replaced or held back. A chunk in
 * which nothing changes goes on as it is, without a copy.
 */
export class PassingBytes {
  #chunk: Buffer = Buffer.alloc(0);
  /** Bytes of the chunk before this one are in `#pieces`, or do not go on. */
  #passed = 0;
  #pieces: Uint8Array[] = [];

  start(chunk: Buffer): void {
    this.#chunk = chunk;
    this.#passed = 0;
    this.#pieces = [];
  }

  /** Lets `bytes` go on in place of the chunk's bytes from `start` up to `end`. */
  replace(start: number, end: number, bytes: Uint8Array): void {
    this.#pieces.push(this.#chunk.subarray(this.#passed, start), bytes);
    this.#passed = end;
  }

  /** All that goes on now. */
  finish(): Uint8Array {
    if (this.#pieces.length === 0) return this.#chunk;
    this.#pieces.push(this.#chunk.subarray(this.#passed));
    return Buffer.concat(this.#pieces);
  }
}
