import { z } from "zod";
import { loadSignalLabels } from "../../../core/signals.ts";
import { scorerPlugin } from "../../plugin.ts";
import { scoreLowest } from "../shared/ranges.ts";

/**
 * Prefers the endpoint with the smallest running batch among the candidates:
 *
 *     score = (max - running) / (max - min), and 1 where all are equal
 */
export const runningRequestsSizeScorer = scorerPlugin({
  type: "running-requests-size-scorer",
  summary:
    "Prefers the smallest running batch: `(max - running) / (max - min)` over the candidates, 1 where all are equal. Of use where queues are empty and time per token matters.",
  params: z.strictObject({}),
  signals: () => [loadSignalLabels.runningRequests],
  create: () => ({
    score: ({ load }, candidates, scores) => scoreLowest(load.runningRequests, candidates, scores),
  }),
});
