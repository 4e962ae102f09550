import {
  type Entry,
  type FirstToken,
  type PromptWork,
  sumOf,
  WorkAccount,
} from "./work-account.ts";
import { type PlacedWork, WorkCurve } from "./work-curve.ts";

/** The most work may be this many times the least, each with the cost of every request. */
const certaintyFactor = 1.5;
const certaintyTokens = 256;
/** A time to first token with the work that may explain it. */
export interface TimedWork {
  readonly ttftMs: number;
  /** Upper bound. */
  readonly work: PlacedWork;
  /** Lower bound. */
  readonly workMin: PlacedWork;
  /** True if the request's own work is known well enough to judge by. */
  readonly isKnown: boolean;
  /** True if all of the work is known well enough to learn from. */
  readonly isSure: boolean;
}

/** One request as the pace counts it; `ended` always comes last. */
export interface PacedRequest {
  /**
   * A request that had to wait for a place has one now: its time counts from here, with the work of
   * those that have a place.
   */
  placed(nowMs: number): void;
  /** Its first token, if it came now. */
  soFar(nowMs: number): FirstToken;
  began(nowMs: number): FirstToken;
  ended(): void;
}

/**
 * An endpoint's pace to first tokens, and the work before the next one. It is learned from our own
 * requests alone, in about 8 KB.
 */
export class EndpointPace {
  /** Usual times by work, learned from first tokens of certain work. */
  readonly curve = new WorkCurve();
  readonly #all = new WorkAccount();
  /** Requests that need no place, or have one by now. */
  readonly #placed = new WorkAccount();

  /** Upper bound of the work to be computed before all of its requests have begun. */
  get backlog(): PlacedWork {
    return { tokens: this.#all.backlog.tokensMax, requests: this.#all.requests };
  }

  /**
   * Learns from a first token; if its work is uncertain, only that it was more than the lower
   * bound.
   */
  note({ ttftMs, work, workMin, isKnown, isSure }: TimedWork): void {
    if (isKnown && isSure) this.curve.note(work, ttftMs);
    else this.curve.noteAtLeast(workMin, ttftMs);
  }

  /**
   * @param isQueued true if it has to wait for a place; until then, its prompt delays only those
   * behind it
   */
  sent(prompt: PromptWork, sentMs: number, isQueued = false): PacedRequest {
    const inAll = this.#all.enter(prompt, sentMs);
    let inPlaced = isQueued ? undefined : this.#placed.enter(prompt, sentMs);
    let own: Entry = inAll;
    const leaveBacklog = () => {
      inAll.leaveBacklog();
      inPlaced?.leaveBacklog();
    };
    const soFar = (nowMs: number) => own.firstToken(nowMs, this.curve);
    return {
      placed: (nowMs) => {
        inPlaced ??= own = this.#placed.enter(prompt, nowMs);
      },
      soFar,
      began: (nowMs) => {
        inPlaced ??= this.#placed.enter(prompt, nowMs);
        leaveBacklog();
        return soFar(nowMs);
      },
      ended: () => {
        leaveBacklog();
        inAll.leave();
        inPlaced?.leave();
      },
    };
  }
}

/** A first token with the work before it. */
export function timedWorkOf(
  { ttftMs, others, requests }: FirstToken,
  prompt: PromptWork,
): TimedWork {
  const all = sumOf(prompt, others);
  return {
    ttftMs,
    work: { tokens: all.tokensMax, requests },
    workMin: { tokens: all.tokensMin, requests },
    isKnown: isCertain(prompt),
    isSure: isCertain(all),
  };
}

function isCertain({ tokensMin, tokensMax }: PromptWork): boolean {
  return tokensMax + certaintyTokens <= certaintyFactor * (tokensMin + certaintyTokens);
}
