const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/** Offset after the object that begins at `start`; `end` where it does not end before that. */
export function endOfJsonObject(bytes: Uint8Array, start: number, end: number): number {
  let depth = 0;
  let isInString = false;
  for (let at = start; at < end; at += 1) {
    const byte = bytes[at];
    if (byte === QUOTE) isInString = !isInString;
    else if (isInString && byte === BACKSLASH) at += 1;
    else if (!isInString && byte === OPEN_OBJECT) depth += 1;
    else if (!isInString && byte === CLOSE_OBJECT) depth -= 1;
    if (depth === 0) return at + 1;
  }
  return end;
}
