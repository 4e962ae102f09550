/** Weight of one answer. */
const weight = 0.2;
/** Trust from which matches count in full: a lost block is a matter of its age, not of the endpoint. */
const fullFrom = 0.35;
/** Matches with fewer tokens say little. */
const tokensMin = 512;

/**
 * Trust in the prefix matches of endpoints, from the cached tokens that engines report:
 *
 *     trust += 0.2 x (min(1, actual / predicted) - trust)
 *
 * It counts as 1 from 0.35 on, so that only an endpoint that caches hardly anything is distrusted.
 */
export class PrefixTrust {
  readonly #trusts: (number | undefined)[] = [];

  /** Share of a match to believe, 0 to 1. */
  of(slot: number): number {
    const trust = this.#trusts[slot] ?? 1;
    return trust >= fullFrom ? 1 : trust;
  }

  note(slot: number, predictedTokens: number, actualTokens: number): void {
    if (predictedTokens < tokensMin) return;
    const trust = this.#trusts[slot] ?? 1;
    const hit = Math.min(1, actualTokens / predictedTokens);
    this.#trusts[slot] = trust + weight * (hit - trust);
  }

  forget(slot: number): void {
    this.#trusts[slot] = undefined;
  }
}
