import type { PoolSnapshot } from "../core/pool-snapshot.ts";
import type { EndpointHealth } from "./health/endpoint-health.ts";
import type { PoolState } from "./pool-state.ts";

interface SnapshotParts {
  readonly state: PoolState;
  readonly health: EndpointHealth;
}

/** Brings the state up to date and returns the pool for a decision. */
export function snapshotOf({ state, health }: SnapshotParts, nowMs: number): PoolSnapshot {
  state.tick(nowMs);
  health.tick(nowMs);
  return {
    endpoints: state.store.takers(),
    load: state.view.load,
    standing: health.standing,
    models: state.facts.models,
    pastModels: state.facts.pastModels,
    nowMs,
  };
}
