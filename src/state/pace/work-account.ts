import type { WorkCurve } from "./work-curve.ts";

/** Sendings that are kept; for an older time, all prompts sent since count. */
const sendingsMax = 64;
/**
 * Other prompts that are sent more than this many usual times after a request cannot explain its
 * lateness.
 */
const besideFactor = 1.5;

/** Prompt tokens that an engine has to compute. */
export interface PromptWork {
  /** If all prefixes that the engine is assumed to hold are cached. */
  readonly tokensMin: number;
  /** If no prefix is cached. */
  readonly tokensMax: number;
}

/** A first token, and the requests at the endpoint with it. */
export interface FirstToken {
  /** Since the request was sent, or since it had a place if it had to wait for one. */
  readonly ttftMs: number;
  /** Prompts of others that may have been computed before it. */
  readonly others: PromptWork;
  /** Requests at the endpoint when it was sent, its own among them. */
  readonly requests: number;
}

/** A time, and the tokens that had been sent by then. */
interface Sending extends PromptWork {
  readonly atMs: number;
}

/** One request of an account. */
export interface Entry {
  /** Its first token, if it came now. */
  firstToken(nowMs: number, curve: WorkCurve): FirstToken;
  /** Called when its prompt is computed, or never will be. */
  leaveBacklog(): void;
  leave(): void;
}

/** Requests of one endpoint, and the prompts that have no first token. */
export class WorkAccount {
  /** Prompts of requests without a first token. */
  backlog: PromptWork = { tokensMin: 0, tokensMax: 0 };
  requests = 0;
  /** Prompts of all requests ever; only differences have a meaning. */
  #sent: PromptWork = { tokensMin: 0, tokensMax: 0 };
  readonly #sendings: Sending[] = [];

  enter(prompt: PromptWork, startMs: number): Entry {
    const ahead = this.backlog;
    this.backlog = sumOf(ahead, prompt);
    this.#sent = sumOf(this.#sent, prompt);
    this.requests += 1;
    const { tokensMin, tokensMax } = this.#sent;
    this.#sendings.push({ tokensMin, tokensMax, atMs: startMs });
    if (this.#sendings.length > sendingsMax) this.#sendings.shift();
    const { requests } = this;
    const sent = this.#sent;
    let isWaiting = true;
    let isOpen = true;
    return {
      firstToken: (nowMs, curve) => {
        const usualMs = curve.usualMs({ tokens: prompt.tokensMax + ahead.tokensMax, requests });
        const untilMs = usualMs === undefined ? nowMs : startMs + besideFactor * usualMs;
        const beside = differenceOf(this.#sentBy(untilMs), sent);
        return { ttftMs: nowMs - startMs, others: sumOf(ahead, beside), requests };
      },
      leaveBacklog: () => {
        if (isWaiting) this.backlog = differenceOf(this.backlog, prompt);
        isWaiting = false;
      },
      leave: () => {
        if (isOpen) this.requests -= 1;
        isOpen = false;
      },
    };
  }

  /**
   * Prompts sent by a given time: those sent soon after a request may share the steps that compute
   * its prompt.
   */
  #sentBy(untilMs: number): PromptWork {
    return this.#sendings.findLast(({ atMs }) => atMs <= untilMs) ?? this.#sent;
  }
}

export function sumOf(a: PromptWork, b: PromptWork): PromptWork {
  return { tokensMin: a.tokensMin + b.tokensMin, tokensMax: a.tokensMax + b.tokensMax };
}

function differenceOf(a: PromptWork, b: PromptWork): PromptWork {
  return { tokensMin: a.tokensMin - b.tokensMin, tokensMax: a.tokensMax - b.tokensMax };
}
