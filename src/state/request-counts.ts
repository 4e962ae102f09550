import type { Endpoint } from "../core/endpoint.ts";
import type { PoolSlots } from "./pool-slots.ts";
import type { CountedRequest, RunningView } from "./running-view.ts";

/** A pause between requests longer than this counts as quiet. */
const quietMs = 100;

interface CountDeps {
  readonly slots: PoolSlots;
  readonly view: RunningView;
}

/** The counts of requests that were sent; only the in-flight ledger writes them. */
export class RequestCounts {
  readonly #slots: PoolSlots;
  readonly #view: RunningView;
  readonly #awakeListeners = new Set<() => void>();
  #sentAtMs = Number.NEGATIVE_INFINITY;

  constructor({ slots, view }: CountDeps) {
    this.#slots = slots;
    this.#view = view;
  }

  /** Calls `listener` when a request is sent after a quiet time, until the result is called. */
  onAwake(listener: () => void): () => void {
    this.#awakeListeners.add(listener);
    return () => void this.#awakeListeners.delete(listener);
  }

  /** Counts a request at its endpoint; undefined if the endpoint left and no slot is free. */
  sent(endpoint: Endpoint, promptTokens: number, nowMs: number): CountedRequest | undefined {
    const slot = this.#slots.countingSlotOf(endpoint);
    if (slot === undefined) return undefined;
    if (nowMs - this.#sentAtMs > quietMs) {
      for (const listener of this.#awakeListeners) listener();
    }
    this.#sentAtMs = nowMs;
    return this.#view.sent(slot, promptTokens);
  }

  /** The answer to a counted request has begun. */
  started(request: CountedRequest): void {
    this.#view.started(request);
  }

  /** Undoes one `sent`. */
  finished(request: CountedRequest): void {
    this.#view.finished(request);
    this.#slots.freeIfUnused(request.slot);
  }
}
