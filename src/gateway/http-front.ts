import {
  type ConnectionOptions,
  EngineConnections,
} from "../data-plane/ingress/http/engine-connections.ts";
import { HttpIngress, type HttpIngressOptions } from "../data-plane/ingress/http/http-ingress.ts";
import { ModelLists } from "../data-plane/ingress/http/model-lists.ts";
import { type RetryOptions, RetryPolicy } from "../data-plane/ingress/http/retry-policy.ts";
import type { Pipeline } from "../data-plane/pipeline.ts";
import type { Clock } from "../std/clock.ts";
import { RandomHex } from "../std/random-hex.ts";
import type { Pool } from "./pool.ts";
import type { Front } from "./front.ts";

/** The HTTP port, and the way to engines. Port 0 means any free port. */
export interface HttpOptions extends Omit<
  HttpIngressOptions,
  "dataPlane" | "connections" | "models" | "retries" | "clock" | "random"
> {
  readonly kind: "http";
  readonly port: number;
  readonly connections: ConnectionOptions;
  readonly retries: RetryOptions;
}

interface HttpDeps {
  readonly pool: Pick<Pool, "store" | "facts">;
  readonly clock: Clock;
  readonly dataPlane: Pipeline;
}

/** Requests come in over HTTP, and the gateway connects to the engines itself. */
export function httpFront(options: HttpOptions, deps: HttpDeps): Front {
  const { clock, dataPlane, pool } = deps;
  const connections = new EngineConnections(options.connections);
  const models = new ModelLists({ endpoints: () => pool.store.takers(), connections, clock });
  const ingress = new HttpIngress({
    ...options,
    clock,
    random: new RandomHex(),
    dataPlane,
    connections,
    models,
    retries: new RetryPolicy(options.retries, clock),
  });
  const findings = async () => {
    const lists = await models.ask();
    for (const { endpoint, models: listed } of lists) {
      const { slot } = endpoint;
      const generation = pool.store.board.generations[slot] ?? 0;
      if (listed !== undefined && pool.store.current(endpoint) !== undefined) {
        pool.facts.setModels(
          { slot, generation },
          listed.map(({ id }) => id),
        );
      }
    }
    return lists.map(({ endpoint, models: listed }) => ({
      endpoint,
      models: listed,
      engine: pool.facts.engineOf(endpoint),
    }));
  };
  return {
    ingress,
    listen: async (bindAddress) => {
      // The first request already goes to an endpoint that serves its model.
      await findings();
      return { http: await ingress.listen(bindAddress, options.port) };
    },
    close: () => undefined,
    findings,
  };
}
