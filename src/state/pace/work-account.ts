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
  readonly #sendings = new Sendings();

  enter(prompt: PromptWork, startMs: number): Entry {
    const ahead = this.backlog;
    this.backlog = sumOf(ahead, prompt);
    this.#sent = sumOf(this.#sent, prompt);
    this.requests += 1;
    this.#sendings.add(startMs, this.#sent);
    const { requests } = this;
    const sent = this.#sent;
    let isWaiting = true;
    let isOpen = true;
    return {
      firstToken: (nowMs, curve) => {
        const usualMs = curve.usualMs({ tokens: prompt.tokensMax + ahead.tokensMax, requests });
        const untilMs = usualMs === undefined ? nowMs : startMs + besideFactor * usualMs;
        const beside = differenceOf(this.#sendings.by(untilMs) ?? this.#sent, sent);
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
}

/**
 * The last sendings: times, and the tokens that had been sent by then. Numbers in a ring: objects that live for 64
 * requests would be moved twice by the garbage collector.
 */
class Sendings {
  readonly #atMs = new Float64Array(sendingsMax);
  readonly #tokensMin = new Float64Array(sendingsMax);
  readonly #tokensMax = new Float64Array(sendingsMax);
  #count = 0;

  add(atMs: number, { tokensMin, tokensMax }: PromptWork): void {
    const place = this.#count % sendingsMax;
    this.#atMs[place] = atMs;
    this.#tokensMin[place] = tokensMin;
    this.#tokensMax[place] = tokensMax;
    this.#count += 1;
  }

  /**
   * Prompts sent by a given time, undefined if all of these sendings are later: those sent soon after a request may share
   * the steps that compute its prompt.
   */
  by(untilMs: number): PromptWork | undefined {
    const oldest = Math.max(0, this.#count - sendingsMax);
    for (let each = this.#count - 1; each >= oldest; each -= 1) {
      const place = each % sendingsMax;
      if ((this.#atMs[place] ?? 0) > untilMs) continue;
      return { tokensMin: this.#tokensMin[place] ?? 0, tokensMax: this.#tokensMax[place] ?? 0 };
    }
    return undefined;
  }
}

export function sumOf(a: PromptWork, b: PromptWork): PromptWork {
  return { tokensMin: a.tokensMin + b.tokensMin, tokensMax: a.tokensMax + b.tokensMax };
}

function differenceOf(a: PromptWork, b: PromptWork): PromptWork {
  return { tokensMin: a.tokensMin - b.tokensMin, tokensMax: a.tokensMax - b.tokensMax };
}
