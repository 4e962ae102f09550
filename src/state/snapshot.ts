import type { PoolSnapshot } from "../core/pool-snapshot.ts";
import type { EndpointStore } from "./endpoint-store.ts";
import type { EndpointHealth } from "./health/endpoint-health.ts";

interface SnapshotParts {
  readonly store: EndpointStore;
  readonly health: EndpointHealth;
}

/** Brings the state up to date and returns the pool as a decision is to see it. */
export function snapshotOf({ store, health }: SnapshotParts, nowMs: number): PoolSnapshot {
  health.tick(nowMs);
  return {
    endpoints: store.takers(),
    load: store.load(nowMs),
    standing: health.standing,
    models: store.models,
    nowMs,
  };
}
