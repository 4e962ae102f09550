import { z } from "zod";
import { scorerPlugin } from "../../../core/data-plane-plugin.ts";
import { slotsOf } from "../../../core/endpoint-slots.ts";
import { dataOfNamed } from "../../../core/plugin.ts";
import { matchColumnsOf } from "../shared/match-columns.ts";

/** Parameters of older versions, in which this scorer kept the cache; existing documents have them. */
const olderParameter = z.unknown().optional().meta({
  description:
    "Accepted but has no effect: blocks and capacities are parameters of approx-prefix-cache-producer.",
});

const params = z
  .strictObject({
    prefixMatchInfoProducerName: z.string().optional().meta({
      description: "Producer of prefix matches; default approx-prefix-cache-producer.",
    }),
    matchLengthWeight: z.number().min(0).max(1).default(0).meta({
      unit: "ratio",
      description:
        "Share of the score that depends on the length of the match instead of its ratio.",
      tune: "Raise it if prompt lengths vary: half of a long prompt saves more than all of a short one.",
    }),
    matchLengthScaleTokens: z.int().default(8_192).meta({
      unit: "tokens",
      description: "Match length with the full score; used if matchLengthWeight is above 0.",
      tune: "Set it to about the 95th percentile of prompt lengths; too high a value flattens the scores.",
    }),
    autoTune: olderParameter,
    blockSize: olderParameter,
    blockSizeTokens: olderParameter,
    hashBlockSize: olderParameter,
    lruCapacityPerServer: olderParameter,
    maxPrefixBlocksToMatch: olderParameter,
    maxPrefixTokensToMatch: olderParameter,
  })
  .refine(
    ({ matchLengthWeight, matchLengthScaleTokens }) =>
      matchLengthWeight === 0 || matchLengthScaleTokens > 0,
    {
      path: ["matchLengthScaleTokens"],
      message: "must be above 0 if matchLengthWeight is",
    },
  );

/**
 * Prefers the endpoint that has most of the prompt cached:
 *
 *     ratio  = matched blocks / blocks of the prompt
 *     length = min(1, matched tokens / scale)^2
 *     score  = w x length + (1 - w) x ratio
 *
 * The square models attention: the saved work grows with the square of the length.
 */
export const prefixCacheScorer = scorerPlugin({
  type: "prefix-cache-scorer",
  summary:
    "Prefers the endpoint that holds most of the prompt in its KV cache: `w x min(1, matched tokens / scale)^2 + (1 - w) x matched blocks / blocks of the prompt`, where `w` is matchLengthWeight. With the default `w` of 0 only the ratio counts. Scores 0 if the request has no prompt. Give it the highest weight if prompts share long prefixes (system prompts, conversations, documents), and combine it with a load scorer: otherwise one endpoint attracts all prompts with the same prefix.",
  params,
  needs: ({ prefixMatchInfoProducerName }) => [
    dataOfNamed("prefix-match", prefixMatchInfoProducerName, "prefixMatchInfoProducerName"),
  ],
  create: ({ prefixMatchInfoProducerName, matchLengthWeight, matchLengthScaleTokens }, deps) => {
    const matchOf = deps.reader("prefix-match", prefixMatchInfoProducerName);
    return {
      score: (context, candidates, scores) => {
        const match = matchOf(context);
        if (match === undefined) {
          scores.fill(0, 0, candidates.length);
          return;
        }
        const slots = slotsOf(candidates);
        const { matchedBlocks, blockTokens } = matchColumnsOf(match, slots);
        let size = Number.NaN;
        let totalBlocks = 0;
        for (let index = 0; index < slots.length; index += 1) {
          const slot = slots[index] ?? 0;
          const tokens = blockTokens[slot] ?? 0;
          if (tokens !== size) totalBlocks = Math.max(1, match.totalBlocks(slot));
          size = tokens;
          const matched = matchedBlocks[slot] ?? 0;
          scores[index] = matched / totalBlocks;
        }
        if (matchLengthWeight === 0) return;
        for (let index = 0; index < slots.length; index += 1) {
          const slot = slots[index] ?? 0;
          const matchedTokens = (matchedBlocks[slot] ?? 0) * (blockTokens[slot] ?? 0);
          const length = Math.min(1, matchedTokens / matchLengthScaleTokens) ** 2;
          const ratio = scores[index] ?? 0;
          scores[index] = matchLengthWeight * length + (1 - matchLengthWeight) * ratio;
        }
      },
    };
  },
});
