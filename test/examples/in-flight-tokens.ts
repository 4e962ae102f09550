import { z } from "zod";
import { scorerPlugin } from "../../src/core/data-plane-plugin.ts";
import { scoreLowest } from "../../src/data-plane/scheduling/shared/ranges.ts";

/**
 * Prefers the endpoint with the fewest prompt tokens in flight among the candidates:
 *
 *     score = (max - tokens) / (max - min), and 1 if all are equal
 */
export const inFlightTokensScorer = scorerPlugin({
  type: "in-flight-tokens-scorer",
  isOwn: true,
  summary:
    "Prefers few prompt tokens in flight: `(max - tokens) / (max - min)` over the candidates.",
  params: z.strictObject({}),
  create: () => ({
    score: ({ load }, candidates, scores) => scoreLowest(load.inFlightTokens, candidates, scores),
  }),
});
