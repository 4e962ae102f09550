import { z } from "zod";
import { loadSignalLabels } from "../../../core/signals.ts";
import { scorerPlugin } from "../../../core/data-plane-plugin.ts";
import { slotsOf } from "../../../core/endpoint-slots.ts";
import { unknownScore } from "../shared/ranges.ts";

/**
 * Prefers the endpoint with the most free KV cache:
 *
 *     score = 1 - used share of the KV cache
 *
 * The score depends on the endpoint alone, so a new candidate never reorders the others.
 */
export const kvCacheUtilizationScorer = scorerPlugin({
  type: "kv-cache-utilization-scorer",
  summary:
    "Prefers free KV cache: `1 - used share`. Raise its weight if long contexts make engines preempt.",
  params: z.strictObject({}),
  signals: () => [loadSignalLabels.kvCacheUsedRatio],
  create: () => ({
    score: ({ load }, candidates, scores) => {
      const slots = slotsOf(candidates);
      const { kvCacheUsedRatio } = load;
      for (let index = 0; index < slots.length; index += 1) {
        const usedRatio = kvCacheUsedRatio[slots[index] ?? 0] ?? Number.NaN;
        // An assignment for each case: V8 makes an object of each number that `? :` chooses here.
        if (usedRatio >= 0 && usedRatio <= 1) scores[index] = 1 - usedRatio;
        else if (Number.isFinite(usedRatio)) scores[index] = usedRatio < 0 ? 1 : 0;
        else scores[index] = unknownScore;
      }
    },
  }),
});
