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
  /** Requests may try an endpoint that is paused; undefined if it is not. */
  readonly pause?: { isDue(nowMs: number): boolean } | undefined;
  /** True if requests cannot reach it, as far as is known. */
  readonly isUnreachable?: boolean;
  /** Start of the slow start, monotonic milliseconds. */
  readonly sinceMs: number;
}

interface WritingParts {
  readonly slowStartMs: number;
  readonly nowMs: number;
  /** Endpoints of the pool. */
  readonly count: number;
}

/** The columns that decisions read, in memory that threads can share: 10 bytes a slot. */
export class StandingColumns implements Standing {
  hasExceptions = false;
  isCutOff = false;
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
  write(rows: Iterable<StandingRow>, { slowStartMs, nowMs, count }: WritingParts): void {
    for (const slot of this.#exceptions) this.codes[slot] = standingCodes.well;
    this.#exceptions = [];
    let reachable = count;
    for (const row of rows) {
      const { slot } = row.endpoint;
      this.codes[slot] = codeOf(row);
      const places = placesOf(row, nowMs);
      this.trialPlaces[slot] = places;
      if (row.isUnreachable === true && places === 0) reachable -= 1;
      if (row.phase === "slow-start") {
        this.startRatios[slot] = Math.max(firstRatio, (nowMs - row.sinceMs) / slowStartMs);
      }
      this.#exceptions.push(slot);
    }
    this.hasExceptions = this.#exceptions.length > 0;
    this.isCutOff = this.hasExceptions && reachable === 0;
  }
}

/** Requests that an endpoint on trial, or one that is paused, may get now. */
function placesOf({ phase, pause, trialsOpen }: StandingRow, nowMs: number): number {
  if (phase === "ejected") return 0;
  if (phase === "trial" || pause === undefined) return Math.max(0, trialPlacesMax - trialsOpen);
  return pause.isDue(nowMs) ? 1 : 0;
}

function codeOf({ phase, isDead, pause }: StandingRow): number {
  if (pause !== undefined && phase !== "ejected") return standingCodes.trial;
  switch (phase) {
    case "ready":
      return standingCodes.well;
    case "slow-start":
      return standingCodes.starting;
    case "paused":
    case "trial":
      return standingCodes.trial;
    case "ejected":
      return isDead ? standingCodes.dead : standingCodes.ejected;
  }
}
