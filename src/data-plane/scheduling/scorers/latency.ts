import { z } from "zod";
import { type SchedulingContext, scorerPlugin } from "../../../core/data-plane-plugin.ts";
import { dataOfNamed } from "../../../core/plugin.ts";
import type { Endpoint } from "../../../core/endpoint.ts";
import { objectiveIn } from "../../../core/latency-objective.ts";
import type { LatencyPrediction } from "../../../core/latency-prediction.ts";
import type { LoadSnapshot } from "../../../core/load.ts";
import type { PrefixMatch } from "../../../core/prefix-match.ts";
import { HeadroomColumns } from "../shared/headroom-columns.ts";
import { predictionParams, predictionsOf } from "../shared/prediction-params.ts";
import { unknownScore } from "../shared/ranges.ts";

/** Scores are whole hundredths, so that differences below one are ties. */
const steps = 100;
/** Share of a step by which a sum of floating-point numbers may fall short of a whole one. */
const shortfall = 1e-9;

const weight = (of: string) =>
  z
    .number()
    .min(0)
    .default(1)
    .meta({
      description: `Weight of ${of} if there are no predictions.`,
    });

const params = z.strictObject({
  ttftWeight: z.number().min(0).default(0.8).meta({
    description: "Weight of the time to first token.",
  }),
  tpotWeight: z.number().min(0).default(0.2).meta({
    description: "Weight of the time per further token.",
    tune: "Set it to 0 if clients do not stream.",
  }),
  headroomSelectionStrategy: z.enum(["least", "most"]).default("least").meta({
    description:
      "Preference among endpoints that meet the objective: `least` headroom, which keeps the faster ones free for others, or `most`.",
    tune: "Set it to most if predictions are often too low.",
  }),
  compositeKVWeight: weight("the free part of the KV cache"),
  compositeQueueWeight: weight("the queue"),
  compositePrefixWeight: weight("the cached part of the prompt"),
  ...predictionParams,
  prefixMatchInfoProducerName: z.string().optional().meta({
    description: "The producer of prefix matches; default approx-prefix-cache-producer.",
  }),
});

type Params = z.infer<typeof params>;

/**
 * Scores endpoints by their headroom to the client's latency objective, `objective - prediction`:
 *
 *     n     = (|headroom| - min) / (max - min)   for each part, among the endpoints scored
 *     blend = ttftWeight x (1 - n of TTFT) + tpotWeight x (1 - n of TPOT), by n where the strategy is `most`
 *     score = min(1, (whole hundredths of the blend + 1) / 100)
 *
 * Only the best group is scored, the others get 0: the endpoints that meet the objective; else the idle ones; else those
 * that miss TPOT only, TTFT only, or both. Without an objective, headroom is minus the prediction and every endpoint
 * misses it.
 */
export const latencyScorer = scorerPlugin({
  type: "latency-scorer",
  summary:
    "Scores endpoints by their headroom to the client's latency objective (`x-llm-d-slo-ttft-ms`, `x-llm-d-slo-tpot-ms`): objective minus predicted latency, or minus the prediction if the client names none. If endpoints meet the objective, only they get points, the one with the least headroom most. If none does, only idle endpoints get points; without any, those that miss only TPOT, else only TTFT, else both, the one that misses least first. TTFT and TPOT are blended by weight after each is scaled to its range; a part that is equal everywhere does not count. A part that the client did not name cannot be missed, and less of it is better. Without predictions, free KV cache, queue and cached prefix are blended.",
  params,
  needs: (options) => [
    predictionsOf(options),
    dataOfNamed("prefix-match", options.prefixMatchInfoProducerName, "prefixMatchInfoProducerName"),
  ],
  create: (options, deps) => {
    const { latencyPredictionInfoProducerName, prefixMatchInfoProducerName } = options;
    const predictionOf = deps.reader("latency-prediction", latencyPredictionInfoProducerName);
    const matchOf = deps.reader("prefix-match", prefixMatchInfoProducerName);
    const columns = new HeadroomColumns();
    return {
      score: (context, candidates, scores) => {
        const prediction = predictionOf(context);
        if (prediction === undefined || !read(columns, { context, candidates, prediction })) {
          scoreComposite(context.load, candidates, { scores, options, match: matchOf(context) });
        } else scoreHeadrooms(columns, options, scores);
      },
    };
  },
});

