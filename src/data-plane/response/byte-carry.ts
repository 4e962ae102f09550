/** A buffer larger than this is released by `clear`, so that one long line does not keep its memory. */
const keptBytesMax = 64 * 1_024;

/** Initial size of the buffer, which fits most pieces of a split token event. */
const firstBytes = 256;

const noBytes = Buffer.alloc(0);

/**
 * Collects bytes over several chunks, up to a limit; bytes beyond it are dropped. Grows by doubling, so that the cost
 * of many small appends is linear.
 */
export class ByteCarry {
  readonly #bytesMax: number;
  #buffer: Buffer = noBytes;
  #length = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Number of bytes collected. */
  get length(): number {
    return this.#length;
  }

  /** Size of the buffer, at most the limit. */
  get capacityBytes(): number {
    return this.#buffer.byteLength;
  }

  /** The collected bytes; valid until the next `append` or `clear`. */
  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Adds the bytes of `source` from `start` up to `end`, as far as the limit allows. */
  append(source: Uint8Array, start: number, end: number): void {
    const length = Math.min(this.#length + end - start, this.#bytesMax);
    this.#reserve(length);
    const sourceEnd = start + length - this.#length;
    // Copy without a view of the source: creating a view costs more than copying a token event.
    if (Buffer.isBuffer(source)) source.copy(this.#buffer, this.#length, start, sourceEnd);
    else this.#buffer.set(source.subarray(start, sourceEnd), this.#length);
    this.#length = length;
  }

  clear(): void {
    this.#length = 0;
    if (this.#buffer.byteLength > keptBytesMax) this.#buffer = noBytes;
  }

  #reserve(bytes: number): void {
    if (bytes <= this.#buffer.byteLength) return;
    const wanted = Math.max(bytes, this.#buffer.byteLength * 2, firstBytes);
    const grown = Buffer.allocUnsafeSlow(Math.min(wanted, this.#bytesMax));
    this.#buffer.copy(grown, 0, 0, this.#length);
    this.#buffer = grown;
  }
}
