import type { RequestFollower } from "../core/request-follower.ts";
import { Pipeline } from "../data-plane/pipeline.ts";
import type { PoolView } from "../data-plane/pool-view.ts";
import type { Routing } from "../data-plane/routing.ts";
import { healthFollower } from "../state/health/answer-follower.ts";
import { countedFollower } from "../state/in-flight.ts";
import type { Tracer } from "../core/request-trace.ts";
import type { Clock } from "../std/clock.ts";
import type { Pool } from "./pool.ts";

export interface DataPlaneParts {
  readonly clock: Pick<Clock, "nowMs" | "wallMs">;
  readonly pool: Pick<Pool, "store" | "ledger" | "health" | "snapshot">;
  /** The routing in force. */
  readonly routing: () => Routing;
  /** Parts that follow every request, such as metrics and the request log; none by default. */
  readonly followers?: readonly RequestFollower[];
  /** Undefined if no request is traced. */
  readonly tracer?: Tracer | undefined;
}

/** The data plane over a pool: an ingress calls `begin` for each request, whatever its protocol is. */
export function createDataPlane({
  clock,
  pool,
  routing,
  followers = [],
  tracer,
}: DataPlaneParts): Pipeline {
  return new Pipeline({ clock, routing, followers, tracer, pool: poolViewOf(pool, clock) });
}

/** The pool as the data plane sees it. */
export function poolViewOf(
  { store, ledger, health, snapshot }: DataPlaneParts["pool"],
  clock: Pick<Clock, "nowMs">,
): PoolView {
  return {
    snapshot,
    send: ({ context: { request }, decision: { targets, helpers, prefixHit } }) => {
      const { endpoint } = targets[0];
      const nowMs = clock.nowMs();
      return [
        countedFollower(ledger.open(endpoint, request.promptTokens, nowMs)),
        healthFollower(health, endpoint, { request, prefixHit, nowMs }),
        ...helpers.map((helper): RequestFollower => {
          const ticket = ledger.open(helper, request.promptTokens, nowMs);
          // A helper has done its part of the prompt when the answer begins.
          return { firstToken: () => ticket.release(), ended: () => ticket.release() };
        }),
      ];
    },
    current: (endpoint) => store.current(endpoint),
    endpointAt: (hostPort) => store.endpointAt(hostPort),
  };
}
