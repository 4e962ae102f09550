import { z } from "zod";
import type { Endpoint } from "../../../core/endpoint.ts";
import type { InFlightLoad } from "../../../core/in-flight-load.ts";
import type { PrefixMatch } from "../../../core/prefix-match.ts";
import { filterPlugin } from "../../../core/data-plane-plugin.ts";

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
          "Source of the time to first token: `prefillThroughput` divides tokens in flight by the throughput; `latencyPredictor` is not built yet.",
      }),
    peakPrefillThroughput: z.number().min(0).default(15_928).meta({
      description: "Peak prompt tokens per second of an engine.",
      unit: "tokens per second",
      tune: "Measure it; the default is for a 32B model on two H100 GPUs.",
    }),
    prefixMatchInfoProducerName: z.string().optional().meta({
      description: "The producer of prefix matches.",
    }),
    inFlightLoadProducerName: z.string().optional().meta({
      description: "The producer of tokens in flight.",
    }),
    latencyPredictionInfoProducerName: z.string().optional().meta({
      description: "Accepted; the latency predictor is not built yet.",
    }),
  })
  .refine(({ ttftSource }) => ttftSource !== "latencyPredictor", {
    path: ["ttftSource"],
    message: "latencyPredictor: known and not built yet",
  })
  .refine(
    ({ maxTTFTPenaltyMs, peakPrefillThroughput }) =>
      maxTTFTPenaltyMs === 0 || peakPrefillThroughput > 0,
    {
      path: ["peakPrefillThroughput"],
      message: "must be above 0 if maxTTFTPenaltyMs compares times",
    },
  );

/**
 * Keeps the sticky endpoints, which have most of the prompt cached, unless they would be too slow:
 *
 *     sticky if matched / total blocks >= threshold
 *     TTFT = tokens in flight / throughput x 1,000 ms
 *
 * All candidates stay if none is sticky, with the probability of exploration, and if the best sticky TTFT is above the
 * best other one by more than the penalty.
 */
export const prefixCacheAffinityFilter = filterPlugin({
  type: "prefix-cache-affinity-filter",
  summary:
    "Keeps only endpoints that hold at least `affinityThreshold` of the prompt's blocks in their cache. Keeps all if there is no such endpoint, with a probability of `explorationProbability`, or if the best sticky endpoint would take more than `maxTTFTPenaltyMs` longer to the first token than the best other one; that time is `tokens in flight / peakPrefillThroughput`. For prompts with long shared prefixes, before load scorers or `weighted-random-picker`.",
  params,
  needs: ({ prefixMatchInfoProducerName, inFlightLoadProducerName, maxTTFTPenaltyMs }) => [
    {
      kind: "data",
      data: "prefix-match",
      producer: prefixMatchInfoProducerName,
      path: ["prefixMatchInfoProducerName"],
    },
    ...(maxTTFTPenaltyMs === 0
      ? []
      : [
          {
            kind: "data",
            data: "in-flight-load",
            producer: inFlightLoadProducerName,
            path: ["inFlightLoadProducerName"],
          } as const,
        ]),
  ],
  create: (options, deps) => {
    const { affinityThreshold, explorationProbability, maxTTFTPenaltyMs } = options;
    const { peakPrefillThroughput } = options;
    const matchOf = deps.reader("prefix-match", options.prefixMatchInfoProducerName);
    const loadOf =
      maxTTFTPenaltyMs === 0
        ? () => undefined
        : deps.reader("in-flight-load", options.inFlightLoadProducerName);
    return {
      filter: (context, candidates) => {
        if (candidates.length <= 1 || affinityThreshold <= 0) return candidates;
        if (deps.random() < explorationProbability) return candidates;
        const match = matchOf(context);
        if (match === undefined) return candidates;
        const isSticky = ({ slot }: Endpoint) => heldRatio(match, slot) >= affinityThreshold;
        const sticky = candidates.filter(isSticky);
        if (sticky.length === 0 || sticky.length === candidates.length) return candidates;
        const load = loadOf(context);
        if (load === undefined) return sticky;
        const others = candidates.filter((candidate) => !isSticky(candidate));
        const tokensBehind = fewestTokens(load, sticky) - fewestTokens(load, others);
        const behindMs = (tokensBehind / peakPrefillThroughput) * 1_000;
        return behindMs > maxTTFTPenaltyMs ? candidates : sticky;
      },
    };
  },
});

function heldRatio(match: PrefixMatch, slot: number): number {
  const totalBlocks = match.totalBlocks(slot);
  return totalBlocks > 0 ? match.matchedBlocks(slot) / totalBlocks : 0;
}

function fewestTokens(load: InFlightLoad, endpoints: readonly Endpoint[]): number {
  let fewest = Number.POSITIVE_INFINITY;
  for (const { slot } of endpoints) fewest = Math.min(fewest, load.tokens(slot));
  return fewest;
}
