import { type Standing, standingCodes } from "../../core/pool-snapshot.ts";
import type { HealthPhase } from "../../core/health-settings.ts";

/** Requests that an endpoint on trial may have at a time. */
const trialPlacesMax = 1;
/** Share of the busiest endpoint's load at the beginning of a slow start. */
const firstRatio = 0.1;

/** Fields of a health row that determine its standing. */
export interface StandingRow {
  readonly endpoint: { readonly slot: number };
  readonly phase: HealthPhase;
  readonly isDead: boolean;
  /** Requests of the trial that are under way. */
  readonly trialsOpen: number;
  /** Start of the slow start, monotonic milliseconds. */
  readonly sinceMs: number;
}

/** The columns that decisions read, in memory that threads can share: 10 bytes a slot. */
export class StandingColumns implements Standing {
  hasExceptions = false;
  readonly codes: Uint8Array;
  readonly trialPlaces: Uint8Array;
  readonly startRatios: Float64Array;
  /** Slots whose code is not `well`. */
  #exceptions: number[] = [];

  constructor(slotsMax: number) {
    const ratioBytes = slotsMax * Float64Array.BYTES_PER_ELEMENT;
    const memory = new SharedArrayBuffer(ratioBytes + 2 * slotsMax);
    this.startRatios = new Float64Array(memory, 0, slotsMax);
    this.codes = new Uint8Array(memory, ratioBytes, slotsMax);
    this.trialPlaces = new Uint8Array(memory, ratioBytes + slotsMax, slotsMax);
  }

  /** Makes `rows` the exceptions; every other endpoint is well. */
  write(
    rows: Iterable<StandingRow>,
    { slowStartMs, nowMs }: { readonly slowStartMs: number; readonly nowMs: number },
  ): void {
    for (const slot of this.#exceptions) this.codes[slot] = standingCodes.well;
    this.#exceptions = [];
    for (const row of rows) {
      const { slot } = row.endpoint;
      this.codes[slot] = codeOf(row);
      this.trialPlaces[slot] = Math.max(0, trialPlacesMax - row.trialsOpen);
      if (row.phase === "slow-start") {
        this.startRatios[slot] = Math.max(firstRatio, (nowMs - row.sinceMs) / slowStartMs);
      }
      this.#exceptions.push(slot);
    }
    this.hasExceptions = this.#exceptions.length > 0;
  }
}

function codeOf({ phase, isDead }: StandingRow): number {
  switch (phase) {
    case "ready":
      return standingCodes.well;
    case "slow-start":
      return standingCodes.starting;
    case "trial":
      return standingCodes.trial;
    case "ejected":
      return isDead ? standingCodes.dead : standingCodes.ejected;
  }
}
