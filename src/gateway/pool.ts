import type { Registry } from "prom-client";
import { refusalDetail } from "../state/address-claims.ts";
import { EndpointStore } from "../state/endpoint-store.ts";
import { EndpointHealth, type HealthEvent } from "../state/health/endpoint-health.ts";
import { BoardSigns } from "../state/health/engine-signs.ts";
import { InFlightLedger } from "../state/in-flight.ts";
import type { RefusedSpec } from "../state/membership.ts";
import type { PluginMemory } from "../state/plugin-memory.ts";
import { ReadingStates, type SilenceEvent } from "../state/reading-states.ts";
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
  readonly memory: PluginMemory;
}

/** What is known of the endpoints, and what follows from their coming, going and failing. */
export interface Pool {
  readonly store: EndpointStore;
  readonly ledger: InFlightLedger;
  readonly health: EndpointHealth;
  readonly readings: ReadingStates;
}

/** An empty pool whose parts tell each other, logs and metrics what happens. */
export function createPool({ clock, log, registry, memory }: PoolDeps): Pool {
  const store = new EndpointStore();
  const ejections = new EjectionMetrics(registry);
  const health = new EndpointHealth({
    signs: new BoardSigns(store.board, (slot) => store.adaptersOf(slot)),
    onEvent: (event) => {
      if (event.kind === "ejected") ejections.ejected(event.endpoint, event.reason);
      logHealth(log, event);
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
  store.onRestart((endpoint) => {
    log.info({ endpoint: endpoint.id }, "engine restarted");
    memory.forget(endpoint);
    health.restarted(endpoint, clock.nowMs());
  });
  store.onTrust((isGone) => {
    if (isGone) {
      log.warn({ fallback: "local in-flight counts" }, "all endpoint metrics lost");
    } else log.info({}, "endpoint metrics restored");
  });
  store.refused.onChange((change) => logRefused(log, change));
  registerRefusedMetrics(registry, () => store.refused.all);
  registerSignalMetrics(registry, {
    endpoints: () => store.endpoints(),
    nowMs: () => clock.nowMs(),
    load: () => store.load(clock.nowMs()),
    correctionOf: (endpoint) => store.correctionOf(endpoint),
    scrapesOf: (endpoint) => scrapesOf(store.board, endpoint),
    engineOf: (endpoint) => store.engineOf(endpoint),
    missing: () => readings.missing(),
  });
  registerPhaseMetrics(registry, {
    endpoints: () => store.endpoints(),
    phaseOf: (endpoint) => health.stateOf(endpoint).phase,
  });
  return { store, ledger: new InFlightLedger(store), health, readings };
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

function logSilence(log: Logger, event: SilenceEvent): void {
  if (event.kind === "missing") {
    log.warn(event.group, "needed signal not reported");
  } else log.info({ signal: event.signal, engine: event.engine }, "needed signal reported again");
}
