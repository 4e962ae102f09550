import { ForwardSearch } from "./forward-search.ts";

/** The data of one event: bytes of `bytes` from `start` up to `end`. */
export interface EventValue {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
}

const DATA_FIELD = Buffer.from("data");
const DONE = Buffer.from("[DONE]");
const BYTE_ORDER_MARK = Buffer.from("\ufeff");

const QUOTE = 0x22;
const SPACE = 0x20;
const COLON = 0x3a;
const OPEN_OBJECT = 0x7b;

export function searchIn({ bytes }: EventValue, needle: Buffer): ForwardSearch {
  const search = new ForwardSearch(needle);
  search.start(bytes);
  return search;
}

/**
 * Start of the object at a key; undefined if there is none: most events of some engines
 * carry `"usage":null`.
 */
export function objectAtKey(
  { bytes, start, end }: EventValue,
  keyEnd: Buffer,
  keys: ForwardSearch,
): number | undefined {
  for (let key = keys.next(start); key < end; key = keys.next(key + 1)) {
    const colon = afterSpace(bytes, key + keyEnd.byteLength);
    if (bytes[key - 1] !== QUOTE || bytes[colon] !== COLON) continue;
    const object = afterSpace(bytes, colon + 1);
    if (bytes[object] === OPEN_OBJECT) return object;
  }
  return undefined;
}

/** Start of a data line's value; undefined for a comment or another field. */
export function dataStart(bytes: Buffer, start: number, end: number): number | undefined {
  if (!hasAt(bytes, start, DATA_FIELD)) return undefined;
  const colon = start + DATA_FIELD.byteLength;
  if (colon === end) return end;
  if (colon > end || bytes[colon] !== COLON) return undefined;
  const value = colon + 1;
  return value < end && bytes[value] === SPACE ? value + 1 : value;
}

/** Blanks may follow the marker. */
export function isDone({ bytes, start, end }: EventValue): boolean {
  const blanks = end - start - DONE.byteLength;
  if (blanks < 0 || !hasAt(bytes, start, DONE)) return false;
  return blanks === 0 || bytes.toString("latin1", end - blanks, end).trim() === "";
}

export function markBytesAt(bytes: Buffer, start: number): number {
  return hasAt(bytes, start, BYTE_ORDER_MARK) ? BYTE_ORDER_MARK.byteLength : 0;
}

/** A loop, because for a few bytes a call into native code costs more than it saves. */
export function hasAt(bytes: Buffer, start: number, wanted: Buffer): boolean {
  for (let index = 0; index < wanted.byteLength; index += 1) {
    if (bytes[start + index] !== wanted[index]) return false;
  }
  return true;
}

/** Index of the first byte from `at` on that is no JSON white space. */
export function afterSpace(bytes: Buffer, at: number): number {
  let index = at;
  for (;;) {
    const byte = bytes[index];
    if (byte !== SPACE && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d) return index;
    index += 1;
  }
}
