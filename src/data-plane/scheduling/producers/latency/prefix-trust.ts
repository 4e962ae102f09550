import { SlotColumn } from "./slot-column.ts";

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
 * It counts as 1 from 0.35 on, so that only an endpoint that caches hardly anything is distrusted. vLLM leaves the number
 * out if it is 0, so that an answer without it is a miss if an earlier one of the endpoint had it.
 */
export class PrefixTrust {
  /** Of endpoints of which an answer has told cached tokens. */
  readonly #trust = new SlotColumn();
  readonly #believed = new SlotColumn(1);

  /** Share of a match to believe, 0 to 1. */
  of(slot: number): number {
    return this.#believed.at(slot);
  }

  /** The same by slot, for a loop, for slots that the column has room for. */
  get believed(): Float64Array {
    return this.#believed.values;
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
    const known = this.#trust.at(slot);
    if (Number.isNaN(known) && reportedTokens === undefined) return undefined;
    const trust = Number.isNaN(known) ? 1 : known;
    const actualTokens = reportedTokens ?? 0;
    const hit = predictedTokens >= tokensMin ? Math.min(1, actualTokens / predictedTokens) : trust;
    const learned = trust + weight * (hit - trust);
    this.#trust.set(slot, learned);
    this.#believed.set(slot, learned < fullFrom ? learned : 1);
    return actualTokens;
  }

  fit(slots: number): void {
    this.#trust.fit(slots);
    this.#believed.fit(slots);
  }

  forget(slot: number): void {
    this.#trust.forget(slot);
    this.#believed.forget(slot);
  }
}
