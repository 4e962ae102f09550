import { backslashByte } from "../../../std/json-bytes.ts";
import { isEscaped } from "./json-scan.ts";

const letterU = 0x75;
/** Bytes of an escape of one letter, and of one with four digits. */
const escapeBytes = 2;
const unitEscapeBytes = 6;
/** Longest character of UTF-8. */
const characterBytesMax = 4;

/**
 * The last offset up to `at` at which the contents of a JSON string may be cut, so that both parts are contents of strings
 * which, decoded and joined, are the whole: not within an escape, and not within a character.
 */
export function cutUpTo(text: Buffer, at: number): number {
  const cut = characterStartUpTo(text, at);
  const first = Math.max(0, cut - unitEscapeBytes + 1);
  for (let start = cut - 1; start >= first; start -= 1) {
    if (text[start] !== backslashByte || isEscaped(text, start)) continue;
    const bytes = text[start + 1] === letterU ? unitEscapeBytes : escapeBytes;
    return start + bytes > cut ? start : cut;
  }
  return cut;
}

function characterStartUpTo(text: Buffer, at: number): number {
  const first = Math.max(0, at - characterBytesMax + 1);
  for (let start = at - 1; start >= first; start -= 1) {
    const byte = text[start] ?? 0;
    // 10xxxxxx continues a character.
    if ((byte & 0xc0) === 0x80) continue;
    return start + charactersBytes(byte) > at ? start : at;
  }
  return at;
}

/** Bytes of a character that begins with this one. */
function charactersBytes(first: number): number {
  if (first < 0xc0) return 1;
  if (first < 0xe0) return 2;
  return first < 0xf0 ? 3 : characterBytesMax;
}
