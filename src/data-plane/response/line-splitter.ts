import { ByteCarry } from "./byte-carry.ts";
import { ForwardSearch } from "./forward-search.ts";

/**
 * Receives one line without its line end: the bytes from `start` up to `end`, valid during the call. A line beyond the
 * limit may be cut, but has at least one byte more than the limit.
 */
export type LineSink = (bytes: Buffer, start: number, end: number) => void;

const lineFeed = 0x0a;
const carriageReturn = 0x0d;

/**
 * Splits a byte stream into lines that end in LF, CR LF or CR, for any chunk boundaries. A line within one chunk is
 * passed without a copy; one that spans chunks is collected first, up to the limit.
 */
export class LineSplitter {
  readonly #sink: LineSink;
  readonly #carry: ByteCarry;
  readonly #lineFeeds = new ForwardSearch(lineFeed);
  readonly #carriageReturns = new ForwardSearch(carriageReturn);
  /** True if a CR ended the last chunk: an LF at the start of the next chunk belongs to it. */
  #isAfterCarriageReturn = false;

  constructor(lineBytesMax: number, sink: LineSink) {
    // One byte more than allowed is enough to detect a line that is too long.
    this.#carry = new ByteCarry(lineBytesMax + 1);
    this.#sink = sink;
  }

  /** Size of its buffer, in bytes. */
  get capacityBytes(): number {
    return this.#carry.capacityBytes;
  }

  push(chunk: Buffer): void {
    if (chunk.byteLength === 0) return;
    this.#lineFeeds.start(chunk);
    this.#carriageReturns.start(chunk);
    let at = this.#isAfterCarriageReturn && chunk[0] === lineFeed ? 1 : 0;
    this.#isAfterCarriageReturn = false;
    while (at < chunk.byteLength) {
      const returnAt = this.#carriageReturns.next(at);
      // Every second line of an event stream is empty and needs no search.
      const feedAt = chunk[at] === lineFeed ? at : this.#lineFeeds.next(at);
      const end = Math.min(feedAt, returnAt);
      if (end === chunk.byteLength) {
        this.#carry.append(chunk, at, end);
        return;
      }
      this.#emit(chunk, at, end);
      at = end + 1;
      if (end === returnAt) {
        this.#isAfterCarriageReturn = at === chunk.byteLength;
        if (chunk[at] === lineFeed) at += 1;
      }
    }
  }

  /** Passes on a last line without a line end. */
  end(): void {
    if (this.#carry.length > 0) this.#emitCarry();
  }

  #emit(chunk: Buffer, start: number, end: number): void {
    if (this.#carry.length === 0) {
      this.#sink(chunk, start, end);
      return;
    }
    this.#carry.append(chunk, start, end);
    this.#emitCarry();
  }

  #emitCarry(): void {
    this.#sink(this.#carry.bytes, 0, this.#carry.length);
    this.#carry.clear();
  }
}
