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
 * The end of the JSON string `error`. It begins with a letter that is rare in a token event, because
 * the search hunts for the first byte.
 */
const errorEnd = Buffer.from('rror"');

const letterE = 0x65;
const letterN = 0x6e;

/**
 * Finds events that may report an error, without parsing the others: those with the JSON string
 * `error` as a key of something other than null, or as a value. An aborted answer says so in its last
 * event, which is read anyway.
 */
export class ErrorSearch {
  readonly #errors = new ForwardSearch(errorEnd);

  /** Begins anew, in `bytes`. */
  start(bytes: Buffer): void {
    this.#errors.start(bytes);
  }

  /** Asks about events of the bytes in their order. */
  isIn({ bytes, start, end }: EventValue): boolean {
    for (let at = this.#errors.next(start); at < end; at = this.#errors.next(at + 1)) {
      const isString = bytes[at - 1] === letterE && bytes[at - 2] === quoteByte;
      if (isString && mayTell(bytes, at + errorEnd.byteLength)) return true;
    }
    return false;
  }
}

/** What follows the string: most keys `error` of good answers have null, and text goes on. */
function mayTell(bytes: Buffer, at: number): boolean {
  const next = afterSpace(bytes, at);
  if (bytes[next] !== colonByte)
    return bytes[next] === commaByte || bytes[next] === closeObjectByte;
  return bytes[afterSpace(bytes, next + 1)] !== letterN;
}
