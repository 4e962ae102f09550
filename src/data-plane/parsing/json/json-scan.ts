import {
  backslashByte,
  byteTable,
  openArrayByte,
  openObjectByte,
  quoteByte,
  runUntil,
} from "../../../std/json-bytes.ts";

/**
 * Bytes to search in a loop before a native search. Roles and keys are shorter, and a loop over them costs less than a
 * call.
 */
const loopBytesMax = 32;

/** 1 for each byte with a meaning inside an object or array. */
const isStructure = byteTable('"{}[]');
/** Finds the byte after a number or word. */
const endOfScalar = runUntil(",]} \t\r\n");

// The functions below skip parts of a text that is known to be JSON, by byte offsets, in either direction. In any other
// text, the result is arbitrary, but at most one byte outside of it.

/** Offset after the value that starts at `start`, or any offset beyond `until` if the value ends after `until`. */
export function endOfValue(text: Buffer, start: number, until: number): number {
  const first = text[start];
  if (first === quoteByte) return endOfString(text, start);
  if (first !== openObjectByte && first !== openArrayByte)
    return endOfScalar(text, start, text.byteLength);
  let depth = 0;
  let at = start;
  while (at <= until && at < text.byteLength) {
    const byte = text[at] ?? 0;
    if (byte === quoteByte) {
      at = endOfString(text, at);
      continue;
    }
    at += 1;
    if (isStructure[byte] === 0) continue;
    depth += byte === openObjectByte || byte === openArrayByte ? 1 : -1;
    if (depth === 0) return at;
  }
  return text.byteLength + 1;
}

/** Offset after the string whose opening quote is at `open`. */
export function endOfString(text: Buffer, open: number): number {
  let quote = quoteFrom(text, open + 1);
  while (quote < text.byteLength && isEscaped(text, quote)) quote = quoteFrom(text, quote + 1);
  return quote + 1;
}

/** Number of objects and arrays that begin before `from` and end after it. */
export function openAt(text: Buffer, from: number): number {
  let open = 0;
  let at = text.byteLength - 1;
  while (at >= from) {
    const byte = text[at] ?? 0;
    if (byte === quoteByte) at = startOfString(text, at);
    else if (isStructure[byte] === 1)
      open += byte === openObjectByte || byte === openArrayByte ? -1 : 1;
    at -= 1;
  }
  return open;
}

/** True if the number of backslashes before `at` is odd. */
export function isEscaped(text: Buffer, at: number): boolean {
  let first = at;
  while (text[first - 1] === backslashByte) first -= 1;
  return (at - first) % 2 === 1;
}

/** Offset of the opening quote of the string that ends with the quote at `close`. */
function startOfString(text: Buffer, close: number): number {
  let quote = quoteBefore(text, close);
  while (isEscaped(text, quote)) quote = quoteBefore(text, quote);
  return quote;
}

function quoteFrom(text: Buffer, from: number): number {
  const loopEnd = Math.min(from + loopBytesMax, text.byteLength);
  for (let at = from; at < loopEnd; at += 1) {
    if (text[at] === quoteByte) return at;
  }
  const found = text.indexOf(quoteByte, loopEnd);
  return found === -1 ? text.byteLength : found;
}

function quoteBefore(text: Buffer, before: number): number {
  const loopEnd = Math.max(before - loopBytesMax, 0);
  for (let at = before - 1; at >= loopEnd; at -= 1) {
    if (text[at] === quoteByte) return at;
  }
  return loopEnd === 0 ? -1 : text.lastIndexOf(quoteByte, loopEnd - 1);
}
