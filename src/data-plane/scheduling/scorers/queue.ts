import { z } from "zod";
import { loadSignalLabels } from "../../../core/signals.ts";
import { scorerPlugin } from "../../plugin.ts";
import { scoreLowest } from "../shared/ranges.ts";

/**
 * Prefers the endpoint with the fewest waiting requests among the candidates:
 *
 *     score = (max - waiting) / (max - min), and 1 where all are equal
 */
export const queueScorer = scorerPlugin({
  type: "queue-scorer",
  summary:
    "Prefers the fewest requests waiting in the engine: `(max - waiting) / (max - min)` over the candidates, 1 where all are equal. Raise its weight where prompts queue; it says nothing while nobody waits.",
  params: z.strictObject({}),
  signals: () => [loadSignalLabels.waitingRequests],
  create: () => ({
    score: ({ load }, candidates, scores) => scoreLowest(load.waitingRequests, candidates, scores),
  }),
});
