import { type Random, shuffledIndexes } from "../../../std/random.ts";
import { pickerPlugin } from "../../../core/data-plane-plugin.ts";
import { pickerParams } from "../shared/picker-params.ts";

/**
 * Takes endpoints at random, with probabilities in proportion to their totals (A-Res, Efraimidis and Spirakis 2006):
 * every candidate draws u from (0, 1] and has the key
 *
 *     u ^ (1 / total)
 *
 * and the largest keys win. A total of 0 comes after all others; if all are 0, all are equally likely.
 */
export const weightedRandomPicker = pickerPlugin({
  type: "weighted-random-picker",
  summary:
    "Picks endpoints at random, with probabilities proportional to their totals: a candidate draws `u` from (0, 1] and the largest `u ^ (1 / total)` win. A total of 0 is picked only if nothing else is left; if all are 0, all are equally likely. Spreads load over endpoints of similar quality, such as those that a cache-affinity filter keeps.",
  params: pickerParams,
  create: ({ maxNumOfEndpoints }, { random }) => ({
    pick: (totals) => {
      if (maxNumOfEndpoints === 1) return indexOfLargestKey(totals, random);
      const keys = totals.map((total) => keyOf(total, random));
      const order = shuffledIndexes(totals.length, random);
      // A stable sort of a shuffled list leaves equal keys in random order.
      order.sort((a, b) => descending(keys[a] ?? 0, keys[b] ?? 0));
      return order.slice(0, maxNumOfEndpoints);
    },
  }),
});

/** The logarithm of the key: the order is the same, and it does not round to 0 for small totals. */
function keyOf(total: number, random: Random): number {
  return total > 0 ? Math.log(1 - random()) / total : Number.NEGATIVE_INFINITY;
}

/** The index of the largest key, in one pass without a sort. */
function indexOfLargestKey(totals: Float64Array, random: Random): readonly number[] {
  let best = -1;
  let bestKey = Number.NEGATIVE_INFINITY;
  for (let index = 0; index < totals.length; index += 1) {
    const key = keyOf(totals[index] ?? 0, random);
    if (key > bestKey) {
      best = index;
      bestKey = key;
    }
  }
  if (best !== -1) return [best];
  return totals.length === 0 ? [] : [Math.floor(random() * totals.length)];
}

/** Compares for descending order. Equal infinite keys need the check, because their difference is NaN. */
function descending(a: number, b: number): number {
  return a === b ? 0 : b - a;
}
