import { z } from "zod";
import { deciderPlugin } from "../../../core/data-plane-plugin.ts";
import { prefillThreshold } from "../shared/prefill-threshold.ts";

const params = z.strictObject({
  nonCachedTokens: z.int().min(0).default(0).meta({
    description: "Minimum number of uncached prompt tokens for a remote prefill; 0 for never.",
    unit: "tokens",
    tune: "Set it to the prompt length from which transferring the KV cache costs less than a local prefill that delays the decoding of others. Measure it on your network.",
  }),
  promptTokens: z.int().min(0).default(0).meta({
    description: "Prompt tokens below which a request is never prefilled remotely.",
    unit: "tokens",
  }),
  prefixMatchInfoProducerName: z.string().optional().meta({
    description: "The producer of prefix matches.",
  }),
});

/** Selects requests for a separate prefill if the endpoint has too little of the prompt cached. */
export const prefixBasedPdDecider = deciderPlugin({
  type: "prefix-based-pd-decider",
  summary:
    "Selects requests whose prompts have at least `promptTokens` tokens, of which at least `nonCachedTokens` are not cached on the chosen decode endpoint: `prompt tokens - matched blocks x block size`. With `nonCachedTokens` 0, the default, it selects none. For mixed traffic: long new prompts go to the prefill endpoints, short and cached prompts are served in one place.",
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
