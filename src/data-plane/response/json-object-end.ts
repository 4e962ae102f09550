import { backslashByte, closeObjectByte, openObjectByte, quoteByte } from "../../std/json-bytes.ts";

/** Offset after the object that begins at `start`; `end` if the object does not end before it. */
export function endOfJsonObject(bytes: Uint8Array, start: number, end: number): number {
  let depth = 0;
  let isInString = false;
  for (let at = start; at < end; at += 1) {
    const byte = bytes[at];
    if (byte === quoteByte) isInString = !isInString;
    else if (isInString && byte === backslashByte) at += 1;
    else if (!isInString && byte === openObjectByte) depth += 1;
    else if (!isInString && byte === closeObjectByte) depth -= 1;
    if (depth === 0) return at + 1;
  }
  return end;
}
