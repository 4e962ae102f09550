import {
  afterSpace,
  colonByte,
  hasBytesAt,
  openObjectByte,
  quoteByte,
} from "../../std/json-bytes.ts";
import { ForwardSearch } from "./forward-search.ts";

/** The data of one event: bytes of `bytes` from `start` up to `end`. */
export interface EventValue {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
}

const dataField = Buffer.from("data");
const doneMarker = Buffer.from("[DONE]");

const spaceByte = 0x20;

export function searchIn({ bytes }: EventValue, needle: Buffer): ForwardSearch {
  const search = new ForwardSearch(needle);
  search.start(bytes);
  return search;
}

/**
 * Start of the object at a key; undefined if there is none: most events of some engines have `"usage":null`.
 */
export function objectAtKey(
  { bytes, start, end }: EventValue,
  keyEnd: Buffer,
  keys: ForwardSearch,
): number | undefined {
  for (let key = keys.next(start); key < end; key = keys.next(key + 1)) {
    const colon = afterSpace(bytes, key + keyEnd.byteLength);
    if (bytes[key - 1] !== quoteByte || bytes[colon] !== colonByte) continue;
    const object = afterSpace(bytes, colon + 1);
    if (bytes[object] === openObjectByte) return object;
  }
  return undefined;
}

/** Start of a data line's value; undefined for a comment or another field. */
export function dataStart(bytes: Buffer, start: number, end: number): number | undefined {
  if (!hasBytesAt(bytes, start, dataField)) return undefined;
  const colon = start + dataField.byteLength;
  if (colon === end) return end;
  if (colon > end || bytes[colon] !== colonByte) return undefined;
  const value = colon + 1;
  return value < end && bytes[value] === spaceByte ? value + 1 : value;
}

/** True for the completion marker `[DONE]`, which white space may follow. */
export function isDone({ bytes, start, end }: EventValue): boolean {
  const blanks = end - start - doneMarker.byteLength;
  if (blanks < 0 || !hasBytesAt(bytes, start, doneMarker)) return false;
  return blanks === 0 || bytes.toString("latin1", end - blanks, end).trim() === "";
}
