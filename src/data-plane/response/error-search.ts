import {
  afterSpace,
  closeObjectByte,
  colonByte,
  commaByte,
  quoteByte,
} from "../../std/json-bytes.ts";
import type { EventValue } from "./event-bytes.ts";
import { ForwardSearch } from "./forward-search.ts";

/**
 * The end of the JSON string `error`. The search looks for the first byte of the needle, so this begins with a letter
 * that is rare in token events.
 */
const errorEnd = Buffer.from('rror"');

const letterE = 0x65;
const letterN = 0x6e;

/**
 * Finds events that may report an error without parsing the others: those with the JSON string `error` as a key whose
 * value is not null, or as a value. An aborted response reports it in its last event, which is parsed anyway.
 */
export class ErrorSearch {
  readonly #errors = new ForwardSearch(errorEnd);

  /** Starts a search in `bytes`. */
  start(bytes: Buffer): void {
    this.#errors.start(bytes);
  }

  /** True if the event may report an error. Call it for events in their order. */
  isIn({ bytes, start, end }: EventValue): boolean {
    for (let at = this.#errors.next(start); at < end; at = this.#errors.next(at + 1)) {
      const isString = bytes[at - 1] === letterE && bytes[at - 2] === quoteByte;
      if (isString && mayTell(bytes, at + errorEnd.byteLength)) return true;
    }
    return false;
  }
}

/**
 * Checks the bytes after the string: in good responses, most keys `error` have null, and text continues after the word.
 */
function mayTell(bytes: Buffer, at: number): boolean {
  const next = afterSpace(bytes, at);
  if (bytes[next] !== colonByte)
    return bytes[next] === commaByte || bytes[next] === closeObjectByte;
  return bytes[afterSpace(bytes, next + 1)] !== letterN;
}
