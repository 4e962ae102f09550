import { byteOrderMark } from "../../std/json-bytes.ts";
import { ForwardSearch } from "./forward-search.ts";
import { JsonModelNames, type ModelNames } from "./json-model-names.ts";

/** What a line is so far: the beginning of `data:`, its value, or something else. */
type Line = "field" | "value" | "other";

const dataField = Buffer.from("data:");
const lineFeed = 0x0a;
const carriageReturn = 0x0d;

/**
 * Replaces the model's name in the events of a stream (WHATWG HTML, 9.2), each of which is a JSON
 * document in one or more data lines, or in JSON lines. No line is held back, however long it is.
 */
export class SseModelNames {
  readonly #names: JsonModelNames;
  readonly #lineFeeds = new ForwardSearch(lineFeed);
  readonly #carriageReturns = new ForwardSearch(carriageReturn);
  readonly #isLines: boolean;
  #line: Line;
  /** Bytes of `dataField` that the line begins with. */
  #fieldBytes = 0;
  /** Bytes of a mark before the first line; all of them once that line is over. */
  #markBytes = 0;
  /** A CR ended the last line: an LF that follows belongs to it. */
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

  /** Reads up to and with the end of the line, or of the chunk; returns where to go on. */
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

  /** Compares the begin of the line with the field's name; returns where its value goes on. */
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
    // An empty line ends an event, and a string cannot go on in the next line.
    if (this.#line === "field" && this.#fieldBytes === 0) this.#names.reset();
    else if (this.#line === "value") this.#names.cutString();
    this.#line = "field";
    this.#fieldBytes = 0;
    this.#markBytes = byteOrderMark.byteLength;
  }
}
