/** Larger texts are decoded from a copy of their own, so that the scratch memory stays small. */
const scratchBytesMax = 4 * 1_024 * 1_024;

/**
 * Memory to decode texts from, used again by each: for 1 MB, joining the pieces in new memory would take three times as
 * long, most of it for the first touch of each page.
 */
let scratch = Buffer.alloc(0);

/** Bytes that came in pieces. They are joined only if they are asked for as one. */
export class BytePieces {
  readonly pieces: readonly Uint8Array[];
  readonly byteLength: number;
  /** The value of the bytes as JSON, if it was read before; they are not read again then. */
  json: { readonly value: unknown } | undefined;
  #whole: Uint8Array | undefined;

  constructor(pieces: readonly Uint8Array[], byteLength: number) {
    this.pieces = pieces;
    this.byteLength = byteLength;
    if (pieces.length === 1) this.#whole = pieces[0];
  }

  static of(bytes: Uint8Array): BytePieces {
    return new BytePieces([bytes], bytes.byteLength);
  }

  /** All bytes in one. */
  get whole(): Uint8Array {
    return (this.#whole ??= Buffer.concat(this.pieces, this.byteLength));
  }

  /**
   * All bytes in one, joined slowly. `spent` counts bytes; its promise, if any, is awaited, and ends the joining if its result
   * is false.
   */
  async joined(
    spent: (bytes: number) => Promise<boolean> | undefined,
  ): Promise<Uint8Array | undefined> {
    if (this.#whole !== undefined) return this.#whole;
    const whole = Buffer.allocUnsafeSlow(this.byteLength);
    let length = 0;
    for (const piece of this.pieces) {
      whole.set(piece, length);
      length += piece.length;
      const turn = spent(piece.length);
      if (turn !== undefined && !(await turn)) return undefined;
    }
    this.#whole = whole;
    return whole;
  }

  /** The bytes as UTF-8; a character may be cut by the end of a piece. */
  text(): string {
    if (this.#whole !== undefined || this.byteLength > scratchBytesMax) {
      const { whole } = this;
      return Buffer.isBuffer(whole)
        ? whole.toString()
        : Buffer.from(whole.buffer, whole.byteOffset, whole.byteLength).toString();
    }
    if (scratch.length < this.byteLength) {
      scratch = Buffer.allocUnsafeSlow(Math.max(this.byteLength, 2 * scratch.length));
    }
    let length = 0;
    for (const piece of this.pieces) {
      scratch.set(piece, length);
      length += piece.length;
    }
    return scratch.toString("utf8", 0, length);
  }
}
