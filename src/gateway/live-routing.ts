import type { Registry } from "prom-client";
import type { BuildDeps, BuiltConfig } from "./build-config.ts";
import type { Configured } from "./configured.ts";
import { Routing, type RoutingOptions } from "../data-plane/routing.ts";
import type { Following } from "./following.ts";
import { LiveConfig } from "./live-config.ts";
import type { Clock } from "../std/clock.ts";
import { ConfigMetrics } from "../telemetry/config-metrics.ts";
import type { Logger } from "../telemetry/logger.ts";

export interface LiveRoutingDeps extends BuildDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly registry: Registry;
  readonly first: BuiltConfig;
  readonly startsWithStandIn: boolean;
  /** What the control plane follows for the configuration in force. */
  readonly following: Following;
  readonly routing: RoutingOptions;
}

/** The configuration in force, and the routing that requests get by it. */
export interface LiveRouting {
  readonly config: LiveConfig;
  /** The routing in force: requests take it once and keep it. */
  readonly routing: () => Routing;
}

/** Joins what changes with the configuration: decisions, discovery and scraping change in one step. */
export function createLiveRouting(deps: LiveRoutingDeps): LiveRouting {
  const { first, following, registry } = deps;
  const routingFor = (configured: Configured) => new Routing(configured, deps.routing);
  let inForce = routingFor(first.configured);
  const config = new LiveConfig(first, {
    ...deps,
    metrics: new ConfigMetrics(registry),
    prepare: async (next, previous) => {
      const prepared = await following.prepare(next.configured, previous.configured);
      if (prepared.kind === "invalid") return prepared;
      const routing = routingFor(next.configured);
      return {
        kind: "ready",
        commit: () => {
          prepared.commit();
          inForce = routing;
        },
      };
    },
  });
  return { config, routing: () => inForce };
}
