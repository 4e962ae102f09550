import type { Endpoint } from "../../core/endpoint.ts";
import type { LoadSnapshot } from "../../core/load.ts";

/** The pool as a person wants to see it: every endpoint with its signals and their age. */
export function poolPageOf(
  pool: { readonly name: string; readonly endpoints: readonly Endpoint[] },
  load: LoadSnapshot,
  nowMs: number,
): unknown {
  return {
    name: pool.name,
    endpoints: pool.endpoints.map(({ id, hostPort, labels, slot }) => ({
      id,
      address: hostPort,
      labels,
      waitingRequests: known(load.waitingRequests[slot]),
      runningRequests: known(load.runningRequests[slot]),
      kvCacheUsedRatio: known(load.kvCacheUsedRatio[slot]),
      inFlightRequests: load.inFlightRequests[slot],
      inFlightTokens: load.inFlightTokens[slot],
      adapters: adaptersOf(load, slot),
      signalsAgeMs: known(nowMs - (load.signalsAtMs[slot] ?? Number.NaN)),
    })),
  };
}

/** Null for a signal that was never read: JSON has no NaN. */
function known(value: number | undefined): number | null {
  return value === undefined || Number.isNaN(value) ? null : value;
}

function adaptersOf(load: LoadSnapshot, slot: number) {
  const adapters = load.adapters[slot];
  if (adapters === undefined) return null;
  return {
    active: [...adapters.active],
    waiting: [...adapters.waiting],
    max: adapters.adaptersMax,
  };
}
