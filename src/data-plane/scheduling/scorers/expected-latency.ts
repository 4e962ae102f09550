import { z } from "zod";
import { scorerPlugin } from "../../../core/data-plane-plugin.ts";
import { slotsOf } from "../../../core/endpoint-slots.ts";
import { type LatencyObjective, meets, objectiveIn } from "../../../core/latency-objective.ts";
import type { CostColumns, LatencyPrediction } from "../../../core/latency-prediction.ts";
import { costColumnsOf } from "../shared/cost-columns.ts";
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
        const slots = slotsOf(candidates);
        writeCosts(costColumnsOf(prediction, slots), { slots, costs: scores, share });
        if (objective === "slo")
          addMissed(prediction, objectiveIn(context), { slots, costs: scores });
        scoreCosts(scores, slots.length);
      },
    };
  },
});

interface Costs {
  readonly slots: Int32Array;
  /** In the order of `slots`. */
  readonly costs: Float64Array;
}

function writeCosts(
  { prefillMs, copyMs, adapterMs, decoding }: CostColumns,
  { slots, costs, share }: Costs & { readonly share: number },
): void {
  const count = slots.length;
  for (let index = 0; index < count; index += 1) {
    const slot = slots[index] ?? 0;
    const neighbors = decoding[slot] ?? Number.NaN;
    const computingMs = (prefillMs[slot] ?? Number.NaN) + (copyMs[slot] ?? Number.NaN);
    // NaN stays NaN.
    const workMs = computingMs < 0 ? 0 : computingMs;
    const ms = workMs * (1 + share * neighbors) + neighborMs * neighbors;
    costs[index] = ms + (adapterMs[slot] ?? Number.NaN);
  }
}

/** Makes endpoints that would miss an objective dearer than all that meet it. */
function addMissed(
  prediction: LatencyPrediction,
  wanted: LatencyObjective,
  { slots, costs }: Costs,
): void {
  for (let index = 0; index < slots.length; index += 1) {
    const headrooms = prediction.headrooms(slots[index] ?? 0);
    if (headrooms === undefined || meets(wanted, headrooms)) continue;
    costs[index] = (costs[index] ?? Number.NaN) + missedMs;
  }
}

/** Replaces costs by scores. */
function scoreCosts(scores: Float64Array, count: number): void {
  let least = Number.POSITIVE_INFINITY;
  for (let index = 0; index < count; index += 1) {
    const cost = scores[index] ?? Number.NaN;
    if (cost < least) least = cost;
  }
  for (let index = 0; index < count; index += 1) {
    const score = (least + noiseMs) / ((scores[index] ?? Number.NaN) + noiseMs);
    // An assignment for each case: V8 makes an object of each number that `? :` chooses here.
    if (Number.isNaN(score)) scores[index] = unknownScore;
    else scores[index] = score;
  }
}
