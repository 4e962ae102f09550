import type { Endpoint } from "../core/endpoint.ts";
import { EndpointStore } from "./endpoint-store.ts";
import { EngineFacts } from "./engine-facts.ts";
import { PoolSlots } from "./pool-slots.ts";
import { RequestCounts } from "./request-counts.ts";
import { RunningView } from "./running-view.ts";
import { TrustWatch } from "./trust-watch.ts";

export interface PoolStateOptions {
  /** Endpoints that fit, with those that have gone but still run requests. */
  readonly slotsMax?: number;
  /** An engine has restarted and holds nothing of what it held. */
  readonly onRestart?: (endpoint: Endpoint) => void;
  /** No endpoint's reports count any more, or one's do again. */
  readonly onTrust?: (isGone: boolean) => void;
}

/**
 * Which endpoints there are, and how loaded each of them is: parts that share slots.
 *
 * Writers: one discovery source calls `store.apply`, the scraper publishes reports on the board, perhaps on another thread,
 * and the in-flight ledger counts requests. Reports become visible with a tick, and nothing else changes the view but
 * counts.
 */
export class PoolState {
  readonly store: EndpointStore;
  readonly facts: EngineFacts;
  readonly counts: RequestCounts;
  readonly view: RunningView;
  readonly #slots: PoolSlots;
  readonly #trust: TrustWatch;
  readonly #onRestart: (endpoint: Endpoint) => void;

  constructor({ slotsMax, onRestart = ignored, onTrust = ignored }: PoolStateOptions = {}) {
    const slots = new PoolSlots(slotsMax);
    this.#slots = slots;
    this.store = new EndpointStore(slots);
    this.view = new RunningView(slots.board);
    slots.follow(this.view);
    this.facts = new EngineFacts({ slots, view: this.view });
    this.counts = new RequestCounts({ slots, view: this.view });
    this.#trust = new TrustWatch(onTrust);
    this.#onRestart = onRestart;
  }

  /** Takes in the reports that have arrived and lets the others age. Call it before each decision. */
  tick(nowMs: number): void {
    const endpoints = this.store.endpoints();
    const restarted = this.view.tick(nowMs, endpoints);
    this.#trust.look(this.view.load, endpoints, nowMs);
    for (const slot of restarted) {
      const endpoint = this.#slots.at(slot);
      if (endpoint !== undefined) this.#onRestart(endpoint);
    }
  }
}

function ignored(): void {
  // No listener.
}
