import type { Random } from "../../src/std/random.ts";

/** `bytes` in pieces, cut at `cutCount` random places; a piece may be empty. */
export function cutAtRandom(bytes: Buffer, cutCount: number, random: Random): readonly Buffer[] {
  const at = Array.from({ length: cutCount }, () => Math.floor(random() * (bytes.length + 1)));
  const sorted = [0, ...at, bytes.length].toSorted((a, b) => a - b);
  return sorted.slice(1).map((end, index) => bytes.subarray(sorted[index], end));
}
