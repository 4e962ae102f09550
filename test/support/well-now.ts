import type { Endpoint } from "../../src/core/endpoint.ts";
import { wellAmong } from "../../src/data-plane/scheduling/shared/well-among.ts";
import type { EndpointHealth } from "../../src/state/health/endpoint-health.ts";

/** The candidates that a decision of this moment would begin with. */
export function wellNow(
  health: EndpointHealth,
  candidates: readonly Endpoint[],
  now: { readonly inFlight: Float64Array; readonly nowMs: number },
): readonly Endpoint[] {
  health.tick(now.nowMs);
  return wellAmong(candidates, health.standing, { inFlightRequests: now.inFlight });
}
