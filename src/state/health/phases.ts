import type { Endpoint } from "../../core/endpoint.ts";
import type {
  EjectionEvidence,
  EjectionReason,
  HealthSettings,
} from "../../core/health-settings.ts";
import { hasEjectionRoom } from "./ejection-room.ts";
import type { Ejection, HealthRow } from "./health-row.ts";
import { Pause, type PauseReason } from "./pause.ts";
import { StandingColumns } from "./standing.ts";

export const defaultHealth: HealthSettings = {
  failuresInRowMax: 3,
  failureRatioMax: 0.1,
  ttftFactorMax: 3,
  stallMs: 10_000,
  shortAnswersInRowMax: 12,
  ejectionMs: 10_000,
  ejectionMsMax: 300_000,
  ejectedRatioMax: 0.5,
  slowStartMs: 10_000,
  hasLastResort: true,
};

/** A change of an endpoint's standing, for logs and metrics. */
export interface HealthEvent {
  readonly endpoint: Endpoint;
  readonly kind: "ejected" | "returned";
  readonly reason: EjectionReason;
  /** Milliseconds of the ejection; for a return, milliseconds since the first ejection. */
  readonly ms: number;
  /** The numbers that led to the ejection. */
  readonly evidence: EjectionEvidence;
}

/**
 * The phases of a pool's endpoints.
 *
 *     ready --eject--> ejected --its time is over, or it can be reached again--> trial: one request at a time
 *     trial --returned--> slow start --> ready;  --eject--> ejected, twice as long
 *
 * An endpoint that takes requests may be paused besides, until something answers there.
 */
export class Phases {
  settings: HealthSettings = defaultHealth;
  readonly #rows: ReadonlyMap<number, HealthRow>;
  readonly #onEvent: (event: HealthEvent) => void;
  /** Slots in another phase than ready; usually there are none. */
  readonly #special = new Set<number>();

  /** Standing of the endpoints for decisions, as of the last tick. */
  readonly standing: StandingColumns;

  constructor(
    rows: ReadonlyMap<number, HealthRow>,
    { onEvent, slotsMax }: { onEvent: (event: HealthEvent) => void; slotsMax: number },
  ) {
    this.#rows = rows;
    this.#onEvent = onEvent;
    this.standing = new StandingColumns(slotsMax);
  }

  forget(slot: number): void {
    this.#special.delete(slot);
  }

  /** Starts trials, ends slow starts, and writes the standing for decisions. */
  tick(nowMs: number): void {
    if (this.#special.size === 0 && !this.standing.hasExceptions) return;
    for (const row of this.#specialRows()) this.#advance(row, nowMs);
    const { slowStartMs } = this.settings;
    this.standing.write(this.#specialRows(), { slowStartMs, nowMs, count: this.#rows.size });
  }

  /** Ejects an endpoint if the limit allows one more. */
  eject(row: HealthRow, ejection: Ejection, nowMs: number): void {
    const room = { ejectedRatioMax: this.settings.ejectedRatioMax, isDead: ejection.isDead };
    if (!row.isAway && !hasEjectionRoom(row, this.#rows.values(), room)) return;
    const ms = row.eject(ejection, nowMs, this.settings);
    this.#special.add(row.endpoint.slot);
    const { reason, evidence } = ejection;
    this.#onEvent({ endpoint: row.endpoint, kind: "ejected", reason, ms, evidence });
  }

  /** Pauses an endpoint. `retryAfterMs`: the time that it asks for. */
  pause(
    row: HealthRow,
    { reason, retryAfterMs }: { reason: PauseReason; retryAfterMs?: number | undefined },
    nowMs: number,
  ): void {
    if (row.isAway || row.pause !== undefined) return;
    row.pause = new Pause(nowMs, { answered: row.contact.answered, reason, retryAfterMs });
    this.#special.add(row.endpoint.slot);
  }

  resume(row: HealthRow): void {
    row.pause = undefined;
    if (row.phase === "ready") this.#special.delete(row.endpoint.slot);
  }

  returned(row: HealthRow, nowMs: number): void {
    const { reason, evidence } = row.ejection;
    const ms = nowMs - row.ejectedAtMs;
    this.#onEvent({ endpoint: row.endpoint, kind: "returned", reason, ms, evidence });
    row.returnedAtMs = nowMs;
    this.startSlowly(row, nowMs);
  }

  startSlowly(row: HealthRow, nowMs: number): void {
    row.forgetRecent();
    row.isDead = false;
    row.pause = undefined;
    if (this.settings.slowStartMs === 0) return this.#setReady(row);
    row.phase = "slow-start";
    row.sinceMs = nowMs;
    this.#special.add(row.endpoint.slot);
  }

  *#specialRows(): Iterable<HealthRow> {
    for (const slot of this.#special) {
      const row = this.#rows.get(slot);
      if (row !== undefined) yield row;
    }
  }

  /** Starts a trial or ends a slow start when it is time. */
  #advance(row: HealthRow, nowMs: number): void {
    const { ejectionMsMax, slowStartMs } = this.settings;
    if (row.phase === "ejected" && row.isDueForTrial(nowMs, ejectionMsMax)) row.toTrial();
    if (row.pause?.isOver(row.contact.answered) === true) this.resume(row);
    if (row.phase === "slow-start" && nowMs - row.sinceMs >= slowStartMs) this.#setReady(row);
  }

  #setReady(row: HealthRow): void {
    row.phase = "ready";
    if (row.pause === undefined) this.#special.delete(row.endpoint.slot);
  }
}
