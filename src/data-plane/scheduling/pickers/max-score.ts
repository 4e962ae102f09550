import { shuffledIndexes } from "../../../std/random.ts";
import { pickerPlugin } from "../../../core/data-plane-plugin.ts";
import { pickerParams } from "../shared/picker-params.ts";

/** Takes the endpoints with the highest totals, best first; equal totals in random order. */
export const maxScorePicker = pickerPlugin({
  type: "max-score-picker",
  summary:
    "Picks the highest totals, best first; ties in random order. The usual picker: it follows the scorers exactly.",
  params: pickerParams,
  create: ({ maxNumOfEndpoints }, { random }) => ({
    pick: (totals) => {
      if (maxNumOfEndpoints === 1) return indexOfMax(totals, random);
      const order = shuffledIndexes(totals.length, random);
      // A stable sort of a shuffled list leaves equal totals in random order.
      order.sort((a, b) => (totals[b] ?? 0) - (totals[a] ?? 0));
      return order.slice(0, maxNumOfEndpoints);
    },
  }),
});

/** The index of the highest total, in one pass without a sort; of several equal ones, each is equally likely. */
function indexOfMax(totals: Float64Array, random: () => number): readonly number[] {
  let best = -1;
  let bestTotal = Number.NEGATIVE_INFINITY;
  let equals = 0;
  const count = totals.length;
  for (let index = 0; index < count; index += 1) {
    const total = totals[index] ?? 0;
    if (total > bestTotal) {
      best = index;
      bestTotal = total;
      equals = 1;
    } else if (total === bestTotal) {
      equals += 1;
      // Replacing the best by the k-th equal one with probability 1/k makes all k equally likely.
      if (random() * equals < 1) best = index;
    }
  }
  return best === -1 ? [] : [best];
}
