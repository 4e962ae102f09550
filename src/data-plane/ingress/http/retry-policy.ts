import type { Clock } from "../../../std/clock.ts";
import type { AttemptFailure } from "./attempt.ts";
import { RetryBudget, type RetryBudgetOptions } from "./retry-budget.ts";

export interface RetryOptions {
  /** Retries of one request; 0 for none. */
  readonly retriesMax: number;
  readonly budget: RetryBudgetOptions;
}

/** Statuses with which an engine, or a proxy before it, says that another may serve the request. */
const retriableStatuses = new Set([429, 502, 503]);

interface RetryCase {
  readonly triesFailed: number;
  readonly method: string;
  /** True for a request of a known API, which changes nothing at the engine. */
  readonly isInference: boolean;
  /** True if the same was asked before, so that a refusal is not counted again. */
  readonly isRepeated?: boolean;
}

/** Decides which failed attempts may be repeated at another endpoint. */
export class RetryPolicy {
  readonly #options: RetryOptions;
  readonly #budget: RetryBudget;
  #deniedTotal = 0;

  constructor(options: RetryOptions, clock: Pick<Clock, "nowMs">) {
    this.#options = options;
    this.#budget = new RetryBudget(options.budget, clock);
  }

  /** Retries and hedges that the budget did not allow. */
  get deniedTotal(): number {
    return this.#deniedTotal;
  }

  isRetriable(httpStatus: number): boolean {
    return retriableStatuses.has(httpStatus);
  }

  noteRequest(): void {
    this.#budget.noteRequest();
  }

  noteRetry(): void {
    this.#budget.noteRetry();
  }

  /** `failure`: how the attempt failed, or the status of its answer. */
  allows(
    failure: AttemptFailure | number,
    { triesFailed, method, isInference, isRepeated = false }: RetryCase,
  ): boolean {
    if (triesFailed >= this.#options.retriesMax) return false;
    if (!isInference && !isSafe(method) && !isUnprocessed(failure)) return false;
    return isRepeated ? this.#budget.allows : this.#counted(this.#budget.allows);
  }

  /** True if one more request may be sent next to the first one. */
  allowsHedge(): boolean {
    return this.#counted(this.#budget.allowsHedge);
  }

  #counted(isAllowed: boolean): boolean {
    if (!isAllowed) this.#deniedTotal += 1;
    return isAllowed;
  }
}

/** True for a request that changes nothing (RFC 9110, section 9.2.1). */
export function isSafe(method: string): boolean {
  return method === "GET" || method === "HEAD" || method === "OPTIONS";
}

const unprocessed = new Set<AttemptFailure | number>(["unreachable", "untrusted", 429, 503]);

/** True if the engine has not begun the request. */
function isUnprocessed(failure: AttemptFailure | number): boolean {
  return unprocessed.has(failure);
}
