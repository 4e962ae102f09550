import { z } from "zod";
import { loadSignalLabels } from "../../../core/signals.ts";
import { scorerPlugin } from "../../../core/data-plane-plugin.ts";
import { scoreFewest } from "../shared/ranges.ts";

/**
 * Prefers the endpoint with the fewest waiting requests among the candidates:
 *
 *     score = 1 - (waiting - min) / max(max - min, least), and 1 if all are equal
 *
 * Here, `least` is the fewest requests, waiting and running, that a candidate has, minus two. If queues differ by
 * `least` or more, the score is `(max - waiting) / (max - min)`.
 */
export const queueScorer = scorerPlugin({
  type: "queue-scorer",
  summary:
    "Prefers the fewest requests waiting in the engine: `1 - (waiting - min) / max(max - min, least)` over the candidates, where `least` is the fewest requests, waiting and running, that any of them has, less two. If queues differ by `least` or more, that equals `(max - waiting) / (max - min)`: 1 for the shortest queue, 0 for the longest. If they differ by less, scores differ by less too: next to 20 running requests, one waiting request means little. 1 if all are equal. Raise its weight if prompts queue; it has no effect while no request waits.",
  params: z.strictObject({}),
  signals: () => [loadSignalLabels.waitingRequests],
  create: () => ({
    score: ({ load: { waitingRequests, runningRequests } }, candidates, scores) =>
      scoreFewest({ counts: waitingRequests, others: runningRequests }, candidates, scores),
  }),
});
