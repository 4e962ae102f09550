import type { DataReader, Decider } from "../../../core/data-plane-plugin.ts";

interface PrefillThreshold {
  /** Tokens the endpoint has to lack at least; 0 for never worth it. */
  readonly uncachedTokensMin: number;
  /** Tokens the prompts have to have at least. */
  readonly promptTokensMin: number;
}

interface PrefillFacts {
  readonly tokensOf: DataReader<"prompt-tokens">;
  readonly matchOf: DataReader<"prefix-match">;
}

/**
 * Worth a prefill elsewhere where the endpoint would have to compute enough of the prompts itself:
 *
 *     uncached = prompt tokens - matched blocks x block tokens
 *
 * Not worth it where there is no endpoint or nothing is known of its cache.
 */
export function prefillThreshold(
  { uncachedTokensMin, promptTokensMin }: PrefillThreshold,
  { tokensOf, matchOf }: PrefillFacts,
): Decider {
  return {
    decide: (context, endpoint) => {
      if (uncachedTokensMin === 0 || endpoint === undefined) return false;
      const promptTokens = tokensOf(context) ?? context.request.promptTokens;
      if (promptTokens < promptTokensMin || promptTokens < uncachedTokensMin) return false;
      const match = matchOf(context);
      if (match === undefined) return false;
      const { slot } = endpoint;
      const cachedTokens = match.matchedBlocks(slot) * match.blockTokens(slot);
      return promptTokens - cachedTokens >= uncachedTokensMin;
    },
  };
}
