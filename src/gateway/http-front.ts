import { EndpointSilence } from "../data-plane/ingress/http/endpoint-silence.ts";
import {
  type ConnectionOptions,
  EngineConnections,
} from "../data-plane/ingress/http/engine-connections.ts";
import { EngineTls } from "../data-plane/ingress/http/engine/engine-tls.ts";
import { ApiKeys } from "../data-plane/ingress/http/entry/api-keys.ts";
import { BodyMemory } from "../data-plane/ingress/http/entry/body-memory.ts";
import { BrowserGuard } from "../data-plane/ingress/http/entry/browser-guard.ts";
import { CorsPolicy } from "../data-plane/ingress/http/entry/cors.ts";
import { Gate } from "../data-plane/ingress/http/entry/gate.ts";
import { type SlotLimits, Slots } from "../data-plane/ingress/http/entry/slots.ts";
import { type HedgeAfter, HedgeDelay } from "../data-plane/ingress/http/hedge-delay.ts";
import { HttpIngress, type HttpIngressOptions } from "../data-plane/ingress/http/http-ingress.ts";
import { ModelLists } from "../data-plane/ingress/http/model-lists.ts";
import { type RetryOptions, RetryPolicy } from "../data-plane/ingress/http/retry-policy.ts";
import type { Pipeline } from "../data-plane/pipeline.ts";
import type { ApiKey } from "../core/api-key.ts";
import { KnownHosts } from "../listening/known-hosts.ts";
import type { Identities } from "../listening/identities.ts";
import type { ClientTlsOptions } from "../std/client-tls.ts";
import type { Clock } from "../std/clock.ts";
import { RandomHex } from "../std/random-hex.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { MetricsRegistry } from "../telemetry/metrics-registry.ts";
import { followApiKeys } from "./api-key-file.ts";
import { apiKeyGaugeIn, registerHttpMetrics } from "./http-metrics.ts";
import type { Pool } from "./pool.ts";
import type { Front } from "./front.ts";

/** The HTTP port, and the way to engines. Port 0 means any free port. */
export interface HttpOptions extends Omit<
  HttpIngressOptions,
  | "dataPlane"
  | "connections"
  | "models"
  | "refreshModels"
  | "retries"
  | "hedges"
  | "silence"
  | "clock"
  | "random"
  | "gate"
  | "hasSampler"
  | "identity"
> {
  readonly kind: "http";
  readonly port: number;
  readonly connections: ConnectionOptions;
  /** Certificates of engines that are reached over TLS; undefined for the usual authorities. */
  readonly engineTls?: ClientTlsOptions | undefined;
  readonly retries: RetryOptions;
  /** Undefined to hedge nothing. */
  readonly hedgeAfter?: HedgeAfter | undefined;
  /** Milliseconds for which an endpoint may be silent before its tries go elsewhere; 0 to wait for its ejection. */
  readonly silenceMsMin?: number;
  readonly gate: GateOptions;
}

/** Conditions under which requests are let in. */
export interface GateOptions {
  readonly requests: SlotLimits;
  /** Patience with a body; 0 for no limit. */
  readonly bodyTimeoutMs: number;
  /** Time for which a client may read nothing of its answer; 0 for no limit. */
  readonly readTimeoutMs: number;
  /** Bytes of bodies that are held, of all requests; 0 for no limit. */
  readonly heldBodyBytesMax: number;
  /** Undefined if clients need no key. */
  readonly apiKeys: { readonly file: string; readonly first: readonly ApiKey[] } | undefined;
  readonly forwardsCredentials: boolean;
  readonly corsOrigins: readonly string[];
  /** Hosts by which clients may address the gateway, besides those of this machine; undefined for any. */
  readonly allowedHosts: readonly string[] | undefined;
}

interface HttpDeps {
  readonly pool: Pick<Pool, "store" | "facts" | "onEjected">;
  readonly clock: Clock;
  readonly dataPlane: Pipeline;
  readonly identities: Identities;
  readonly registry: MetricsRegistry;
  readonly log: Logger;
  /** True if the data plane decides which traces are sampled. */
  readonly hasSampler: boolean;
}

