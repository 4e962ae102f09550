import type { SaturationDetector } from "../../../core/data-plane-plugin.ts";
import type { Endpoint } from "../../../core/endpoint.ts";
import { type Standing, standingCodes } from "../../../core/pool-snapshot.ts";
import { hasRole, servesStage } from "../../../core/roles.ts";
import type { PoolNow } from "./waiting.ts";

interface Stages {
  readonly prefill: readonly Endpoint[];
  readonly decode: readonly Endpoint[];
}

/** Saturation of the pool and of its stages; NaN for a stage without endpoints. */
export interface StageSaturation {
  readonly prefill: number;
  readonly decode: number;
  readonly effective: number;
}

/**
 * Computes the saturation of a pool whose endpoints may have roles: that of the fuller stage. Endpoints without a role
 * decode; those of no stage, such as encoders, do not count, unless the pool has no others. Ejected endpoints and those on
 * trial do not count either: they are idle, but requests go to the others. A starting endpoint counts as the share of one
 * that it may have.
 */
export class PoolSaturation {
  #endpoints: readonly Endpoint[] | undefined;
  #stages: Stages | undefined;

  of(detector: SaturationDetector, pool: PoolNow): StageSaturation {
    const endpoints = inService(pool.endpoints, pool.standing);
    if (this.#endpoints === undefined || !isSame(this.#endpoints, endpoints)) {
      this.#endpoints = endpoints;
      this.#stages = stagesOf(endpoints);
    }
    const { prefill = none, decode = none } = this.#stages ?? {};
    const inPrefill = prefill.length === 0 ? Number.NaN : saturationOf(prefill, detector, pool);
    const inDecode = decode.length === 0 ? Number.NaN : saturationOf(decode, detector, pool);
    const ofStages = fuller(inPrefill, inDecode);
    const effective = Number.isNaN(ofStages) ? saturationOf(endpoints, detector, pool) : ofStages;
    return { prefill: inPrefill, decode: inDecode, effective };
  }
}

const none: readonly Endpoint[] = [];

function saturationOf(
  stage: readonly Endpoint[],
  detector: SaturationDetector,
  { load, standing, nowMs }: PoolNow,
): number {
  return detector.saturation(stage, load, nowMs) / capacityShare(stage, standing);
}

/** The endpoints that take requests without reservation; all if there are none. */
function inService(
  endpoints: readonly Endpoint[],
  { hasExceptions, codes }: Standing,
): readonly Endpoint[] {
  if (!hasExceptions) return endpoints;
  const taking = endpoints.filter(({ slot }) => {
    const code = codes[slot];
    return code === standingCodes.well || code === standingCodes.starting;
  });
  return taking.length === 0 ? endpoints : taking;
}

/** The capacity of a stage as a share of what it is once all have started. */
function capacityShare(stage: readonly Endpoint[], standing: Standing): number {
  if (!standing.hasExceptions || stage.length === 0) return 1;
  let sum = 0;
  for (const { slot } of stage) {
    const isStarting = standing.codes[slot] === standingCodes.starting;
    sum += isStarting ? Math.min(1, standing.startRatios[slot] || 1) : 1;
  }
  return sum / stage.length;
}

function isSame(a: readonly Endpoint[], b: readonly Endpoint[]): boolean {
  if (a === b) return true;
  return a.length === b.length && a.every((endpoint, index) => endpoint === b[index]);
}

/** The larger one; NaN stands for none. */
function fuller(prefill: number, decode: number): number {
  if (Number.isNaN(prefill)) return decode;
  return Number.isNaN(decode) ? prefill : Math.max(prefill, decode);
}

function stagesOf(endpoints: readonly Endpoint[]): Stages {
  if (!endpoints.some(hasRole)) return { prefill: [], decode: endpoints };
  return {
    prefill: endpoints.filter((endpoint) => servesStage(endpoint, "prefill")),
    decode: endpoints.filter((endpoint) => servesStage(endpoint, "decode")),
  };
}
