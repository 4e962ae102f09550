import { z } from "zod";
import { scorerPlugin } from "../../../core/data-plane-plugin.ts";
import { type LatencyObjective, meets, objectiveOf } from "../../../core/latency-objective.ts";
import type { Headrooms, LatencyPrediction } from "../../../core/latency-prediction.ts";
import { predictionParams, predictionsOf } from "../shared/prediction-params.ts";
import { unknownScore } from "../shared/ranges.ts";

/** Milliseconds that each request that decodes there costs in addition. */
const neighborMs = 10;
/** Differences of this size are noise: idle endpoints score almost alike. */
const noiseMs = 1;

/** Share by which each request that decodes on an endpoint makes work there dearer, by objective. */
const neighborShares = { ttft: 0.03, e2e: 0.2 } as const;

/** Milliseconds that a missed objective counts as, so that endpoints that meet it come first. */
const missedMs = 1_000_000;

const params = z.strictObject({
  objective: z.enum(["ttft", "e2e", "slo"]).default("ttft").meta({
    description:
      "The time to keep low: `ttft` to the first token, `e2e` to the end of the response. With `slo`, endpoints that are predicted to miss an objective in the request's headers come last; without such headers it is `ttft`.",
    tune: "Set it to `e2e` if outputs are long and clients wait for whole responses.",
  }),
  ...predictionParams,
});

/**
 * Prefers the endpoint where the request is expected to cost the least time:
 *
 *     work  = time to compute the prompts ahead and the uncached part of this one + price of copying cached blocks
 *     cost  = work x (1 + share x decoding) + 10 ms x decoding + wait for the adapter
 *     score = (least cost of all candidates + 1 ms) / (cost + 1 ms)
 *
 * The prompt slows down the requests that decode there, `decoding`, and they slow it down.
 */
export const expectedLatencyScorer = scorerPlugin({
  type: "expected-latency-scorer",
  isOwn: true,
  summary:
    "Prefers the endpoint where the request is expected to cost the least time: `(prefill + copy) x (1 + share x decoding) + 10 ms x decoding + adapter`. `prefill` is the time to compute the prompts ahead and the uncached part of this one, at the endpoint's learned speed. `copy` is the price of computing a prefix that another endpoint has cached: it rises with the load of the pool and falls with the popularity of the prefix. `decoding` is the number of requests that generate there. `adapter` is the price of the wait for a LoRA adapter. `share` is 0.03, or 0.2 with the objective `e2e`. The cheapest endpoint scores 1, one that costs twice as much 0.5. It does not depend on scraped load, and there is nothing to tune; on its own it replaces the scorers of queue, KV cache, prefix and LoRA. [How it decides](how-it-decides.md) explains each term with an example.",
  params,
  needs: (options) => [predictionsOf(options)],
  create: ({ objective, latencyPredictionInfoProducerName: producer }, deps) => {
    const predictionOf = deps.reader("latency-prediction", producer);
    const share = objective === "e2e" ? neighborShares.e2e : neighborShares.ttft;
    return {
      score: (context, candidates, scores) => {
        const prediction = predictionOf(context);
        if (prediction === undefined) {
          scores.fill(unknownScore, 0, candidates.length);
          return;
        }
        const wanted = objective === "slo" ? objectiveOf(context.request.head) : undefined;
        let least = Number.POSITIVE_INFINITY;
        let index = 0;
        for (const { slot } of candidates) {
          let cost = costMs(prediction, slot, share);
          if (wanted !== undefined && isMissed(wanted, prediction.headrooms(slot)))
            cost += missedMs;
          scores[index] = cost;
          index += 1;
          if (cost < least) least = cost;
        }
        for (index = 0; index < candidates.length; index += 1) {
          const score = (least + noiseMs) / ((scores[index] ?? Number.NaN) + noiseMs);
          scores[index] = Number.isNaN(score) ? unknownScore : score;
        }
      },
    };
  },
});

function isMissed(wanted: LatencyObjective, headrooms: Headrooms | undefined): boolean {
  return headrooms !== undefined && !meets(wanted, headrooms);
}

function costMs(prediction: LatencyPrediction, slot: number, share: number): number {
  const decoding = prediction.decoding(slot);
  const workMs = Math.max(0, prediction.prefillMs(slot) + prediction.copyMs(slot));
  return workMs * (1 + share * decoding) + neighborMs * decoding + prediction.adapterMs(slot);
}
