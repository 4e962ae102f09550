import type { Endpoint } from "../../../core/endpoint.ts";
import { slotsOf } from "../../../core/endpoint-slots.ts";

/** Score if the scorer's signal is unknown: neither preferred nor avoided. */
export const unknownScore = 0.5;

/**
 * An endpoint with so few requests is hardly busy: if a request waits there, the cause is another, such as a slow
 * engine.
 */
const calmRequests = 2;

/** A number of each endpoint by its slot: a column of the load, or a function such as one of a plugin's memory. */
export type SlotValues = Float64Array | ((slot: number) => number);

/** Requests of one kind by slot, and the other requests of the endpoints. */
export interface RequestCounts {
  readonly counts: SlotValues;
  readonly others: SlotValues;
}

/**
 * Scores candidates by the position of their value between the lowest and the highest:
 *
 *     score = (max - value) / (max - min), and 1 if all are equal
 *
 * An unknown value (NaN, infinite or negative) scores `unknownScore` and changes no other score. Counts of
 * requests, in which a small difference means little, are for `scoreFewest`.
 */
export function scoreLowest(
  values: SlotValues,
  candidates: readonly Endpoint[],
  scores: Float64Array,
): void {
  scoreInRange({ values, others: undefined }, candidates, scores);
}

/**
 * Scores candidates by the position of their count between the lowest and the highest:
 *
 *     score = 1 - (count - min) / max(max - min, least)
 *
 * Here, `least` is the fewest requests of both kinds that a candidate has, minus two. The lowest count scores 1. If the
 * counts differ by `least` or more, this is `(max - count) / (max - min)` and the highest scores 0. A difference that
 * is small compared with the number of requests matters little, so scores differ little too: 22 next to 23 must not
 * outweigh a loaded adapter or a cached prompt.
 *
 * An unknown count (NaN, infinite or negative) scores `unknownScore` and changes no other score; an unknown
 * number of the others counts as none.
 */
export function scoreFewest(
  { counts, others }: RequestCounts,
  candidates: readonly Endpoint[],
  scores: Float64Array,
): void {
  scoreInRange({ values: counts, others }, candidates, scores);
}

function scoreInRange(
  { values, others }: { readonly values: SlotValues; readonly others: SlotValues | undefined },
  candidates: readonly Endpoint[],
  scores: Float64Array,
): void {
  const slots = slotsOf(candidates);
  // `scores` holds the values until the range is known.
  readValues(values, slots, scores);
  const least =
    others === undefined ? calmRequests : leastOf(scores, columnOf(others, slots), slots);
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (let index = 0; index < slots.length; index += 1) {
    const value = scores[index] ?? Number.NaN;
    if (!isKnown(value)) continue;
    if (value < min) min = value;
    if (value > max) max = value;
  }
  const range = Math.max(max - min, least - calmRequests);
  // Without a range all known values are equal.
  const steepness = range > 0 ? 1 : 0;
  const divisor = range > 0 ? range : 1;
  for (let index = 0; index < slots.length; index += 1) {
    const value = scores[index] ?? Number.NaN;
    if (isKnown(value)) scores[index] = 1 - steepness * ((value - min) / divisor);
    else scores[index] = unknownScore;
  }
}

function readValues(values: SlotValues, slots: Int32Array, into: Float64Array): void {
  if (typeof values === "function") {
    for (let index = 0; index < slots.length; index += 1) into[index] = values(slots[index] ?? 0);
    return;
  }
  for (let index = 0; index < slots.length; index += 1) {
    into[index] = values[slots[index] ?? 0] ?? Number.NaN;
  }
}

/** The fewest requests of both kinds that a candidate has, of those whose count is known. */
function leastOf(counts: Float64Array, others: Float64Array, slots: Int32Array): number {
  let least = Number.POSITIVE_INFINITY;
  for (let index = 0; index < slots.length; index += 1) {
    const count = counts[index] ?? Number.NaN;
    if (!isKnown(count)) continue;
    const other = others[slots[index] ?? 0] ?? Number.NaN;
    const all = isKnown(other) ? count + other : count;
    if (all < least) least = all;
  }
  return least;
}

/** The values as a column by slot. */
function columnOf(values: SlotValues, slots: Int32Array): Float64Array {
  if (typeof values !== "function") return values;
  const column = new Float64Array(slots.reduce((most, slot) => Math.max(most, slot + 1), 0));
  for (const slot of slots) column[slot] = values(slot);
  return column;
}

/** A negative value is invalid; without negative values, `max - min` cannot overflow. */
function isKnown(value: number): boolean {
  return value >= 0 && value < Number.POSITIVE_INFINITY;
}