/** Requests come in over HTTP, and the gateway connects to the engines itself. */
export function httpFront(options: HttpOptions, deps: HttpDeps): Front {
  const { clock, dataPlane, pool, registry, identities, log } = deps;
  const engineTls = new EngineTls(options.engineTls ?? { insecureSkipVerify: false }, {
    clock,
    log,
  });
  const connections = new EngineConnections(options.connections, clock, engineTls);
  const { gate, keys, slots, bodies, readersGivenUp } = gateOf(options.gate, clock);
  const models = new ModelLists({ endpoints: () => pool.store.takers(), connections, clock });
  const findings = findingsOf(pool, models, engineTls);
  const retries = new RetryPolicy(options.retries, clock);
  const silence = new EndpointSilence(options.silenceMsMin ?? 0, clock);
  pool.onEjected(({ endpoint, reason }) => {
    // Those engines answer.
    if (reason !== "slow" && reason !== "short") silence.ejected(endpoint);
  });
  const ingress = new HttpIngress({
    ...options,
    clock,
    random: new RandomHex(),
    dataPlane,
    hasSampler: deps.hasSampler,
    connections,
    models,
    refreshModels: findings,
    gate,
    identity: identities.http,
    retries,
    silence,
    hedges: options.hedgeAfter === undefined ? undefined : new HedgeDelay(options.hedgeAfter),
  });
  const engineConnections = connections;
  const measured = { slots, bodies, readersGivenUp, ingress, keys, engineConnections, retries };
  registerHttpMetrics(registry, measured);
  return {
    ingress,
    listen: async (bindAddress) => {
      // The first request already goes to an endpoint that serves its model.
      await findings();
      return { http: await ingress.listen(bindAddress, options.port) };
    },
    close: () => undefined,
    findings,
    follow: async (signal) => {
      await Promise.all([
        engineTls.run(signal),
        followKeys(options.gate, { ...deps, keys }, signal),
      ]);
    },
  };
}

/** Asks all endpoints for their models, and lets decisions use the answers. */
function findingsOf(
  pool: HttpDeps["pool"],
  models: ModelLists,
  engineTls: EngineTls,
): NonNullable<Front["findings"]> {
  let applied: unknown;
  return async () => {
    const lists = await models.ask();
    // Lists that are given again may be older than the last reading of an endpoint.
    for (const { endpoint, models: listed } of lists === applied ? [] : lists) {
      const { slot } = endpoint;
      const generation = pool.store.board.generations[slot] ?? 0;
      if (listed !== undefined && pool.store.current(endpoint) !== undefined) {
        pool.facts.setModels(
          { slot, generation },
          listed.map(({ id }) => id),
        );
      }
    }
    applied = lists;
    return lists.map(({ endpoint, models: listed }) => ({
      endpoint,
      models: listed,
      engine: pool.facts.engineOf(endpoint),
      tlsFailure: endpoint.tls === undefined ? undefined : engineTls.failureAt(endpoint),
    }));
  };
}

function gateOf(options: GateOptions, clock: Clock) {
  const { apiKeys, corsOrigins, allowedHosts } = options;
  const slots = new Slots(options.requests, clock);
  const keys = apiKeys === undefined ? undefined : new ApiKeys(apiKeys.first, clock);
  const cors = corsOrigins.length === 0 ? undefined : new CorsPolicy(corsOrigins);
  const guard =
    allowedHosts === undefined
      ? undefined
      : new BrowserGuard(new KnownHosts(allowedHosts), corsOrigins);
  const bodies = new BodyMemory(options.heldBodyBytesMax);
  let readersGivenUp = 0;
  const onReaderGivenUp = () => void (readersGivenUp += 1);
  const gate = new Gate({ ...options, clock, slots, keys, cors, guard, bodies, onReaderGivenUp });
  return { slots, keys, bodies, readersGivenUp: () => readersGivenUp, gate };
}

async function followKeys(
  { apiKeys }: GateOptions,
  { clock, log, registry, keys }: HttpDeps & { readonly keys: ApiKeys | undefined },
  signal: AbortSignal,
): Promise<void> {
  if (apiKeys === undefined || keys === undefined) return;
  const { file, first } = apiKeys;
  const onRead = apiKeyGaugeIn(registry);
  await followApiKeys(file, { clock, log, keys, first, onRead }, signal);
}
