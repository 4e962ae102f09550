import { shuffledIndexes } from "../../../std/random.ts";
import { pickerPlugin } from "../../../core/data-plane-plugin.ts";
import { pickerParams } from "../shared/picker-params.ts";

/** Takes endpoints at random and ignores their totals. */
export const randomPicker = pickerPlugin({
  type: "random-picker",
  summary:
    "Picks candidates at random and ignores their totals. For comparison with plain load balancing, or if filters alone decide.",
  params: pickerParams,
  create: ({ maxNumOfEndpoints }, { random }) => ({
    pick: ({ length }) => {
      if (length === 0) return [];
      if (maxNumOfEndpoints === 1) return [Math.floor(random() * length)];
      return shuffledIndexes(length, random).slice(0, maxNumOfEndpoints);
    },
  }),
});
