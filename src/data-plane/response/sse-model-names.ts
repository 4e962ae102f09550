import { byteOrderMark } from "../../std/json-bytes.ts";
import { ForwardSearch } from "./forward-search.ts";
import { JsonModelNames, type ModelNames } from "./json-model-names.ts";

/** State of a line: within `data:`, within its value, or another line. */
type Line = "field" | "value" | "other";

const dataField = Buffer.from("data:");
const lineFeed = 0x0a;
const carriageReturn = 0x0d;

/**
 * Replaces the model's name in the events of a stream (WHATWG HTML, 9.2), each of which is a JSON document in one or
 * more data lines, or in JSON lines. No line is held back, even a long one.
 */
export class SseModelNames {
  readonly #names: JsonModelNames;
  readonly #lineFeeds = new ForwardSearch(lineFeed);
  readonly #carriageReturns = new ForwardSearch(carriageReturn);
  readonly #isLines: boolean;
  #line: Line;
  /** Number of bytes of `dataField` that the line begins with. */
  #fieldBytes = 0;
  /** Number of bytes of a byte order mark before the first line; all of them after that line. */
  #markBytes = 0;
  /** True if a CR ended the last line: a following LF belongs to it. */
  #isAfterCarriageReturn = false;

  constructor(names: ModelNames, { isLines = false }: { readonly isLines?: boolean } = {}) {
    this.#names = new JsonModelNames(names);
    this.#isLines = isLines;
    this.#line = isLines ? "value" : "field";
  }

  push(chunk: Uint8Array): Uint8Array {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    this.#names.start(bytes);
    this.#lineFeeds.start(bytes);
    this.#carriageReturns.start(bytes);
    let at = 0;
    while (at < bytes.byteLength) at = this.#passLine(bytes, at);
    return this.#names.finish();
  }

  end(): Uint8Array {
    return this.#names.end();
  }

  /**
   * Reads up to and including the end of the line, or up to the end of the chunk; returns the offset to continue at.
   */
  #passLine(bytes: Buffer, from: number): number {
    const isWithinLineEnd = this.#isAfterCarriageReturn && bytes[from] === lineFeed;
    this.#isAfterCarriageReturn = false;
    if (isWithinLineEnd) return from + 1;
    const end = Math.min(this.#lineFeeds.next(from), this.#carriageReturns.next(from));
    const valueStart = this.#passField(bytes, from, end);
    if (this.#line === "value") this.#names.read(valueStart, end);
    if (end === bytes.byteLength) return end;
    this.#endLine();
    this.#isAfterCarriageReturn = bytes[end] === carriageReturn;
    return end + 1;
  }

  /** Compares the beginning of the line with the field's name; returns the offset at which its value continues. */
  #passField(bytes: Buffer, from: number, end: number): number {
    let at = from;
    while (this.#line === "field" && at < end) {
      const byte = bytes[at];
      at += 1;
      if (byte === dataField[this.#fieldBytes]) {
        this.#fieldBytes += 1;
        if (this.#fieldBytes === dataField.byteLength) this.#line = "value";
      } else if (this.#fieldBytes === 0 && byte === byteOrderMark[this.#markBytes]) {
        this.#markBytes += 1;
      } else {
        this.#line = "other";
      }
    }
    return at;
  }

  #endLine(): void {
    if (this.#isLines) {
      this.#names.reset();
      return;
    }
    // An empty line ends an event. A string cannot continue in the next line.
    if (this.#line === "field" && this.#fieldBytes === 0) this.#names.reset();
    else if (this.#line === "value") this.#names.cutString();
    this.#line = "field";
    this.#fieldBytes = 0;
    this.#markBytes = byteOrderMark.byteLength;
  }
}
