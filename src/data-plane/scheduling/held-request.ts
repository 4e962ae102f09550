import type { HoldRule, SchedulingContext } from "../../core/data-plane-plugin.ts";
import type { Endpoint } from "../../core/endpoint.ts";

/** A request that waits in the picker, because it would wait in the engine. */
export interface HeldRequest {
  readonly kind: "held";
  /** The wait in the engine, as a share of its limit. */
  readonly fullness: number;
  /** Counts it as work of its endpoint, until the function that this returns is called. Valid until the next decision. */
  readonly suppose: () => () => void;
}

/** The endpoints of a decision that is about to be made. */
interface Picked {
  readonly endpoints: readonly Endpoint[];
  /** Endpoints that compute the prompt in place of the first one. */
  readonly helpers: readonly Endpoint[];
  /** Share of the longest wait from which the request is held. */
  readonly heldFrom: number;
}

/** The request as it waits; undefined if it is sent. */
export function heldRequestOf(
  hold: HoldRule,
  context: SchedulingContext,
  { endpoints, helpers, heldFrom }: Picked,
): HeldRequest | undefined {
  const first = endpoints.length === 1 ? endpoints : endpoints.slice(0, 1);
  const computing = helpers.length > 0 ? helpers : first;
  const fullness = hold.fullness(context, computing);
  // NaN holds nothing.
  if (!(fullness >= heldFrom)) return undefined;
  return { kind: "held", fullness, suppose: () => hold.suppose(context, computing) };
}
