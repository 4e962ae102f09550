import type { EndpointWork } from "./latency-model.ts";
import type { QueuedPrompt } from "./prefill-queue.ts";

/** Tokens of a prompt that count at most: the time of an answer does not tell more about it if its prompt is longer. */
const sampleTokensMax = 8_192;

/** A prompt in the queue of an endpoint. */
export interface PlacedPrompt {
  readonly slot: number;
  readonly work: EndpointWork;
  readonly prompt: QueuedPrompt;
}

/** A whole answer that has ended. */
export interface WholeAnswerFacts {
  /** Tokens of its prompt that the engine had to compute, as it says, else as predicted. */
  readonly uncachedTokens: number;
  readonly outputTokens: number;
  /** Requests that decode when it ends, this one included. */
  readonly decoding: number;
  readonly endedMs: number;
  /** Prompt tokens per millisecond of the endpoint. */
  readonly tokensPerMs: number;
  /** Mean duration of requests. */
  readonly usualMs: number;
}

/** Parts of the time of a whole answer, as if its first token had been seen. */
export interface SplitAnswer {
  readonly promptTokens: number;
  /** Time in which the engine computed them. */
  readonly prefillMs: number;
  /** Time of each further token; undefined if there was none. */
  readonly tokenMs: number | undefined;
}

/**
 * A request whose answer is expected to show no first token, but only its end. Its time is split by the costs of the
 * engine's work, which it teaches:
 *
 *     surprise = time / (p x prompt tokens computed meanwhile + step x output tokens)
 *     prefill  = surprise x (p x own tokens + step)
 *
 * What the engine computed for others meanwhile is in the first line, so an engine that has much to do does not look slow.
 */
export class WholeAnswer {
  readonly #work: EndpointWork;
  readonly #sentMs: number;
  readonly #aheadTokens: number;
  readonly #computedTokens: number;
  readonly #decoding: number;

  /** Before the prompt is in the queue of the endpoint. */
  constructor(work: EndpointWork, sentMs: number, tokensPerMs: number) {
    this.#work = work;
    this.#sentMs = sentMs;
    this.#aheadTokens = work.queue.tokensAhead(sentMs, tokensPerMs);
    this.#computedTokens = work.computed.at(sentMs, tokensPerMs);
    this.#decoding = work.decoding;
  }

  /**
   * Takes the prompt out of its queue, if it is still there, at about the time of its first token.
   *
   * @param placed the prompt where it is computed, which is another endpoint if another one has served
   */
  finishPrompt(placed: PlacedPrompt, outputTokens: number, endedMs: number): void {
    const { work, prompt } = placed;
    if (prompt.isOut) return;
    const { costs, queue, decoding } = work;
    const decodeMs = Math.max(0, outputTokens - 1) * costs.stepMs((this.#decoding + decoding) / 2);
    queue.finished(prompt, Math.max(this.#sentMs, endedMs - decodeMs));
  }

  /** Learns the costs of work from the answer, whose prompt has left the queue. */
  split(facts: WholeAnswerFacts): SplitAnswer {
    const { uncachedTokens, outputTokens, endedMs, tokensPerMs } = facts;
    const { computed, costs } = this.#work;
    const decoding = (this.#decoding + 1 + facts.decoding) / 2;
    const tookMs = endedMs - this.#sentMs;
    const computedTokens = computed.at(endedMs, tokensPerMs) - this.#computedTokens;
    const work = {
      promptTokens: Math.max(uncachedTokens, computedTokens),
      outputTokens,
      decoding,
    };
    costs.note(work, tookMs, facts.usualMs);
    const surprise = tookMs / costs.expectedMs(work);
    const stepMs = costs.stepMs(decoding);
    const share = Math.min(1, sampleTokensMax / uncachedTokens);
    const waitMs = costs.promptMs(this.#aheadTokens + uncachedTokens) + stepMs;
    return {
      promptTokens: share * uncachedTokens,
      prefillMs: share * surprise * (costs.promptMs(uncachedTokens) + stepMs),
      tokenMs:
        outputTokens > 1 ? Math.max(stepMs, (tookMs - waitMs) / (outputTokens - 1)) : undefined,
    };
  }
}
