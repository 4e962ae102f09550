import { z } from "zod";
import type { Endpoint } from "../../../core/endpoint.ts";
import type { PrefixMatch } from "../../../core/prefix-match.ts";
import {
  filterPlugin,
  type PluginDeps,
  type SchedulingContext,
} from "../../../core/data-plane-plugin.ts";
import type { PluginNeed } from "../../../core/plugin.ts";

const params = z
  .strictObject({
    affinityThreshold: z.number().max(1).default(0.8).meta({
      description:
        "Share of the prompt's blocks that an endpoint must hold to be sticky; 0 or less disables the filter.",
      unit: "ratio",
      tune: "Lower it if prompts share little but recomputing that little is expensive.",
    }),
    explorationProbability: z.number().min(0).max(1).default(0).meta({
      description:
        "Probability that the filter is skipped, so that other endpoints fill their caches.",
      unit: "ratio",
      tune: "Set it to a few hundredths if a handful of prompts would stick to a handful of endpoints.",
    }),
    maxTTFTPenaltyMs: z.number().min(0).default(18_000).meta({
      description:
        "Maximum extra time to first token of the best sticky endpoint over the best other one; 0 for no limit.",
      unit: "ms",
      tune: "Lower it if a popular prompt slows its endpoints down.",
    }),
    ttftSource: z
      .enum(["prefillThroughput", "latencyPredictor"])
      .default("prefillThroughput")
      .meta({
        description:
          "Source of the time to first token: `prefillThroughput` divides tokens in flight by the throughput; `latencyPredictor` takes the predicted time, which knows the speed of each endpoint and counts the request itself.",
        tune: "Set it to latencyPredictor: there is no throughput to measure then.",
      }),
    peakPrefillThroughput: z.number().min(0).default(15_928).meta({
      description:
        "Peak prompt tokens per second of an engine; without effect if ttftSource is latencyPredictor.",
      unit: "tokens per second",
      tune: "Measure it; the default is for a 32B model on two H100 GPUs.",
    }),
    prefixMatchInfoProducerName: z.string().optional().meta({
      description: "The producer of prefix matches.",
    }),
    inFlightLoadProducerName: z.string().optional().meta({
      description: "The producer of tokens in flight, for prefillThroughput.",
    }),
    latencyPredictionInfoProducerName: z.string().optional().meta({
      description:
        "The producer of predictions, for latencyPredictor; default predicted-latency-producer.",
    }),
  })
  .refine(
    ({ ttftSource, maxTTFTPenaltyMs, peakPrefillThroughput }) =>
      ttftSource === "latencyPredictor" || maxTTFTPenaltyMs === 0 || peakPrefillThroughput > 0,
    {
      path: ["peakPrefillThroughput"],
      message: "must be above 0 if maxTTFTPenaltyMs compares times",
    },
  );

type Params = z.infer<typeof params>;

/**
 * Keeps the sticky endpoints, which have most of the prompt cached, unless they would be too slow:
 *
 *     sticky if matched / total blocks >= threshold
 *     TTFT = tokens in flight / throughput x 1,000 ms, or as predicted
 *
 * All candidates stay if none is sticky, with the probability of exploration, and if the best sticky TTFT is above the
 * best other one by more than the penalty.
 */
export const prefixCacheAffinityFilter = filterPlugin({
  type: "prefix-cache-affinity-filter",
  summary:
    "Keeps only endpoints that hold at least `affinityThreshold` of the prompt's blocks in their cache. Keeps all if there is no such endpoint, with a probability of `explorationProbability`, or if the best sticky endpoint would take more than `maxTTFTPenaltyMs` longer to the first token than the best other one; that time is `tokens in flight / peakPrefillThroughput`, or the predicted one. For prompts with long shared prefixes, before load scorers or `weighted-random-picker`.",
  params,
  needs: (options) => [
    {
      kind: "data",
      data: "prefix-match",
      producer: options.prefixMatchInfoProducerName,
      path: ["prefixMatchInfoProducerName"],
    },
    ...(options.maxTTFTPenaltyMs === 0 ? [] : [timesNeededBy(options)]),
  ],
  create: (options, deps) => {
    const { affinityThreshold, explorationProbability, maxTTFTPenaltyMs } = options;
    const matchOf = deps.reader("prefix-match", options.prefixMatchInfoProducerName);
    const ttftsOf = maxTTFTPenaltyMs === 0 ? () => undefined : ttftSourceOf(options, deps);
    return {
      filter: (context, candidates) => {
        if (candidates.length <= 1 || affinityThreshold <= 0) return candidates;
        if (deps.random() < explorationProbability) return candidates;
        const match = matchOf(context);
        if (match === undefined) return candidates;
        const isSticky = ({ slot }: Endpoint) => heldRatio(match, slot) >= affinityThreshold;
        const sticky = candidates.filter(isSticky);
        if (sticky.length === 0 || sticky.length === candidates.length) return candidates;
        const ttftMsOf = ttftsOf(context);
        if (ttftMsOf === undefined) return sticky;
        const others = candidates.filter((candidate) => !isSticky(candidate));
        const behindMs = least(ttftMsOf, sticky) - least(ttftMsOf, others);
        return behindMs > maxTTFTPenaltyMs ? candidates : sticky;
      },
    };
  },
});

function timesNeededBy({
  ttftSource,
  inFlightLoadProducerName,
  latencyPredictionInfoProducerName,
}: Params): PluginNeed {
  return ttftSource === "latencyPredictor"
    ? {
        kind: "data",
        data: "latency-prediction",
        producer: latencyPredictionInfoProducerName,
        path: ["latencyPredictionInfoProducerName"],
      }
    : {
        kind: "data",
        data: "in-flight-load",
        producer: inFlightLoadProducerName,
        path: ["inFlightLoadProducerName"],
      };
}

type TtftMsOf = (slot: number) => number;

/** The time to first token by slot; undefined if the request has no such data. */
function ttftSourceOf(
  options: Params,
  deps: PluginDeps,
): (context: SchedulingContext) => TtftMsOf | undefined {
  if (options.ttftSource === "latencyPredictor") {
    const predictionOf = deps.reader(
      "latency-prediction",
      options.latencyPredictionInfoProducerName,
    );
    return (context) => {
      const prediction = predictionOf(context);
      return prediction && ((slot) => prediction.ttftMs(slot));
    };
  }
  const loadOf = deps.reader("in-flight-load", options.inFlightLoadProducerName);
  return (context) => {
    const load = loadOf(context);
    return load && ((slot) => (load.tokens(slot) / options.peakPrefillThroughput) * 1_000);
  };
}

function heldRatio(match: PrefixMatch, slot: number): number {
  const totalBlocks = match.totalBlocks(slot);
  return totalBlocks > 0 ? match.matchedBlocks(slot) / totalBlocks : 0;
}

/** The shortest time among the endpoints; one without a time is never the fastest. */
function least(ttftMsOf: TtftMsOf, endpoints: readonly Endpoint[]): number {
  let shortestMs = Number.MAX_VALUE;
  for (const { slot } of endpoints) {
    const ttftMs = ttftMsOf(slot);
    if (ttftMs < shortestMs) shortestMs = ttftMs;
  }
  return shortestMs;
}