interface Predicted {
  readonly context: SchedulingContext;
  readonly candidates: readonly Endpoint[];
  readonly prediction: LatencyPrediction;
}

/** Returns false if no candidate has a prediction. */
function read(columns: HeadroomColumns, { context, candidates, prediction }: Predicted): boolean {
  const { inFlightRequests } = context.load;
  return columns.read(candidates, {
    headroomsOf: (slot) => prediction.headrooms(slot),
    isIdle: (slot) => inFlightRequests[slot] === 0,
    objective: objectiveIn(context),
  });
}

function scoreHeadrooms(columns: HeadroomColumns, options: Params, scores: Float64Array): void {
  const { count, scored, ttft, tpot } = columns;
  const isMost = options.headroomSelectionStrategy === "most" && columns.isMet;
  const ttftShare = ttftShareOf(options, columns);
  for (let index = 0; index < count; index += 1) {
    if (scored[index] === 0) {
      scores[index] = 0;
      continue;
    }
    const ttftScore = ttft.scoreOf(index, isMost);
    const tpotScore = tpot.scoreOf(index, isMost);
    const blend = ttftShare * ttftScore + (1 - ttftShare) * tpotScore;
    scores[index] = Math.min(1, (Math.floor(blend * steps + shortfall) + 1) / steps);
  }
}

/** Weight of TTFT against TPOT, 0 to 1: a part without a range has none. */
function ttftShareOf({ ttftWeight, tpotWeight }: Params, { ttft, tpot }: HeadroomColumns): number {
  if (ttft.hasRange !== tpot.hasRange) return ttft.hasRange ? 1 : 0;
  const sum = ttftWeight + tpotWeight;
  return sum > 0 ? ttftWeight / sum : 1;
}

interface Composite {
  readonly scores: Float64Array;
  readonly options: Params;
  readonly match: PrefixMatch | undefined;
}

/** Without predictions: `kv x free KV cache + queue x (longest - own) / longest + prefix x cached share`, by weight. */
function scoreComposite(
  { waitingRequests, kvCacheUsedRatio }: LoadSnapshot,
  candidates: readonly Endpoint[],
  { scores, options, match }: Composite,
): void {
  const { compositeKVWeight, compositeQueueWeight, compositePrefixWeight } = options;
  const sum = compositeKVWeight + compositeQueueWeight + compositePrefixWeight;
  // Without any weight the KV cache counts alone.
  const kvWeight = sum > 0 ? compositeKVWeight / sum : 1;
  const queueWeight = sum > 0 ? compositeQueueWeight / sum : 0;
  const prefixWeight = sum > 0 ? compositePrefixWeight / sum : 0;
  let longest = 0;
  for (const { slot } of candidates) longest = Math.max(longest, knownOr(waitingRequests[slot], 0));
  let index = 0;
  for (const { slot } of candidates) {
    const used = knownOr(kvCacheUsedRatio[slot], unknownScore);
    const waiting = knownOr(waitingRequests[slot], longest * unknownScore);
    const queueScore = longest > 0 ? (longest - waiting) / longest : 1;
    const score =
      kvWeight * (1 - Math.min(1, used)) +
      queueWeight * queueScore +
      prefixWeight * (match === undefined ? 0 : cachedShare(match, slot));
    scores[index] = Math.min(1, Math.round(score * steps) / steps);
    index += 1;
  }
}

function knownOr(value: number | undefined, otherwise: number): number {
  return value !== undefined && value >= 0 && Number.isFinite(value) ? value : otherwise;
}

function cachedShare(match: PrefixMatch, slot: number): number {
  const totalBlocks = match.totalBlocks(slot);
  return totalBlocks > 0 ? match.matchedBlocks(slot) / totalBlocks : 0;
}
