import type { Endpoint } from "../../src/core/endpoint.ts";
import type { AdapterState } from "../../src/core/load.ts";
import type { PoolSnapshot } from "../../src/core/pool-snapshot.ts";
import { EndpointHealth } from "../../src/state/health/endpoint-health.ts";
import { BoardSigns } from "../../src/state/health/engine-signs.ts";
import { InFlightLedger, type InFlightTicket } from "../../src/state/in-flight.ts";
import type { EndpointSpec } from "../../src/state/membership.ts";
import { PoolState } from "../../src/state/pool-state.ts";
import { snapshotOf } from "../../src/state/snapshot.ts";
import { report } from "./reports.ts";

/** An event of a pool; endpoints are counted modulo those that there are. */
export type PoolEvent =
  | {
      readonly kind: "report";
      readonly nth: number;
      readonly waitingRequests: number;
      readonly runningRequests: number;
      readonly kvCacheUsedRatio: number;
      readonly adapters: AdapterState | undefined;
      readonly startedAtSeconds: number;
    }
  | { readonly kind: "send"; readonly nth: number; readonly promptTokens: number }
  | { readonly kind: "finish"; readonly nth: number }
  | { readonly kind: "check"; readonly nth: number; readonly isWell: boolean }
  | { readonly kind: "models"; readonly nth: number; readonly names: string[] | undefined }
  | { readonly kind: "members"; readonly count: number }
  | { readonly kind: "wait"; readonly ms: number };

export interface LivingPoolOptions {
  readonly specs: readonly EndpointSpec[];
  readonly onRestart: (endpoint: Endpoint) => void;
  readonly onRemoved: (endpoint: Endpoint) => void;
}

/** The real state of a pool in virtual time, which events change. */
export class LivingPool {
  readonly #state: PoolState;
  readonly #health: EndpointHealth;
  readonly #ledger: InFlightLedger;
  readonly #specs: readonly EndpointSpec[];
  readonly #open: InFlightTicket[] = [];
  #nowMs = 1_000;

  constructor({ specs, onRestart, onRemoved }: LivingPoolOptions) {
    this.#state = new PoolState({
      slotsMax: 16,
      onRestart: (endpoint) => {
        this.#health.restarted(endpoint, this.#nowMs);
        onRestart(endpoint);
      },
    });
    const { store, view, counts } = this.#state;
    this.#ledger = new InFlightLedger(counts);
    this.#health = new EndpointHealth({
      onEvent: () => undefined,
      signs: new BoardSigns(store.board, (slot) => view.load.adapters[slot]),
      slotsMax: 16,
    });
    store.onChange((change) => {
      this.#health.follow(change, this.#nowMs === 1_000, this.#nowMs);
      for (const endpoint of change.removed) onRemoved(endpoint);
    });
    this.#specs = specs;
    store.apply(specs);
  }

  snapshot(): PoolSnapshot {
    return snapshotOf({ state: this.#state, health: this.#health }, this.#nowMs);
  }

  happen(event: PoolEvent): void {
    const { store, facts } = this.#state;
    if (event.kind === "wait") this.#nowMs += event.ms;
    if (event.kind === "members") store.apply(this.#specs.slice(0, 1 + event.count));
    if (event.kind === "finish") this.#open.splice(event.nth % 20, 1)[0]?.release();
    if (!("nth" in event)) return;
    const endpoint = store.endpoints()[event.nth % store.endpoints().length];
    if (endpoint === undefined) return;
    const { slot } = endpoint;
    const holder = { slot, generation: store.board.generations[slot] ?? 0 };
    if (event.kind === "report") {
      const { kind: _kind, nth: _nth, ...signals } = event;
      report(this.#state, endpoint, {
        ...signals,
        blockTokens: 16,
        blocksMax: 1_000,
        attributes: new Map([["core-metrics-extractor/gpu", event.kvCacheUsedRatio]]),
        atMs: this.#nowMs,
      });
    }
    if (event.kind === "send") this.send(endpoint, event.promptTokens);
    if (event.kind === "check") this.#health.checked(endpoint, event.isWell, this.#nowMs);
    if (event.kind === "models") facts.setModels(holder, event.names);
  }

  send(endpoint: Endpoint, promptTokens: number): void {
    const request = { client: undefined, kind: undefined, isStreaming: true, model: "m" };
    const tokens = { promptTokens, tokensMin: promptTokens, tokensMax: promptTokens };
    const watched = this.#health.sent(endpoint, { ...request, ...tokens }, this.#nowMs);
    const ticket = this.#ledger.open(endpoint, promptTokens, this.#nowMs);
    this.#open.push({
      ...ticket,
      release: () => {
        ticket.release();
        watched?.began(this.#nowMs);
        watched?.ended("complete", this.#nowMs);
      },
    });
  }

  /** Changes all that a decision might ask of the live pool. */
  disturb(): void {
    const { store } = this.#state;
    for (const [nth] of store.endpoints().entries()) {
      const [waitingRequests, runningRequests] = [97 * (nth + 1), 89 * (nth + 1)];
      const load = { waitingRequests, runningRequests, kvCacheUsedRatio: 0.99 / (nth + 1) };
      const adapters = {
        active: new Set(["disturbed"]),
        waiting: new Set<string>(),
        adaptersMax: 1,
      };
      this.happen({ kind: "report", nth, ...load, adapters, startedAtSeconds: 1 });
      this.happen({ kind: "send", nth, promptTokens: 1_000 * (nth + 1) });
      this.happen({ kind: "models", nth, names: [`disturbed-${nth}`] });
      this.happen({ kind: "check", nth, isWell: nth % 2 === 0 });
    }
    this.#nowMs += 300;
    this.snapshot();
  }
}
