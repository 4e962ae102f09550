import { EndpointHealth } from "../../src/state/health/endpoint-health.ts";
import { InFlightLedger } from "../../src/state/in-flight.ts";
import { PoolState } from "../../src/state/pool-state.ts";
import { snapshotOf } from "../../src/state/snapshot.ts";
import { scriptedSigns } from "./engine-signs.ts";

/** A pool whose health knows no endpoint, so it ejects none. */
export function quietPool() {
  const state = new PoolState();
  const { store, facts, counts, view } = state;
  const health = new EndpointHealth({ onEvent: () => undefined, signs: scriptedSigns(0) });
  const ledger = new InFlightLedger(counts);
  const snapshot = (nowMs: number) => snapshotOf({ state, health }, nowMs);
  return { store, facts, view, ledger, health, snapshot };
}
