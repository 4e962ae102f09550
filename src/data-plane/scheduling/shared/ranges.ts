import type { Endpoint } from "../../../core/endpoint.ts";

/** What a scorer gives where the signal it needs was never read: neither preferred nor avoided. */
export const unknownScore = 0.5;

/** An endpoint with so few requests is hardly busy: a request that waits there points to something else, such as a slow engine. */
const calmRequests = 2;

/** Requests of one kind by slot, and the other requests of the endpoints. */
export interface RequestCounts {
  readonly counts: Float64Array;
  readonly others: Float64Array;
}

/**
 * Scores candidates by where their count lies between the lowest and the highest among them:
 *
 *     score = 1 - (count - min) / max(max - min, least)
 *
 * where `least` is the fewest requests of both kinds that a candidate has, less two. The lowest count scores 1.
 * If the counts differ by `least` or more, this is `(max - count) / (max - min)` and the highest
 * scores 0. A smaller difference changes little for endpoints that have more requests anyway, and
 * the score says so: 22 next to 23 must not outvote a loaded adapter or a cached prompt.
 *
 * An unknown count (NaN, infinite or negative) scores `unknownScore` and moves nobody else; an unknown
 * number of the others counts as none.
 */
export function scoreFewest(
  { counts, others }: RequestCounts,
  candidates: readonly Endpoint[],
  scores: Float64Array,
): void {
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  let least = Number.POSITIVE_INFINITY;
  for (const { slot } of candidates) {
    const count = counts[slot] ?? Number.NaN;
    if (!isKnown(count)) continue;
    const other = others[slot] ?? Number.NaN;
    if (count < min) min = count;
    if (count > max) max = count;
    least = Math.min(least, isKnown(other) ? count + other : count);
  }
  const range = Math.max(max - min, least - calmRequests);
  for (const [index, { slot }] of candidates.entries()) {
    const count = counts[slot] ?? Number.NaN;
    if (!isKnown(count)) scores[index] = unknownScore;
    else scores[index] = count > min ? 1 - (count - min) / range : 1;
  }
}

/** A count is never negative; without negative ones, `max - min` cannot overflow either. */
function isKnown(value: number): boolean {
  return value >= 0 && Number.isFinite(value);
}
