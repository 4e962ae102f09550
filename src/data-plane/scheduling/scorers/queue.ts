import { z } from "zod";
import { scorerPlugin } from "../plugin.ts";
import { scoreLowest } from "../ranges.ts";

/**
 * Prefers the endpoint with the fewest waiting requests among the candidates:
 *
 *     score = (max - waiting) / (max - min), and 1 where all are equal
 */
export const queueScorer = scorerPlugin({
  type: "queue-scorer",
  params: z.strictObject({}),
  create: () => ({
    score: ({ load }, candidates, scores) => scoreLowest(load.waitingRequests, candidates, scores),
  }),
});
