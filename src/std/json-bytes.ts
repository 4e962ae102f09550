// The bytes of a JSON text (RFC 8259) in UTF-8, for scanners that pass over it without parsing.

export const quoteByte = 0x22;
export const commaByte = 0x2c;
export const colonByte = 0x3a;
export const openArrayByte = 0x5b;
export const backslashByte = 0x5c;
export const closeArrayByte = 0x5d;
export const openObjectByte = 0x7b;
export const closeObjectByte = 0x7d;

/** Longest form of one UTF-16 unit in a string: `\u` and four digits. */
export const escapeBytesMax = 6;

export const jsonSpaces = " \t\n\r";

const isSpace = byteTable(jsonSpaces);

/** 1 at each byte of `text`, 0 elsewhere. */
export function byteTable(text: string): Uint8Array {
  const table = new Uint8Array(256);
  for (const byte of Buffer.from(text)) table[byte] = 1;
  return table;
}

/** Returns the offset of the first stop byte from `from` on, or `end` if none stands before it. */
export type RunEnd = (bytes: Uint8Array, from: number, end: number) => number;

/** A search for the end of a run of bytes without any of `stops`. */
export function runUntil(stops: string): RunEnd {
  const isStop = byteTable(stops);
  return (bytes, from, end) => {
    let at = from;
    while (at < end && isStop[bytes[at] ?? 0] === 0) at += 1;
    return at;
  };
}

/** Offset of the first byte from `from` on that is not white space; the length if all are. */
export function afterSpace(bytes: Uint8Array, from: number): number {
  let at = from;
  while (isSpace[bytes[at] ?? 0] === 1) at += 1;
  return at;
}

/**
 * True if `wanted` stands at `start`. A loop, because for a few bytes a call into native code costs
 * more than it saves.
 */
export function hasBytesAt(bytes: Uint8Array, start: number, wanted: Uint8Array): boolean {
  for (let index = 0; index < wanted.byteLength; index += 1) {
    if (bytes[start + index] !== wanted[index]) return false;
  }
  return true;
}

export const byteOrderMark: Uint8Array = Buffer.from("\ufeff");

/** Length of the byte order mark at `start`; 0 if there is none. */
export function markBytesAt(bytes: Uint8Array, start: number): number {
  return hasBytesAt(bytes, start, byteOrderMark) ? byteOrderMark.byteLength : 0;
}

/** The value of a JSON text; undefined if it is not JSON. */
export function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
