import {
  backslashByte,
  closeArrayByte,
  closeObjectByte,
  colonByte,
  commaByte,
  jsonSpaces,
  openArrayByte,
  openObjectByte,
  quoteByte,
} from "../../../std/json-bytes.ts";

/** Position of the scan; after a failure, the position of the offending byte. */
interface Cursor {
  readonly bytes: Uint8Array;
  at: number;
}

type Expectation = "value" | "value-or-close" | "key" | "key-or-close" | "next" | "done";

/** Missing closing brackets, innermost last. The body's length bounds their number. */
type Owed = number[];

const spaces = bytesOf(jsonSpaces);
const escapes = bytesOf('"\\/bfnrt');
const digits = bytesOf("0123456789");
const hexDigits = bytesOf("0123456789abcdefABCDEF");
const signs = bytesOf("+-");
const exponents = bytesOf("eE");
const words = ["true", "false", "null"].map((word) => Buffer.from(word));

/**
 * Offset of the first byte that makes `bytes` invalid as one JSON text (RFC 8259): the length if the text ends too
 * early, undefined if it is valid.
 *
 * `JSON.parse` decides whether a body is refused. This runs afterwards to locate the mistake, because the message of
 * `JSON.parse` quotes the body. Nesting uses the heap and not the stack, so its depth needs no limit.
 */
export function jsonFaultAt(bytes: Uint8Array): number | undefined {
  const cursor: Cursor = { bytes, at: 0 };
  const owed: Owed = [];
  let expected: Expectation | undefined = "value";
  while (expected !== undefined && expected !== "done") {
    skipAll(cursor, spaces);
    expected = steps[expected](cursor, owed);
  }
  return expected === "done" ? undefined : cursor.at;
}

/** Scans what is expected here and returns what is expected next; undefined at a mistake. */
const steps: Readonly<
  Record<Exclude<Expectation, "done">, (cursor: Cursor, owed: Owed) => Expectation | undefined>
> = {
  value(cursor, owed) {
    const byte = cursor.bytes[cursor.at];
    if (byte === openArrayByte) return opened(cursor, owed, closeArrayByte);
    if (byte === openObjectByte) return opened(cursor, owed, closeObjectByte);
    return scanScalar(cursor) ? "next" : undefined;
  },
  "value-or-close"(cursor, owed) {
    return cursor.bytes[cursor.at] === closeArrayByte
      ? closed(cursor, owed)
      : steps.value(cursor, owed);
  },
  key(cursor) {
    if (cursor.bytes[cursor.at] !== quoteByte || !scanString(cursor)) return undefined;
    skipAll(cursor, spaces);
    if (cursor.bytes[cursor.at] !== colonByte) return undefined;
    cursor.at += 1;
    return "value";
  },
  "key-or-close"(cursor, owed) {
    return cursor.bytes[cursor.at] === closeObjectByte
      ? closed(cursor, owed)
      : steps.key(cursor, owed);
  },
  next(cursor, owed) {
    const closer = owed.at(-1);
    const byte = cursor.bytes[cursor.at];
    if (closer === undefined) return byte === undefined ? "done" : undefined;
    if (byte === closer) return closed(cursor, owed);
    if (byte !== commaByte) return undefined;
    cursor.at += 1;
    return closer === closeObjectByte ? "key" : "value";
  },
};

function opened(cursor: Cursor, owed: Owed, closer: number): Expectation {
  cursor.at += 1;
  owed.push(closer);
  return closer === closeObjectByte ? "key-or-close" : "value-or-close";
}

function closed(cursor: Cursor, owed: Owed): Expectation {
  cursor.at += 1;
  owed.pop();
  return "next";
}

function scanScalar(cursor: Cursor): boolean {
  const byte = cursor.bytes[cursor.at];
  if (byte === quoteByte) return scanString(cursor);
  const word = words.find(([first]) => first === byte);
  return word === undefined ? scanNumber(cursor) : word.every((letter) => skip(cursor, [letter]));
}

function scanString(cursor: Cursor): boolean {
  cursor.at += 1;
  for (;;) {
    const byte = cursor.bytes[cursor.at];
    // Control characters must be escaped. Bytes from 0x80 on count as text, even if they are not UTF-8.
    if (byte === undefined || byte < 0x20) return false;
    cursor.at += 1;
    if (byte === quoteByte) return true;
    if (byte === backslashByte && !scanEscape(cursor)) return false;
  }
}

function scanEscape(cursor: Cursor): boolean {
  if (skip(cursor, escapes)) return true;
  if (!skip(cursor, [0x75])) return false;
  for (let digit = 0; digit < 4; digit += 1) {
    if (!skip(cursor, hexDigits)) return false;
  }
  return true;
}

function scanNumber(cursor: Cursor): boolean {
  skip(cursor, [0x2d]);
  // A leading zero is a whole number: in `01`, the 1 is an unexpected byte after it.
  if (!skip(cursor, [0x30]) && !skipAll(cursor, digits)) return false;
  if (skip(cursor, [0x2e]) && !skipAll(cursor, digits)) return false;
  if (!skip(cursor, exponents)) return true;
  skip(cursor, signs);
  return skipAll(cursor, digits);
}

/** Skips one byte if it is among `allowed`; returns true if it did. */
function skip(cursor: Cursor, allowed: readonly number[]): boolean {
  const byte = cursor.bytes[cursor.at];
  if (byte === undefined || !allowed.includes(byte)) return false;
  cursor.at += 1;
  return true;
}

/** Skips all bytes among `allowed`; returns true if there was at least one. */
function skipAll(cursor: Cursor, allowed: readonly number[]): boolean {
  const from = cursor.at;
  while (skip(cursor, allowed));
  return cursor.at > from;
}

function bytesOf(text: string): readonly number[] {
  return [...Buffer.from(text)];
}
