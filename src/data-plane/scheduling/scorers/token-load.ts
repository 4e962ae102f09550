import { z } from "zod";
import { scorerPlugin } from "../../../core/data-plane-plugin.ts";
import { unknownScore } from "../shared/ranges.ts";

const params = z.strictObject({
  queueThresholdTokens: z.int().min(1).default(4_194_304).meta({
    unit: "tokens",
    description: "Tokens from which on an endpoint scores 0; the default is 128 prompts of 32,768.",
    tune: "Near the tokens that an endpoint has at full load: far above it all endpoints look idle.",
  }),
  inFlightLoadProducerName: z.string().optional().meta({
    description: "The producer of in-flight loads; inflight-load-producer where none is named.",
  }),
});

/**
 * Prefers the endpoint with the least work, this request included:
 *
 *     t     = tokens in flight on the endpoint + tokens of this prompt that it does not hold
 *     score = 1 - min(t, threshold) / threshold
 */
export const tokenLoadScorer = scorerPlugin({
  type: "token-load-scorer",
  summary:
    "Prefers the endpoint with the least work: `1 - min(t, T) / T`, where `t` is the tokens that this picker has sent it and not seen finish, plus those of this prompt that its cache does not hold, and `T` is the threshold. It tells a queue of long prompts from one of short ones, needs no scrape, and by itself weighs a cached prompt against load in one unit.",
  params,
  needs: ({ inFlightLoadProducerName }) => [
    {
      kind: "data",
      data: "in-flight-load",
      producer: inFlightLoadProducerName || undefined,
      path: ["inFlightLoadProducerName"],
    },
  ],
  create: ({ queueThresholdTokens, inFlightLoadProducerName }, deps) => {
    const loadOf = deps.reader("in-flight-load", inFlightLoadProducerName || undefined);
    return {
      score: (context, candidates, scores) => {
        const inFlight = loadOf(context);
        for (const [index, { slot }] of candidates.entries()) {
          const tokens =
            inFlight === undefined
              ? Number.NaN
              : inFlight.tokens(slot) + inFlight.uncachedTokens(slot);
          scores[index] = Number.isNaN(tokens)
            ? unknownScore
            : 1 - Math.min(Math.max(0, tokens), queueThresholdTokens) / queueThresholdTokens;
        }
      },
    };
  },
});
