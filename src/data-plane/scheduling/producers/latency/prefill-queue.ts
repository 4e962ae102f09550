import { WorkColumns, type WorkPlace } from "./work-columns.ts";

/** A prompt that an engine has not finished computing, as far as the picker knows. */
export interface QueuedPrompt {
  /** Tokens that the engine has to compute. */
  tokens: number;
  /** The same if it has nothing of the prompt cached; undefined if it has refused the prompt. */
  readonly wholeTokens: number | undefined;
  readonly sentMs: number;
  /** True if the endpoint also generates the response. */
  readonly stays: boolean;
  /** True if the response is expected to show the end of its computation, by a first token; see `expectNoFirstToken`. */
  showsFirstToken: boolean;
  /** True once the engine has computed it, or dropped it. */
  isOut: boolean;
  /** True if it waited when the picker learned that the engine had lost its cache. */
  isCold: boolean;
  /** Tokens that count as computed and unfinished: all from its first token to the end of its request, else 0. */
  unfinishedTokens: number;
  previous: QueuedPrompt | undefined;
  next: QueuedPrompt | undefined;
}

/** Parts of a prompt to queue. */
export type SentPrompt = Pick<QueuedPrompt, "tokens" | "sentMs" | "stays" | "showsFirstToken"> &
  Partial<Pick<QueuedPrompt, "wholeTokens">>;

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
  readonly #place: WorkPlace;
  #first: QueuedPrompt | undefined;
  #last: QueuedPrompt | undefined;
  #computedTokens = 0;
  #unfinishedTokens = 0;

  constructor(place: WorkPlace = { columns: new WorkColumns(1), slot: 0 }) {
    this.#place = place;
  }

  get count(): number {
    const { columns, slot } = this.#place;
    return columns.prompts[slot] ?? 0;
  }

  /** Prompts whose responses the endpoint also generates. */
  get stayingCount(): number {
    const { columns, slot } = this.#place;
    return columns.staying[slot] ?? 0;
  }

  /** Tokens of prompts that are computed and whose requests have not ended. */
  get unfinishedTokens(): number {
    return this.#unfinishedTokens;
  }

  push({ tokens, wholeTokens, sentMs, stays, showsFirstToken }: SentPrompt): QueuedPrompt {
    const previous = this.#last;
    const prompt: QueuedPrompt = {
      tokens,
      wholeTokens,
      sentMs,
      stays,
      showsFirstToken,
      isOut: false,
      isCold: false,
      unfinishedTokens: 0,
      previous,
      next: undefined,
    };
    this.#last = prompt;
    if (previous === undefined) this.#setFirst(prompt);
    else previous.next = prompt;
    const { columns, slot } = this.#place;
    columns.tokens[slot] = (columns.tokens[slot] ?? 0) + tokens;
    columns.prompts[slot] = this.count + 1;
    if (stays) columns.staying[slot] = this.stayingCount + 1;
    return prompt;
  }

  /**
   * The engine has restarted without its cache. Prompts that were sent before then, or that it refused, are gone; it has to
   * compute the whole of the others.
   */
  restart(restartMs: number): void {
    for (let prompt = this.#first; prompt !== undefined;) {
      const { next, wholeTokens, sentMs } = prompt;
      if (wholeTokens === undefined || sentMs < restartMs) this.leave(prompt);
      else this.#lengthen(prompt, wholeTokens);
      prompt = next;
    }
  }

  #lengthen(prompt: QueuedPrompt, tokens: number): void {
    const { columns, slot } = this.#place;
    columns.tokens[slot] = (columns.tokens[slot] ?? 0) + tokens - prompt.tokens;
    prompt.tokens = tokens;
    prompt.isCold = true;
    if (prompt === this.#first) this.#setFirst(prompt);
  }

  /** The request of a prompt is over, or the prompt will not be computed here; harmless for one that has left. */
  leave(prompt: QueuedPrompt): void {
    this.#unfinishedTokens -= prompt.unfinishedTokens;
    prompt.unfinishedTokens = 0;
    this.#remove(prompt);
  }

  #computed(prompt: QueuedPrompt): void {
    if (!prompt.isOut && prompt.stays) {
      this.#computedTokens += prompt.tokens;
      this.#unfinishedTokens += prompt.tokens;
      prompt.unfinishedTokens = prompt.tokens;
    }
    this.#remove(prompt);
  }

  #remove(prompt: QueuedPrompt): void {
    if (prompt.isOut) return;
    prompt.isOut = true;
    const { previous, next } = prompt;
    if (previous === undefined) this.#setFirst(next);
    else previous.next = next;
    if (next === undefined) this.#last = previous;
    else next.previous = previous;
    prompt.previous = prompt.next = undefined;
    const { columns, slot } = this.#place;
    const left = this.count - 1;
    columns.prompts[slot] = left;
    if (prompt.stays) columns.staying[slot] = this.stayingCount - 1;
    // Without prompts the sum is exactly 0, whatever was rounded on the way.
    columns.tokens[slot] = left === 0 ? 0 : (columns.tokens[slot] ?? 0) - prompt.tokens;
  }

  /** From here on, the queue lets the prompt go when the engine has had the time to compute it. */
  expectNoFirstToken(prompt: QueuedPrompt): void {
    prompt.showsFirstToken = false;
    if (prompt === this.#first) this.#setFirst(prompt);
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
        this.#computed(before);
      }
      before = previous;
    }
    this.#computed(prompt);
    const { columns, slot } = this.#place;
    const finishedMs = columns.finishedMs[slot] ?? Number.NEGATIVE_INFINITY;
    columns.finishedMs[slot] = Math.max(finishedMs, nowMs);
    return { tokens, tookMs: nowMs - Math.max(sentMs, finishedMs) };
  }

  /** Tokens that the engine has computed so far of prompts whose responses it generates. */
  computedTokens(nowMs: number, tokensPerMs: number): number {
    const aheadTokens = this.tokensAhead(nowMs, tokensPerMs);
    const { columns, slot } = this.#place;
    return this.#computedTokens + (columns.tokens[slot] ?? 0) - aheadTokens;
  }

  /** Corrects the tokens that count as computed once the engine reports those of a prompt. */
  correctComputed(tokens: number): void {
    this.#computedTokens += tokens;
  }

  /** `WorkColumns.tokensAhead`, once prompts that are computed by now are out. */
  tokensAhead(nowMs: number, tokensPerMs: number): number {
    const { columns, slot } = this.#place;
    for (;;) {
      const ahead = columns.tokensAhead(slot, nowMs, tokensPerMs);
      const first = this.#first;
      if (!Number.isNaN(ahead) || first === undefined) return ahead;
      const startMs = columns.startMs(slot);
      this.#computed(first);
      columns.finishedMs[slot] = startMs + first.tokens / tokensPerMs;
    }
  }

  #setFirst(prompt: QueuedPrompt | undefined): void {
    this.#first = prompt;
    const { columns, slot } = this.#place;
    columns.firstHides[slot] = Number(prompt?.showsFirstToken === false);
    if (prompt === undefined) return;
    columns.firstTokens[slot] = prompt.tokens;
    columns.firstSentMs[slot] = prompt.sentMs;
  }
}
