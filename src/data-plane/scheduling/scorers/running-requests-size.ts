import { z } from "zod";
import { scorerPlugin } from "../plugin.ts";
import { scoreLowest } from "../ranges.ts";

/**
 * Prefers the endpoint with the smallest running batch among the candidates:
 *
 *     score = (max - running) / (max - min), and 1 where all are equal
 */
export const runningRequestsSizeScorer = scorerPlugin({
  type: "running-requests-size-scorer",
  params: z.strictObject({}),
  create: () => ({
    score: ({ load }, candidates, scores) => scoreLowest(load.runningRequests, candidates, scores),
  }),
});
