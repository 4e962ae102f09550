import type { SaturationDetector } from "../../../core/data-plane-plugin.ts";
import type { Endpoint } from "../../../core/endpoint.ts";
import { type Standing, standingCodes } from "../../../core/pool-snapshot.ts";
import type { PoolNow } from "./waiting.ts";

/** The label that says what part of a request an endpoint does. */
const roleLabel = "llm-d.ai/role";
const prefillRoles: ReadonlySet<string> = new Set(["prefill", "encode-prefill"]);
const decodeRoles: ReadonlySet<string> = new Set(["decode", ""]);
const bothRoles: ReadonlySet<string> = new Set(["prefill-decode", "both", "encode-prefill-decode"]);

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
 * trial do not count either: they are idle, but requests go to the others.
 */
export class PoolSaturation {
  #endpoints: readonly Endpoint[] | undefined;
  #stages: Stages | undefined;

  of(detector: SaturationDetector, pool: PoolNow): StageSaturation {
    const { load, nowMs } = pool;
    const endpoints = inService(pool.endpoints, pool.standing);
    if (this.#endpoints === undefined || !isSame(this.#endpoints, endpoints)) {
      this.#endpoints = endpoints;
      this.#stages = stagesOf(endpoints);
    }
    const { prefill = [], decode = [] } = this.#stages ?? {};
    const of = (stage: readonly Endpoint[]) => detector.saturation(stage, load, nowMs);
    const inPrefill = prefill.length === 0 ? Number.NaN : of(prefill);
    const inDecode = decode.length === 0 ? Number.NaN : of(decode);
    return {
      prefill: inPrefill,
      decode: inDecode,
      effective: fuller(inPrefill, inDecode, () => of(endpoints)),
    };
  }
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

function isSame(a: readonly Endpoint[], b: readonly Endpoint[]): boolean {
  if (a === b) return true;
  return a.length === b.length && a.every((endpoint, index) => endpoint === b[index]);
}

function fuller(prefill: number, decode: number, ofAll: () => number): number {
  if (Number.isNaN(prefill)) return Number.isNaN(decode) ? ofAll() : decode;
  return Number.isNaN(decode) ? prefill : Math.max(prefill, decode);
}

function stagesOf(endpoints: readonly Endpoint[]): Stages {
  const hasNoRole = endpoints.every((endpoint) => role(endpoint) === "");
  if (hasNoRole) return { prefill: [], decode: endpoints };
  return {
    prefill: endpoints.filter((e) => prefillRoles.has(role(e)) || bothRoles.has(role(e))),
    decode: endpoints.filter((e) => decodeRoles.has(role(e)) || bothRoles.has(role(e))),
  };
}

function role({ labels }: Endpoint): string {
  return labels[roleLabel] ?? "";
}
