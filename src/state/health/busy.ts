import type { HealthRow } from "./health-row.ts";
import type { Phases } from "./phases.ts";
import type { BusyAnswer } from "./watched-request.ts";

/** Requests in a row, turned away by a busy endpoint, whose clients are remembered. */
const busyMax = 16;

interface TurnedAway extends BusyAnswer {
  /** True if the pool has several clients. */
  readonly areSeveral: boolean;
}

/**
 * Notes a request that its endpoint turned away, and pauses an endpoint that turns away all. A single client may have used
 * up a limit of its own, so only several requests in a row count, of several clients.
 */
export function noteBusy(row: HealthRow, request: TurnedAway, phases: Phases): void {
  const { client, sentMs, nowMs, retryAfterMs, areSeveral } = request;
  const { failuresInRowMax } = phases.settings;
  row.busyClients = [...row.busyClients, client].slice(-Math.max(busyMax, failuresInRowMax));
  row.pause?.failed(sentMs, nowMs, retryAfterMs);
  const isOneClients = areSeveral && new Set(row.busyClients).size === 1;
  if (failuresInRowMax === 0 || row.busyClients.length < failuresInRowMax || isOneClients) return;
  phases.pause(row, { reason: "busy", retryAfterMs }, nowMs);
}
