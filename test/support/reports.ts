import type { Endpoint } from "../../src/core/endpoint.ts";
import type { EngineSignals } from "../../src/core/signals.ts";
import type { EndpointStore } from "../../src/state/endpoint-store.ts";
import { ReportWriter } from "../../src/state/report-writer.ts";

/** Signals of which an engine told only those given. */
function someSignals(parts: Partial<EngineSignals> = {}): EngineSignals {
  return {
    waitingRequests: undefined,
    runningRequests: undefined,
    kvCacheUsedRatio: undefined,
    blockTokens: undefined,
    blocksMax: undefined,
    startedAtSeconds: undefined,
    adapters: undefined,
    attributes: new Map(),
    ...parts,
  };
}

/** Makes `signals` the report of `endpoint`, as a scrape at `atMs` does that is repeated after `intervalMs`. */
export function report(
  store: EndpointStore,
  endpoint: Endpoint,
  {
    atMs = 0,
    intervalMs = 50,
    ...signals
  }: Partial<EngineSignals> & { readonly atMs?: number; readonly intervalMs?: number },
): void {
  const { slot } = endpoint;
  const told = someSignals(signals);
  const writer = new ReportWriter(store.board, store.attributeColumns(told.attributes.keys()));
  const holder = { slot, generation: store.board.generations[slot] ?? 0 };
  writer.publish(holder, told, { asked: writer.askedAt(slot, atMs), intervalMs });
  store.setAdapters(holder, told.adapters);
}
