import { afterSpace, type EventValue } from "./event-bytes.ts";
import { ForwardSearch } from "./forward-search.ts";

/**
 * The ends of `"error"` and `"abort"`. Both begin with a letter that is rare in a token event,
 * because the search hunts for the first byte.
 */
const ERROR_END = Buffer.from('rror"');
const ABORT_END = Buffer.from('bort"');

const QUOTE = 0x22;
const COLON = 0x3a;
const COMMA = 0x2c;
const LETTER_A = 0x61;
const LETTER_E = 0x65;
const LETTER_N = 0x6e;

/**
 * Finds events that may tell an error without parsing one that does not: those with the JSON string
 * `error` as a key of something other than null, or as a value, and those with the value `abort`.
 */
export class ErrorSearch {
  readonly #errors = new ForwardSearch(ERROR_END);
  readonly #aborts = new ForwardSearch(ABORT_END);

  /** Begins anew, in `bytes`. */
  start(bytes: Buffer): void {
    this.#errors.start(bytes);
    this.#aborts.start(bytes);
  }

  /** Asks about events of the bytes in their order. */
  isIn(event: EventValue): boolean {
    return isFound(event, this.#errors, LETTER_E) || isFound(event, this.#aborts, LETTER_A);
  }
}

function isFound(event: EventValue, search: ForwardSearch, firstLetter: number): boolean {
  const { bytes, start, end } = event;
  for (let at = search.next(start); at < end; at = search.next(at + 1)) {
    const isString = bytes[at - 1] === firstLetter && bytes[at - 2] === QUOTE;
    if (isString && mayTell(bytes, at + ERROR_END.byteLength)) return true;
  }
  return false;
}

/** What follows the string: most keys `error` of good answers have null, and text goes on. */
function mayTell(bytes: Buffer, at: number): boolean {
  const next = afterSpace(bytes, at);
  if (bytes[next] !== COLON) return bytes[next] === COMMA || bytes[next] === 0x7d;
  return bytes[afterSpace(bytes, next + 1)] !== LETTER_N;
}
