import { type PoolSnapshot, type Standing, standingCodes } from "../../src/core/pool-snapshot.ts";
import { aLoad, endpoints } from "./builders.ts";

interface StandingParts {
  readonly code: keyof typeof standingCodes;
  readonly trialPlaces?: number;
  readonly startRatio?: number;
}

/** By slot; an endpoint that is left out is well. */
export function aStanding(
  parts: Readonly<Record<number, StandingParts>> = {},
  isCutOff = false,
): Standing {
  const slotsMax = 64;
  const codes = new Uint8Array(slotsMax);
  const trialPlaces = new Uint8Array(slotsMax);
  const startRatios = new Float64Array(slotsMax);
  for (const [slot, { code, trialPlaces: places = 0, startRatio = 0 }] of Object.entries(parts)) {
    codes[Number(slot)] = standingCodes[code];
    trialPlaces[Number(slot)] = places;
    startRatios[Number(slot)] = startRatio;
  }
  const hasExceptions = codes.some((code) => code !== standingCodes.well);
  return { hasExceptions, codes, trialPlaces, startRatios, isCutOff };
}

/** Three endpoints of which nothing is known, and all of which are well. */
export function aSnapshot(parts: Partial<PoolSnapshot> = {}): PoolSnapshot {
  const pool = parts.endpoints ?? endpoints(3);
  return {
    endpoints: pool,
    load: aLoad(pool.map(() => ({}))),
    standing: aStanding(),
    models: undefined,
    nowMs: 10_000,
    ...parts,
  };
}
