import { z } from "zod";
import { deciderPlugin } from "../../../core/data-plane-plugin.ts";
import { prefillThreshold } from "../shared/prefill-threshold.ts";

const params = z.strictObject({
  nonCachedTokens: z.int().min(0).default(0).meta({
    description:
      "Prompt tokens that the endpoint has to lack for a prefill elsewhere; 0 for never.",
    unit: "tokens",
    tune: "The prompt length from which a transfer of the KV cache costs less than the prefill holds up the decoding of others; measure with your network.",
  }),
  promptTokens: z.int().min(0).default(0).meta({
    description: "Prompt tokens below which a request is never prefilled elsewhere.",
    unit: "tokens",
  }),
  prefixMatchInfoProducerName: z.string().optional().meta({
    description: "The producer of prefix matches.",
  }),
});

/** A prefill of its own is worth it where the endpoint does not hold enough of the prompt. */
export const prefixBasedPdDecider = deciderPlugin({
  type: "prefix-based-pd-decider",
  summary:
    "Says yes to requests whose prompts have at least `promptTokens` tokens and at least `nonCachedTokens` that the chosen decode endpoint does not hold: `prompt tokens - matched blocks x block size`. With `nonCachedTokens` 0, the default, it always says no. For mixed traffic: long new prompts go to the prefill endpoints, short and cached ones are answered in one place.",
  params,
  needs: ({ prefixMatchInfoProducerName: producer }) => [
    { kind: "data", data: "prompt-tokens", producer: undefined, path: [] },
    { kind: "data", data: "prefix-match", producer, path: ["prefixMatchInfoProducerName"] },
  ],
  create: ({ nonCachedTokens, promptTokens, prefixMatchInfoProducerName }, deps) =>
    prefillThreshold(
      { uncachedTokensMin: nonCachedTokens, promptTokensMin: promptTokens },
      {
        tokensOf: deps.reader("prompt-tokens", undefined),
        matchOf: deps.reader("prefix-match", prefixMatchInfoProducerName),
      },
    ),
});
