import type { DataReader, Decider } from "../../../core/data-plane-plugin.ts";

interface PrefillThreshold {
  /** Minimum number of uncached tokens; 0 for never. */
  readonly uncachedTokensMin: number;
  /** Minimum number of prompt tokens. */
  readonly promptTokensMin: number;
}

interface PrefillFacts {
  readonly tokensOf: DataReader<"prompt-tokens">;
  readonly matchOf: DataReader<"prefix-match">;
}

/**
 * Selects a request for a remote prefill if the endpoint would have to compute enough of its prompts:
 *
 *     uncached = prompt tokens - matched blocks x block tokens
 *
 * Never selects it if there is no endpoint or no prefix match.
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
