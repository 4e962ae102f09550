import type { PrefillQueue } from "./prefill-queue.ts";

/** Answers over which prompts without an end settle, as a multiple of the requests on the endpoint. */
const settlingFactor = 4;
/** Requests that count at least. */
const requestsMin = 2;

/**
 * A count of the prompt tokens that one engine computes, for the difference between two moments.
 *
 * The queue believes that prompts are computed in time. If the engine is slower than believed, prompts pile up that count
 * as computed but whose answers do not end; a rate that is too high would then confirm itself, because all that is sent
 * counts as computed. So a lasting growth of such prompts does not count:
 *
 *     count = computed - growth of the usual number of tokens that are computed and whose answers have not ended
 */
export class ComputedTokens {
  readonly #queue: PrefillQueue;
  /** Tokens that are computed and unfinished as a rule; undefined before the first answer. */
  #usualTokens: number | undefined;
  #grownTokens = 0;

  constructor(queue: PrefillQueue) {
    this.#queue = queue;
  }

  at(nowMs: number, tokensPerMs: number): number {
    return this.#queue.computedTokens(nowMs, tokensPerMs) - this.#grownTokens;
  }

  /** An answer has ended; `requests` are the others on the endpoint. */
  noteEnd(requests: number): void {
    const tokens = this.#queue.unfinishedTokens;
    this.#usualTokens ??= tokens;
    const answers = settlingFactor * Math.max(requestsMin, requests);
    const grown = (tokens - this.#usualTokens) / answers;
    this.#usualTokens += grown;
    this.#grownTokens += grown;
  }
}
