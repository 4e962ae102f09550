import { drainOf, type Endpoint } from "../core/endpoint.ts";
import type { HealthState } from "../core/health-settings.ts";
import type { LoadSnapshot } from "../core/load.ts";
import type { ReadingState } from "../core/signals.ts";

/** The pool as it is asked for. */
export interface ShownPool {
  readonly name: string;
  /** Reasons why the picker is not ready; empty if it is. */
  readonly notReady: readonly string[];
  /** Where the pool comes from in a cluster. */
  readonly source?: ShownSource | undefined;
  readonly endpoints: readonly Endpoint[];
  /** Those that take new requests. */
  readonly takers: readonly Endpoint[];
  /** Endpoints that the source names and the pool leaves out. */
  readonly leftOut: readonly Excluded[];
  readonly load: LoadSnapshot;
  /** Monotonic milliseconds of `load`. */
  readonly nowMs: number;
  readonly engineOf: (endpoint: Endpoint) => string | undefined;
  readonly scrapesOf: (endpoint: Endpoint) => ShownScrapes;
  readonly healthOf: (endpoint: Endpoint) => HealthState;
  /** State of its scrapes; undefined before the first one. */
  readonly readingOf: (endpoint: Endpoint) => ReadingState | undefined;
}

/** Where the pool comes from, what is wrong with it, and which of what it names gets no requests. */
interface ShownSource {
  readonly source: string;
  readonly problem: string | undefined;
  readonly excluded: readonly Excluded[];
  readonly follows: readonly {
    readonly what: string;
    readonly state: string;
    /** Monotonic milliseconds. */
    readonly contactAtMs: number | undefined;
    readonly failure: string | undefined;
  }[];
}

/** A pod or an endpoint that gets no requests. */
interface Excluded {
  readonly namespace: string;
  readonly name: string;
  readonly reason: string;
  readonly detail?: string | undefined;
}

/** Results of an endpoint's scrapes since it joined the pool. */
interface ShownScrapes {
  readonly ok: number;
  /** By what went wrong. */
  readonly failures: Readonly<Record<string, number>>;
}

/** The page `/debug/pool`. */
export type PoolPage = ReturnType<typeof poolPageOf>;

/** The pool as a person wants to see it: every endpoint with its signals and where they come from. */
export function poolPageOf(pool: ShownPool) {
  const takers = new Set(pool.takers);
  return {
    name: pool.name,
    notReady: pool.notReady,
    ...sourcePageOf(pool.source, pool.nowMs),
    excluded: [...(pool.source?.excluded ?? []), ...pool.leftOut],
    endpoints: pool.endpoints.map((endpoint) => endpointPageOf(endpoint, pool, takers)),
  };
}

/** A pool from a file has no source in a cluster. */
export function sourcePageOf(shown: ShownSource | undefined, nowMs: number) {
  return {
    source: shown?.source ?? null,
    problem: shown?.problem ?? null,
    follows: (shown?.follows ?? []).map(({ what, state, contactAtMs, failure }) => ({
      what,
      state,
      contactAgeMs: contactAtMs === undefined ? null : Math.round(nowMs - contactAtMs),
      failure: failure ?? null,
    })),
  };
}

export function endpointPageOf(endpoint: Endpoint, pool: ShownPool, takers: ReadonlySet<Endpoint>) {
  const { load, nowMs, engineOf, healthOf } = pool;
  const { id, hostPort, labels, slot } = endpoint;
  const drain = drainOf(endpoint);
  const trust = load.signalsTrust[slot] ?? 0;
  const health =
    drain === undefined ? healthOf(endpoint) : { phase: "draining" as const, reason: drain };
  return {
    id,
    address: hostPort,
    labels,
    engine: engineOf(endpoint) ?? null,
    health,
    waitingRequests: known(load.waitingRequests[slot]),
    runningRequests: known(load.runningRequests[slot]),
    kvCacheUsedRatio: known(load.kvCacheUsedRatio[slot]),
    reported: {
      waitingRequests: known(load.told.waitingRequests[slot]),
      runningRequests: known(load.told.runningRequests[slot]),
      kvCacheUsedRatio: known(load.told.kvCacheUsedRatio[slot]),
    },
    blockTokens: known(load.blockTokens[slot]),
    inFlightRequests: load.inFlightRequests[slot],
    inFlightTokens: load.inFlightTokens[slot],
    adapters: adaptersOf(load, slot),
    signalsAgeMs: known(nowMs - (load.signalsAtMs[slot] ?? Number.NaN)),
    signalsTrust: trust,
    signalsSource: sourceOf(trust),
    scrape: scrapePageOf(endpoint, pool),
    // An ejected one gets single requests, to try it.
    takesRequests: takers.has(endpoint) && health.phase !== "ejected",
  };
}

/** State of an endpoint's scrapes, and their failures since it joined the pool. */
function scrapePageOf(endpoint: Endpoint, { readingOf, scrapesOf, load }: ShownPool) {
  const { ok, failures } = scrapesOf(endpoint);
  const { url = null, failure = null, missing = [] } = readingOf(endpoint) ?? {};
  const failed = Object.entries(failures).filter(([, count]) => count > 0);
  const silent = ok + failed.length === 0 ? "unread" : "failing";
  const state = (load.signalsTrust[endpoint.slot] ?? 0) > 0 ? "read" : silent;
  return { state, url, failure, failures: Object.fromEntries(failed), missing };
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
