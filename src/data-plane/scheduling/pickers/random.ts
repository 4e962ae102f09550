import { shuffledIndexes } from "../../../std/random.ts";
import { pickerPlugin } from "../plugin.ts";
import { pickerParams } from "../picker-params.ts";

/** Takes endpoints at random, whatever their totals. */
export const randomPicker = pickerPlugin({
  type: "random-picker",
  params: pickerParams,
  create: ({ maxNumOfEndpoints }, { random }) => ({
    pick: (totals) => shuffledIndexes(totals.length, random).slice(0, maxNumOfEndpoints),
  }),
});
