/** FNV-1a over UTF-16 units: quick, and good enough to tell a few thousand texts apart. Not for secrets. */
const prime = 0x01000193;
/** Characters at each end of a text that count. */
const endLength = 64;

/** The hash that others begin with. */
export const hashSeed = 0x811c9dc5;

export function hashNumber(hash: number, value: number): number {
  return Math.imul(hash ^ value, prime) >>> 0;
}

/** Hashes a text by its length and its ends, so that a long one costs as much as a short one. */
export function hashText(hash: number, text: string): number {
  const { length } = text;
  // Signed until the end, which is quicker and makes no difference to the bits.
  let result = Math.imul(hash ^ length, prime);
  for (let index = 0; index < length; index += 1) {
    if (index === endLength) index = Math.max(index, length - endLength);
    result = Math.imul(result ^ text.charCodeAt(index), prime);
  }
  return result >>> 0;
}
