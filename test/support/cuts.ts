import type { Random } from "../../src/std/random.ts";

/** `bytes` in pieces, cut at each of `places`; a place beyond the end cuts nothing. */
export function cutAt(bytes: Buffer, places: readonly number[]): readonly Buffer[] {
  const inside = places.map((place) => Math.min(place, bytes.length));
  const sorted = [0, ...inside, bytes.length].toSorted((a, b) => a - b);
  return sorted.slice(1).map((end, index) => bytes.subarray(sorted[index], end));
}

/** `bytes` in pieces, cut at `cutCount` random places; a piece may be empty. */
export function cutAtRandom(bytes: Buffer, cutCount: number, random: Random): readonly Buffer[] {
  const at = Array.from({ length: cutCount }, () => Math.floor(random() * (bytes.length + 1)));
  return cutAt(bytes, at);
}
