import type { Registry } from "prom-client";
import type { PoolSnapshot } from "../core/pool-snapshot.ts";
import { refusalDetail } from "../state/address-claims.ts";
import { EndpointHealth } from "../state/health/endpoint-health.ts";
import type { HealthEvent } from "../state/health/phases.ts";
import { BoardSigns } from "../state/health/engine-signs.ts";
import { InFlightLedger } from "../state/in-flight.ts";
import type { RefusedSpec } from "../state/membership.ts";
import type { ReportedRestart } from "../state/running-view.ts";
import type { PluginMemory } from "../state/plugin-memory.ts";
import { PoolState } from "../state/pool-state.ts";
import { ReadingStates, type SilenceEvent } from "../state/reading-states.ts";
import { snapshotOf } from "../state/snapshot.ts";
import type { RefusedChange } from "../state/refused-specs.ts";
import { scrapesOf } from "../state/scrape-counts.ts";
import type { Clock } from "../std/clock.ts";
import { firstFew } from "../std/first-few.ts";
import type { Logger } from "../telemetry/logger.ts";
import { registerRefusedMetrics } from "../state/metrics.ts";
import { EjectionMetrics, registerPhaseMetrics } from "../state/health/metrics.ts";
import { registerSignalMetrics } from "../telemetry/signal-metrics.ts";

interface PoolDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly registry: Registry;
  readonly memory: Pick<PluginMemory, "forget" | "restart">;
}

/** Interval of ticks without requests, so that metrics, pages and logs show what engines report. */
const idleTickMs = 250;

/** Longest time until reports tell a restart: several scrapes have to agree that no other process is behind the port. */
const toldMsMax = 30_000;

/** State of the endpoints, and the actions that follow when they come, go or fail. */
export interface Pool extends Pick<PoolState, "store" | "facts" | "counts" | "view"> {
  readonly ledger: InFlightLedger;
  readonly health: EndpointHealth;
  readonly readings: ReadingStates;
  /** Calls `listener` after each ejection. */
  readonly onEjected: (listener: (event: HealthEvent) => void) => void;
  /** Brings the state up to date and returns the pool for a decision. */
  readonly snapshot: (nowMs: number) => PoolSnapshot;
  /** Keeps load and health up to date without requests, until `signal` aborts. */
  readonly run: (signal: AbortSignal) => Promise<void>;
}

/** An empty pool whose parts report changes to each other, to logs and to metrics. */
export function createPool({ clock, log, registry, memory }: PoolDeps): Pool {
  const state = new PoolState({
    onRestart: (endpoint, restart) => {
      log.info({ endpoint: endpoint.id }, "engine restarted");
      memory.restart(endpoint, restartMs(restart, clock));
      health.restarted(endpoint, clock.nowMs());
    },
    onTrust: (isGone) => logTrust(log, isGone),
  });
  const { store, facts, counts, view } = state;
  const ejections = new EjectionMetrics(registry);
  const onEjected = [({ endpoint, reason }: HealthEvent) => ejections.ejected(endpoint, reason)];
  const health = new EndpointHealth({
    signs: new BoardSigns(store.board, (slot) => view.load.adapters[slot]),
    slotsMax: store.board.shared.slotsMax,
    onEvent: (event) => {
      logHealth(log, event);
      if (event.kind === "ejected") for (const listener of onEjected) listener(event);
    },
  });
  let isFirst = true;
  store.onChange((change) => {
    health.follow(change, isFirst, clock.nowMs());
    isFirst = false;
    for (const endpoint of change.added) memory.forget(endpoint);
    for (const endpoint of change.removed) {
      memory.forget(endpoint);
      ejections.forget(endpoint);
    }
  });
  const readings = new ReadingStates({ store, clock, onEvent: (event) => logSilence(log, event) });
  store.refused.onChange((change) => logRefused(log, change));
  registerRefusedMetrics(registry, () => store.refused.all);
  registerSignalMetrics(registry, {
    endpoints: () => store.endpoints(),
    nowMs: () => clock.nowMs(),
    load: () => view.load,
    correctionOf: (endpoint) => view.correctionOf(endpoint),
    scrapesOf: (endpoint) => scrapesOf(store.board, endpoint),
    engineOf: (endpoint) => facts.engineOf(endpoint),
    missing: () => readings.missing(),
  });
  registerPhaseMetrics(registry, {
    endpoints: () => store.endpoints(),
    phaseOf: (endpoint) => health.stateOf(endpoint).phase,
  });
  const snapshot = (nowMs: number) => snapshotOf({ state, health }, nowMs);
  return {
    store,
    facts,
    counts,
    view,
    ledger: new InFlightLedger(counts),
    health,
    readings,
    onEjected: (listener) => void onEjected.push(listener),
    snapshot,
    run: (signal) => runTicks(snapshot, clock, signal),
  };
}

/**
 * Monotonic time of a restart. The clock of the engine may differ from ours, but the restart is over, and was not long
 * before the report that did not tell it.
 */
function restartMs({ startedAtSeconds, lastReportMs }: ReportedRestart, clock: Clock): number {
  const nowMs = clock.nowMs();
  const startedMs = nowMs - (clock.wallMs() - startedAtSeconds * 1_000);
  return Math.min(nowMs, Math.max(lastReportMs - toldMsMax, startedMs));
}

async function runTicks(
  tick: (nowMs: number) => unknown,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    tick(clock.nowMs());
    await clock.sleep(idleTickMs, signal);
  }
}

function logRefused(log: Logger, { added, removed, count }: RefusedChange): void {
  if (added.length > 0) {
    const endpoints = firstFew(added.map(refusalText));
    log.warn({ endpoints, leftOut: count }, "endpoints left out");
  }
  const still = new Set(added.map(({ spec }) => spec.id));
  const gone = removed.filter(({ spec }) => !still.has(spec.id));
  if (gone.length > 0) {
    const endpoints = firstFew(gone.map(({ spec }) => spec.id));
    log.info({ endpoints, leftOut: count }, "endpoints no longer left out");
  }
}

function refusalText(refused: RefusedSpec): string {
  const detail = refusalDetail(refused);
  return `${refused.spec.id}: ${refused.reason}${detail === undefined ? "" : ` (${detail})`}`;
}

function logHealth(log: Logger, { endpoint, kind, reason, ms, evidence }: HealthEvent): void {
  const fields = { endpoint: endpoint.id, reason };
  if (kind === "ejected") {
    log.warn({ ...fields, ejectionMs: ms, evidence }, "endpoint ejected");
  } else log.info({ ...fields, awayMs: ms }, "endpoint returned");
}

function logTrust(log: Logger, isGone: boolean): void {
  if (isGone) {
    log.warn({ fallback: "local in-flight counts" }, "all endpoint metrics lost");
  } else log.info({}, "endpoint metrics restored");
}

function logSilence(log: Logger, event: SilenceEvent): void {
  if (event.kind === "missing") {
    log.warn(event.group, "needed signal not reported");
  } else log.info({ signal: event.signal, engine: event.engine }, "needed signal reported again");
}
