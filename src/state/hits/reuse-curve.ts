import { WindowSums } from "./window-sums.ts";

/** Buckets for each doubling of the distance, and all of them: up to 2^40 tokens. */
const perDoubling = 4;
const bucketCount = 40 * perDoubling;

/** Prompt tokens by the tokens that were used since their last use: hits as a function of the size of the cache. */
export class ReuseCurve {
  readonly #sums = new WindowSums(bucketCount);

  add(tokensSince: number, tokens: number, nowMs: number): void {
    const sums = this.#sums.at(nowMs);
    const bucket = Math.min(bucketCount - 1, Math.floor(placeOf(tokensSince)));
    sums[bucket] = (sums[bucket] ?? 0) + tokens;
  }

  /** Tokens of hits in caches of these sizes, in tokens. */
  hits(sizes: readonly number[], nowMs: number): readonly number[] {
    const sums = this.#sums.total(nowMs);
    return sizes.map((size) => hitsIn(sums, placeOf(size)));
  }
}

/** Place of a distance among the buckets. */
function placeOf(tokens: number): number {
  return Math.log2(tokens + 1) * perDoubling;
}

function hitsIn(sums: Float64Array, place: number): number {
  const whole = Math.min(bucketCount, Math.floor(place));
  let hits = 0;
  for (let bucket = 0; bucket < whole; bucket += 1) hits += sums[bucket] ?? 0;
  // Within a bucket, as if they lay evenly.
  return hits + (sums[whole] ?? 0) * (place - whole);
}
