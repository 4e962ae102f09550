import type { Endpoint } from "../../../core/endpoint.ts";

/** What a scorer gives where the signal it needs was never read: neither preferred nor avoided. */
export const unknownScore = 0.5;

/**
 * Scores candidates by where their value lies between the lowest and the highest among them:
 *
 *     score = (max - value) / (max - min)
 *
 * so the lowest value scores 1 and the highest 0. All equal score 1; an unknown value (NaN, infinite
 * or negative) scores `unknownScore` and moves nobody else.
 *
 * @param column counts by slot
 */
export function scoreLowest(
  column: Float64Array,
  candidates: readonly Endpoint[],
  scores: Float64Array,
): void {
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (const { slot } of candidates) {
    const value = column[slot] ?? Number.NaN;
    if (!isKnown(value)) continue;
    if (value < min) min = value;
    if (value > max) max = value;
  }
  const range = max - min;
  for (const [index, { slot }] of candidates.entries()) {
    const value = column[slot] ?? Number.NaN;
    if (!isKnown(value)) scores[index] = unknownScore;
    else scores[index] = range > 0 ? (max - value) / range : 1;
  }
}

/** A count is never negative; without negative ones, `max - min` cannot overflow either. */
function isKnown(value: number): boolean {
  return value >= 0 && Number.isFinite(value);
}
