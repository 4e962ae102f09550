import { z } from "zod";
import { scorerPlugin } from "../../../core/data-plane-plugin.ts";
import { slotsOf } from "../../../core/endpoint-slots.ts";
import { dataOfNamed } from "../../../core/plugin.ts";
import { unknownScore } from "../shared/ranges.ts";

const params = z.strictObject({
  queueThresholdTokens: z.int().min(1).default(4_194_304).meta({
    unit: "tokens",
    description:
      "Number of tokens from which an endpoint scores 0; the default is 128 prompts of 32,768 tokens.",
    tune: "Set it near the tokens of an endpoint at full load; if it is much higher, all endpoints look idle.",
  }),
  inFlightLoadProducerName: z.string().optional().meta({
    description: "Producer of in-flight loads; default inflight-load-producer.",
  }),
});

/**
 * Prefers the endpoint with the fewest tokens to compute, including this request:
 *
 *     t     = tokens in flight on the endpoint + tokens of this prompt that are not in its cache
 *     score = 1 - min(t, threshold) / threshold
 */
export const tokenLoadScorer = scorerPlugin({
  type: "token-load-scorer",
  summary:
    "Prefers the endpoint with the least work: `1 - min(t, T) / T`, where `t` is the number of unfinished tokens that this picker has sent to it, plus the tokens of this prompt that it does not have cached, and `T` is the threshold. It distinguishes queues of long prompts from queues of short ones, does not depend on scrapes, and weighs a cached prompt against load in the same unit.",
  params,
  needs: ({ inFlightLoadProducerName }) => [
    dataOfNamed("in-flight-load", inFlightLoadProducerName, "inFlightLoadProducerName"),
  ],
  create: ({ queueThresholdTokens, inFlightLoadProducerName }, deps) => {
    const loadOf = deps.reader("in-flight-load", inFlightLoadProducerName);
    return {
      score: (context, candidates, scores) => {
        const inFlight = loadOf(context);
        const slots = slotsOf(candidates);
        for (let index = 0; index < slots.length; index += 1) {
          const slot = slots[index] ?? 0;
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
