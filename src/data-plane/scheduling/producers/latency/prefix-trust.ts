/** Weight of one answer. */
const weight = 0.2;
/** Trust from which matches count in full: a lost block is a matter of its age, not of the endpoint. */
const fullFrom = 0.35;
/** Matches with fewer tokens say little. */
const tokensMin = 512;

interface EndpointTrust {
  trust: number;
  /** True once an answer has told cached tokens. */
  tells: boolean;
}

/**
 * Trust in the prefix matches of endpoints, from the cached tokens that engines report:
 *
 *     trust += 0.2 x (min(1, actual / predicted) - trust)
 *
 * It counts as 1 from 0.35 on, so that only an endpoint that caches hardly anything is distrusted. vLLM leaves the number
 * out if it is 0, so that an answer without it is a miss if an earlier one of the endpoint had it.
 */
export class PrefixTrust {
  readonly #endpoints: (EndpointTrust | undefined)[] = [];

  /** Share of a match to believe, 0 to 1. */
  of(slot: number): number {
    const trust = this.#endpoints[slot]?.trust ?? 1;
    return trust >= fullFrom ? 1 : trust;
  }

  /**
   * Notes the cached tokens of an answer, if it says how many tokens it had.
   *
   * @returns the tokens that were cached; undefined if they are unknown
   */
  note(
    slot: number,
    predictedTokens: number,
    reportedTokens: number | undefined,
  ): number | undefined {
    const endpoint = (this.#endpoints[slot] ??= { trust: 1, tells: false });
    endpoint.tells ||= reportedTokens !== undefined;
    if (!endpoint.tells) return undefined;
    const actualTokens = reportedTokens ?? 0;
    if (predictedTokens >= tokensMin) {
      const hit = Math.min(1, actualTokens / predictedTokens);
      endpoint.trust += weight * (hit - endpoint.trust);
    }
    return actualTokens;
  }

  forget(slot: number): void {
    this.#endpoints[slot] = undefined;
  }
}
