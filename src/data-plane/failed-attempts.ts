import type { Decision, Outcome } from "../core/decision.ts";
import type { Endpoint } from "../core/endpoint.ts";
import type { PoolSnapshot } from "../core/pool-snapshot.ts";

/** The outcome of a request if a stage throws. */
export const unschedulable: Outcome = {
  kind: "refused",
  refusal: { code: "internal", message: "the request could not be scheduled" },
};

/** The head of an answer that is not passed on, besides its status. */
export const unserved = {
  servedBy: undefined,
  served: undefined,
  failedBefore: [],
  isEventStream: false,
};

/** The pool without the endpoints that were the first target of one of these decisions. */
export function untriedIn(pool: PoolSnapshot, tried: readonly Decision[]): PoolSnapshot {
  const isUntried = ({ id }: Endpoint) =>
    tried.every(({ targets }) => targets[0].endpoint.id !== id);
  return { ...pool, endpoints: pool.endpoints.filter(isUntried) };
}
