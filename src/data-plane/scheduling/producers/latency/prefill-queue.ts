/** Share of the first prompt that may count as computed while its first token is outstanding. */
const progressMax = 0.95;

/** A prompt that an engine has not finished computing, as far as the picker knows. */
export interface QueuedPrompt {
  /** Tokens that the engine has to compute. */
  readonly tokens: number;
  readonly sentMs: number;
  /** True if the endpoint also generates the response. */
  readonly stays: boolean;
  /** True if the response is expected to show the end of its computation, by a first token. */
  showsFirstToken: boolean;
  /** True once the engine has computed it, or dropped it. */
  isOut: boolean;
  previous: QueuedPrompt | undefined;
  next: QueuedPrompt | undefined;
}

/** Parts of a prompt to queue. */
export type SentPrompt = Pick<QueuedPrompt, "tokens" | "sentMs" | "stays" | "showsFirstToken">;

/** Prompts that an engine has computed, and the time since they were sent or those before them were finished. */
export interface ComputedPrompts {
  readonly tokens: number;
  readonly tookMs: number;
}

/**
 * The prompts that one engine has to compute before a new one, first come, first served.
 *
 * A first token takes its prompt out. A prompt whose response shows none goes out once the engine has had the time to
 * compute it, or a later prompt has its first token.
 */
export class PrefillQueue {
  #first: QueuedPrompt | undefined;
  #last: QueuedPrompt | undefined;
  #tokens = 0;
  #count = 0;
  #stayingCount = 0;
  /** Time at which the engine finished the last prompt. */
  #finishedMs = Number.NEGATIVE_INFINITY;

  get count(): number {
    return this.#count;
  }

  /** Prompts whose responses the endpoint also generates. */
  get stayingCount(): number {
    return this.#stayingCount;
  }

  push({ tokens, sentMs, stays, showsFirstToken }: SentPrompt): QueuedPrompt {
    const previous = this.#last;
    const prompt: QueuedPrompt = {
      tokens,
      sentMs,
      stays,
      showsFirstToken,
      isOut: false,
      previous,
      next: undefined,
    };
    if (previous === undefined) this.#first = prompt;
    else previous.next = prompt;
    this.#last = prompt;
    this.#tokens += tokens;
    this.#count += 1;
    if (stays) this.#stayingCount += 1;
    return prompt;
  }

  /** Takes out a prompt that will not be computed, or whose time says nothing; harmless for one that is out. */
  remove(prompt: QueuedPrompt): void {
    if (prompt.isOut) return;
    prompt.isOut = true;
    const { previous, next } = prompt;
    if (previous === undefined) this.#first = next;
    else previous.next = next;
    if (next === undefined) this.#last = previous;
    else next.previous = previous;
    prompt.previous = prompt.next = undefined;
    this.#count -= 1;
    if (prompt.stays) this.#stayingCount -= 1;
    // Without prompts the sum is exactly 0, whatever was rounded on the way.
    this.#tokens = this.#count === 0 ? 0 : this.#tokens - prompt.tokens;
  }

  /**
   * Takes out a prompt that has its first token, and with it those before it whose responses show none: the engine has
   * computed them in the same time.
   */
  finished(prompt: QueuedPrompt, nowMs: number): ComputedPrompts {
    let { tokens, sentMs } = prompt;
    for (let before = prompt.previous; before !== undefined;) {
      const { previous } = before;
      if (!before.showsFirstToken) {
        tokens += before.tokens;
        sentMs = Math.min(sentMs, before.sentMs);
        this.remove(before);
      }
      before = previous;
    }
    this.remove(prompt);
    const tookMs = nowMs - Math.max(sentMs, this.#finishedMs);
    this.#finishedMs = Math.max(this.#finishedMs, nowMs);
    return { tokens, tookMs };
  }

  /**
   * Tokens that the engine computes before a prompt that is sent now:
   *
   *     sum of tokens - min(0.95 x tokens of the first, rate x (now - max(sent, last finished)))
   */
  tokensAhead(nowMs: number, tokensPerMs: number): number {
    for (let first = this.#first; first !== undefined; first = this.#first) {
      const startMs = Math.max(first.sentMs, this.#finishedMs);
      const computed = tokensPerMs * Math.max(0, nowMs - startMs);
      if (first.showsFirstToken || computed < first.tokens) {
        return Math.max(0, this.#tokens - Math.min(progressMax * first.tokens, computed));
      }
      this.remove(first);
      this.#finishedMs = startMs + first.tokens / tokensPerMs;
    }
    return 0;
  }
}
