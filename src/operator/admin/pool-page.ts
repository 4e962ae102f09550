import { type Endpoint, isDraining } from "../../core/endpoint.ts";
import type { EjectionReason, HealthPhase } from "../../core/health-settings.ts";
import type { LoadSnapshot } from "../../core/load.ts";

/** The pool as it is asked for. */
export interface ShownPool {
  readonly name: string;
  readonly endpoints: readonly Endpoint[];
  readonly load: LoadSnapshot;
  /** Monotonic milliseconds of `load`. */
  readonly nowMs: number;
  readonly engineOf: (endpoint: Endpoint) => string | undefined;
  readonly healthOf: (endpoint: Endpoint) => ShownHealth;
}

/** Whether an endpoint gets requests, and why not. */
interface ShownHealth {
  readonly phase: HealthPhase;
  readonly reason?: EjectionReason;
}

/** The pool as a person wants to see it: every endpoint with its signals and where they come from. */
export function poolPageOf(pool: ShownPool): unknown {
  return {
    name: pool.name,
    endpoints: pool.endpoints.map((endpoint) => endpointPageOf(endpoint, pool)),
  };
}

function endpointPageOf(endpoint: Endpoint, { load, nowMs, engineOf, healthOf }: ShownPool) {
  const { id, hostPort, labels, slot } = endpoint;
  const trust = load.signalsTrust[slot] ?? 0;
  return {
    id,
    address: hostPort,
    labels,
    engine: engineOf(endpoint) ?? null,
    health: isDraining(endpoint) ? { phase: "draining" } : healthOf(endpoint),
    waitingRequests: known(load.waitingRequests[slot]),
    runningRequests: known(load.runningRequests[slot]),
    kvCacheUsedRatio: known(load.kvCacheUsedRatio[slot]),
    inFlightRequests: load.inFlightRequests[slot],
    inFlightTokens: load.inFlightTokens[slot],
    adapters: adaptersOf(load, slot),
    signalsAgeMs: known(nowMs - (load.signalsAtMs[slot] ?? Number.NaN)),
    signalsTrust: trust,
    signalsSource: sourceOf(trust),
  };
}

/** Whose word the load goes by. */
function sourceOf(trust: number): "engine" | "engine and own" | "own" {
  if (trust >= 1) return "engine";
  return trust > 0 ? "engine and own" : "own";
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
