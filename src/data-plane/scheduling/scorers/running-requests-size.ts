import { z } from "zod";
import { loadSignalLabels } from "../../../core/signals.ts";
import { scorerPlugin } from "../../../core/data-plane-plugin.ts";
import { scoreFewest } from "../shared/ranges.ts";

/**
 * Prefers the endpoint with the smallest running batch among the candidates:
 *
 *     score = 1 - (running - min) / max(max - min, least), and 1 if all are equal
 *
 * Here, `least` is the fewest requests, waiting and running, that a candidate has, minus two. If batches differ by
 * `least` or more, the score is `(max - running) / (max - min)`.
 */
export const runningRequestsSizeScorer = scorerPlugin({
  type: "running-requests-size-scorer",
  summary:
    "Prefers the smallest running batch: `1 - (running - min) / max(max - min, least)` over the candidates, where `least` is the fewest requests, waiting and running, that any of them has, less two. If batches differ by `least` or more, that equals `(max - running) / (max - min)`: 1 for the smallest batch, 0 for the largest. If they differ by less, scores differ by less too: 20 and 21 running requests are nearly the same. 1 if all are equal. Useful if queues are empty and time per token matters.",
  params: z.strictObject({}),
  signals: () => [loadSignalLabels.runningRequests],
  create: () => ({
    score: ({ load: { waitingRequests, runningRequests } }, candidates, scores) =>
      scoreFewest({ counts: runningRequests, others: waitingRequests }, candidates, scores),
  }),
});
