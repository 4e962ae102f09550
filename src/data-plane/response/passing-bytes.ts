/**
 * Bytes to send on from the chunks of a body in which some bytes are replaced or held back. An unchanged chunk is sent
 * on without a copy.
 */
export class PassingBytes {
  #chunk: Buffer = Buffer.alloc(0);
  /** Offset in the chunk up to which bytes are in `#pieces` or dropped. */
  #passed = 0;
  #pieces: Uint8Array[] = [];

  start(chunk: Buffer): void {
    this.#chunk = chunk;
    this.#passed = 0;
    this.#pieces = [];
  }

  /** Replaces the chunk's bytes from `start` up to `end` by `bytes`. */
  replace(start: number, end: number, bytes: Uint8Array): void {
    this.#pieces.push(this.#chunk.subarray(this.#passed, start), bytes);
    this.#passed = end;
  }

  /** All bytes to send on now. */
  finish(): Uint8Array {
    if (this.#pieces.length === 0) return this.#chunk;
    this.#pieces.push(this.#chunk.subarray(this.#passed));
    return Buffer.concat(this.#pieces);
  }
}
