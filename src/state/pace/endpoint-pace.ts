import { type PlacedWork, WorkCurve } from "./work-curve.ts";

/** The most work may be this many times the least, each with what every request costs. */
const certaintyFactor = 1.5;
const certaintyTokens = 256;
/** Sendings that are remembered; of earlier ones all that came since counts. */
const sendingsMax = 64;
/** So many times the usual time after a request, others that are sent can no longer explain that it is late. */
const besideFactor = 1.5;

/** Prompt tokens that an engine has to compute. */
export interface PromptWork {
  /** If the engine holds all that it is believed to hold of the prompts. */
  readonly tokensMin: number;
  /** If the engine holds nothing of them. */
  readonly tokensMax: number;
}

/** A first token, and what was at the endpoint with its request. */
export interface FirstToken {
  readonly ttftMs: number;
  /** Prompts of others that may have been computed before it. */
  readonly others: PromptWork;
  /** Requests at the endpoint when it was sent, its own among them. */
  readonly requests: number;
}

/** A time to first token with the work that may explain it. */
export interface TimedWork {
  readonly ttftMs: number;
  /** At most. */
  readonly work: PlacedWork;
  /** True if the request's own work is known well enough to judge by. */
  readonly isKnown: boolean;
  /** True if all of the work is known well enough to learn from. */
  readonly isSure: boolean;
}

/** One request as the pace counts it; `ended` always comes last. */
export interface PacedRequest {
  began(nowMs: number): FirstToken;
  ended(): void;
}

/** A moment, and the tokens that had been sent by then. */
interface Sending extends PromptWork {
  readonly atMs: number;
}

/**
 * An endpoint's pace to first tokens, and the work before the next one. It is learned from our own
 * requests alone, in about 4 KB.
 */
export class EndpointPace {
  /** Usual times by work, of what was sure. */
  readonly curve = new WorkCurve();
  /** Of requests without a first token. */
  #backlog: PromptWork = { tokensMin: 0, tokensMax: 0 };
  /** Of all requests ever; only differences mean anything. */
  #sent: PromptWork = { tokensMin: 0, tokensMax: 0 };
  #requests = 0;
  readonly #sendings: Sending[] = [];

  /** At most what is to be computed before all of its requests have begun. */
  get backlog(): PlacedWork {
    return { tokens: this.#backlog.tokensMax, requests: this.#requests };
  }

  sent(prompt: PromptWork, sentMs: number): PacedRequest {
    const ahead = this.#backlog;
    this.#backlog = sumOf(ahead, prompt);
    this.#sent = sumOf(this.#sent, prompt);
    this.#requests += 1;
    this.#sendings.push({ ...this.#sent, atMs: sentMs });
    if (this.#sendings.length > sendingsMax) this.#sendings.shift();
    const sent = this.#sent;
    const requests = this.#requests;
    let isWaiting = true;
    let isOpen = true;
    const leaveBacklog = () => {
      if (isWaiting) this.#backlog = differenceOf(this.#backlog, prompt);
      isWaiting = false;
    };
    return {
      began: (nowMs) => {
        leaveBacklog();
        const tokens = prompt.tokensMax + ahead.tokensMax;
        const usualMs = this.curve.usualMs({ tokens, requests });
        const untilMs = usualMs === undefined ? nowMs : sentMs + besideFactor * usualMs;
        const beside = differenceOf(this.#sentBy(untilMs), sent);
        return { ttftMs: nowMs - sentMs, others: sumOf(ahead, beside), requests };
      },
      ended: () => {
        leaveBacklog();
        if (isOpen) this.#requests -= 1;
        isOpen = false;
      },
    };
  }

  /** Those sent soon after a request may share the steps in which its prompt is computed. */
  #sentBy(untilMs: number): PromptWork {
    return this.#sendings.findLast(({ atMs }) => atMs <= untilMs) ?? this.#sent;
  }
}

/** A first token with the work before it, as far as its request's own part is known. */
export function timedWorkOf(
  { ttftMs, others, requests }: FirstToken,
  prompt: PromptWork,
): TimedWork {
  const all = sumOf(prompt, others);
  return {
    ttftMs,
    work: { tokens: all.tokensMax, requests },
    isKnown: isCertain(prompt),
    isSure: isCertain(all),
  };
}

function isCertain({ tokensMin, tokensMax }: PromptWork): boolean {
  return tokensMax + certaintyTokens <= certaintyFactor * (tokensMin + certaintyTokens);
}

function sumOf(a: PromptWork, b: PromptWork): PromptWork {
  return { tokensMin: a.tokensMin + b.tokensMin, tokensMax: a.tokensMax + b.tokensMax };
}

function differenceOf(a: PromptWork, b: PromptWork): PromptWork {
  return { tokensMin: a.tokensMin - b.tokensMin, tokensMax: a.tokensMax - b.tokensMax };
}
