import type { Endpoint } from "../../src/core/endpoint.ts";
import type { EngineSignals } from "../../src/core/signals.ts";
import type { LoadSnapshot } from "../../src/core/load.ts";
import type { PoolState } from "../../src/state/pool-state.ts";
import { ReportWriter } from "../../src/state/report-writer.ts";

/** Signals of which an engine told only those given. */
export function someSignals(parts: Partial<EngineSignals> = {}): EngineSignals {
  return {
    waitingRequests: undefined,
    runningRequests: undefined,
    kvCacheUsedRatio: undefined,
    blockTokens: undefined,
    blocksMax: undefined,
    prefixLookupTokens: undefined,
    prefixHitTokens: undefined,
    startedAtSeconds: undefined,
    adapters: undefined,
    attributes: new Map(),
    ...parts,
  };
}

/** Makes `signals` the report of `endpoint`, as a scrape at `atMs` does that is repeated after `intervalMs`. */
export function report(
  { store, facts, view }: Pick<PoolState, "store" | "facts" | "view">,
  endpoint: Endpoint,
  {
    atMs = 0,
    intervalMs = 50,
    ...signals
  }: Partial<EngineSignals> & { readonly atMs?: number; readonly intervalMs?: number },
): void {
  const { slot } = endpoint;
  const told = someSignals(signals);
  const writer = new ReportWriter(store.board, view.attributeColumns(told.attributes.keys()));
  const holder = { slot, generation: store.board.generations[slot] ?? 0 };
  writer.publish(holder, told, { asked: writer.askedAt(slot, atMs), intervalMs });
  facts.setAdapters(holder, told.adapters);
}

/** The load as a decision at `nowMs` sees it. */
export function loadAt(state: PoolState, nowMs: number): LoadSnapshot {
  state.tick(nowMs);
  return state.view.load;
}
