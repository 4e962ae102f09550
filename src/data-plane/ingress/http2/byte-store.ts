/** Bytes that the first allocation holds at least. */
const firstBytes = 4_096;

const nothing = Buffer.alloc(0);

/** Bytes that arrive in pieces of any size, gathered in one buffer: tiny pieces take no more memory than large ones. */
export class ByteStore {
  #bytes: Buffer = nothing;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Makes room for `bytes` in all, if the sender is to be believed. */
  expect(bytes: number): void {
    if (bytes > this.#bytes.length) this.#grow(bytes);
  }

  add(bytes: Uint8Array, start: number, end: number): void {
    const length = this.#length + end - start;
    if (length > this.#bytes.length) {
      this.#grow(Math.max(length, firstBytes, 2 * this.#bytes.length));
    }
    this.#bytes.set(bytes.subarray(start, end), this.#length);
    this.#length = length;
  }

  /** The number in the four bytes from `at` on. */
  uint32At(at: number): number {
    return this.#bytes.readUInt32BE(at);
  }

  byteAt(at: number): number {
    return this.#bytes[at] ?? 0;
  }

  /** Returns the gathered bytes and starts over. */
  take(): Buffer {
    const bytes = this.#bytes.subarray(0, this.#length);
    this.#bytes = nothing;
    this.#length = 0;
    return bytes;
  }

  #grow(bytes: number): void {
    const grown = Buffer.allocUnsafeSlow(bytes);
    this.#bytes.copy(grown, 0, 0, this.#length);
    this.#bytes = grown;
  }
}
