import type { Endpoint } from "../core/endpoint.ts";
import { EndpointStore } from "./endpoint-store.ts";
import { EngineFacts } from "./engine-facts.ts";
import { PoolSlots } from "./pool-slots.ts";
import { RequestCounts } from "./request-counts.ts";
import { type ReportedRestart, RunningView } from "./running-view.ts";
import { TrustWatch } from "./trust-watch.ts";

export interface PoolStateOptions {
  /** Endpoints that fit, including those that left but still run requests. */
  readonly slotsMax?: number;
  /** Called when an engine has restarted and its cache is empty. */
  readonly onRestart?: (endpoint: Endpoint, restart: ReportedRestart) => void;
  /** Called when no endpoint's reports count any more, and when one's do again. */
  readonly onTrust?: (isGone: boolean) => void;
}

/**
 * The endpoints of the pool and the load of each: parts that share slots.
 *
 * Writers: one discovery source calls `store.apply`, the scraper publishes reports on the board,
 * perhaps from another thread, and the in-flight ledger counts requests. Reports become visible
 * with a tick; between ticks only counts change the view.
 */
export class PoolState {
  readonly store: EndpointStore;
  readonly facts: EngineFacts;
  readonly counts: RequestCounts;
  readonly view: RunningView;
  readonly #slots: PoolSlots;
  readonly #trust: TrustWatch;
  readonly #onRestart: (endpoint: Endpoint, restart: ReportedRestart) => void;

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

  /**
   * Applies the reports that have arrived and lets the others age. Call it before each decision.
   */
  tick(nowMs: number): void {
    const endpoints = this.store.endpoints();
    const restarted = this.view.tick(nowMs, endpoints);
    this.#trust.look(this.view.load, endpoints, nowMs);
    for (const restart of restarted) {
      const endpoint = this.#slots.at(restart.slot);
      if (endpoint !== undefined) this.#onRestart(endpoint, restart);
    }
  }
}

function ignored(): void {
  // No listener.
}
