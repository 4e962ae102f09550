import { ByteCarry } from "./byte-carry.ts";
import { ForwardSearch } from "./forward-search.ts";

/**
 * Receives one line without its end: the bytes from `start` up to `end`, valid during the call.
 * Of a line longer than the limit it gets at least one byte more than the limit.
 */
export type LineSink = (bytes: Buffer, start: number, end: number) => void;

const lineFeed = 0x0a;
const carriageReturn = 0x0d;

/**
 * Splits a byte stream into lines that end in LF, CR LF or CR, wherever its chunks are cut. A line
 * within one chunk is handed over in place; one that spans chunks is collected first, as far as
 * the limit.
 */
export class LineSplitter {
  readonly #sink: LineSink;
  readonly #carry: ByteCarry;
  readonly #lineFeeds = new ForwardSearch(lineFeed);
  readonly #carriageReturns = new ForwardSearch(carriageReturn);
  /** A CR ended the last chunk: an LF that begins the next one belongs to it. */
  #isAfterCarriageReturn = false;

  constructor(lineBytesMax: number, sink: LineSink) {
    // One byte more than allowed is enough to tell that a line is too long.
    this.#carry = new ByteCarry(lineBytesMax + 1);
    this.#sink = sink;
  }

  /** Bytes of memory held between chunks. */
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
      // Every second line of an event stream is empty, and needs no search.
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

  /** Hands over a last line that has no end. */
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
