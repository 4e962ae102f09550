import { Counter, Registry } from "prom-client";
import {
  FileDiscovery,
  type FileDiscoveryOptions,
} from "./control-plane/discovery/file/file-discovery.ts";
import { ScrapeMetrics } from "./control-plane/signals/scrape/metrics.ts";
import { Scraper, type ScraperOptions } from "./control-plane/signals/scrape/scraper.ts";
import type { RequestRecord } from "./core/request-record.ts";
import type { HeaderValues } from "./core/request.ts";
import { drain, type DrainOptions } from "./data-plane/ingress/ext-proc/drain.ts";
import { GrpcTransport } from "./data-plane/ingress/ext-proc/grpc-transport.ts";
import { HealthServer, HealthService } from "./data-plane/ingress/ext-proc/health.ts";
import { streamsOf } from "./data-plane/ingress/ext-proc/streams.ts";
import {
  followIdentity,
  identityIn,
  selfSignedIdentity,
  ServerCertificate,
} from "./data-plane/ingress/ext-proc/tls.ts";
import { bodyIsNeeded, parseRequest } from "./data-plane/parsing/parse-request.ts";
import { Exchange, type RequestObserver, type Stages } from "./data-plane/pipeline.ts";
import { createUsageReader } from "./data-plane/response/usage-reader.ts";
import { createScheduler, type SchedulingGraph } from "./data-plane/scheduling/scheduler.ts";
import { type AdminPages, AdminServer, jsonPage, textPage } from "./operator/admin/admin-server.ts";
import { poolPageOf } from "./operator/admin/pool-page.ts";
import { EndpointStore } from "./state/endpoint-store.ts";
import { InFlightLedger } from "./state/in-flight.ts";
import { aborted } from "./std/abort.ts";
import type { Clock } from "./std/clock.ts";
import { systemRandom } from "./std/random.ts";
import { type Logger, unredacted } from "./telemetry/logger.ts";
import { registerPoolMetrics } from "./telemetry/pool-metrics.ts";
import { registerProcessMetrics } from "./telemetry/process-metrics.ts";
import { logRequest } from "./telemetry/request-log.ts";
import { RequestMetrics } from "./telemetry/request-metrics.ts";

export type TlsOptions =
  | { readonly kind: "cleartext" }
  | { readonly kind: "self-signed" }
  | { readonly kind: "folder"; readonly folder: string; readonly isFollowed: boolean };

export interface GatewayOptions {
  /** IP address that every listener binds. */
  readonly bindAddress: string;
  /** 0 takes any free port. */
  readonly ports: { readonly grpc: number; readonly health: number; readonly metrics: number };
  readonly tls: TlsOptions;
  /** Answers health checks on the ext_proc port too. */
  readonly hasHealthOnGrpcPort: boolean;
  readonly bodyBytesMax: number;
  readonly receivedBytesMax: number;
  readonly sentBytesMax: number | undefined;
  readonly ignoresSubset: boolean;
  /** Names the pool in metrics. */
  readonly poolName: string;
  readonly graph: SchedulingGraph;
  /** Undefined where nothing tells what the pool is; it then stays empty and not ready. */
  readonly discovery: FileDiscoveryOptions | undefined;
  readonly scrape: ScraperOptions;
  /** Longest time to finish open streams. */
  readonly drainTimeoutMs: number;
  /** Shortest time between saying "not ready" and refusing connections. */
  readonly drainQuietMs: number;
}

export interface GatewayDeps {
  readonly clock: Clock;
  readonly log: Logger;
}

/** A gateway that listens. */
export interface Gateway {
  readonly ports: { readonly grpc: number; readonly health: number; readonly metrics: number };
  /**
   * Serves until `stop` aborts, then drains: readiness goes at once, new streams are taken until
   * proxies have noticed, open ones finish. `cut` ends the drain early. Resolves when everything
   * it started has stopped.
   */
  run(signals: { readonly stop: AbortSignal; readonly cut: AbortSignal }): Promise<void>;
}

/** Builds and binds everything; rejects with one readable error, with nothing left open. */
export async function startGateway(options: GatewayOptions, deps: GatewayDeps): Promise<Gateway> {
  const { clock, log } = deps;
  const registry = new Registry();
  const store = new EndpointStore();
  const ledger = new InFlightLedger(store);
  const health = new HealthService();
  const certificate = await certificateOf(options.tls, clock);
  const observer = observerOf({ registry, log, store, poolName: options.poolName });
  registerProcessMetrics(registry);

  const discovery =
    options.discovery && new FileDiscovery(options.discovery, { store, clock, log });
  const stages = stagesOf(options, { clock, store, ledger, observer });
  const transport = new GrpcTransport(
    {
      certificate,
      receivedBytesMax: options.receivedBytesMax,
      sentBytesMax: options.sentBytesMax,
      health: options.hasHealthOnGrpcPort ? health : undefined,
    },
    streamsOf({
      begin: (head) => new Exchange(head, stages),
      bodyBytesMax: options.bodyBytesMax,
    }),
  );
  const healthServer = new HealthServer(health);
  const admin = new AdminServer(pagesOf({ registry, store, health, clock, options }), log);

  if (discovery !== undefined) await loadFirst(discovery);
  health.setReady(store.hasSynced);

  const scraper = new Scraper(options.scrape, {
    store,
    clock,
    random: systemRandom,
    log,
    metrics: new ScrapeMetrics(registry),
  });
  const ports = await listenAll(options, { transport, healthServer, admin });
  return {
    ports,
    async run({ stop, cut }) {
      const background = new AbortController();
      const work = [scraper.run(background.signal)];
      if (discovery !== undefined) work.push(discovery.run(background.signal));
      if (certificate !== undefined && options.tls.kind === "folder" && options.tls.isFollowed) {
        const { folder } = options.tls;
        work.push(followIdentity(folder, { certificate, clock, log }, background.signal));
      }
      await aborted(stop);
      health.setReady(false);
      log.info({ openStreams: transport.openStreams }, "draining");
      await drain(transport, drainOptionsOf(options, { clock, stop }), cut);
      // Cuts off what the time was too short for.
      transport.abort();
      background.abort();
      await Promise.all(work);
      healthServer.close();
      await admin.close();
      log.info({}, "stopped");
    },
  };
}

function drainOptionsOf(
  { drainTimeoutMs: timeoutMs, drainQuietMs }: GatewayOptions,
  { clock, stop }: { clock: Clock; stop: AbortSignal },
): DrainOptions {
  // Somebody who stops it at a terminal waits, and there is no proxy to tell.
  return { timeoutMs, quietMs: stop.reason === "SIGINT" ? 0 : drainQuietMs, clock };
}

function stagesOf(
  { graph, ignoresSubset }: GatewayOptions,
  parts: { clock: Clock; store: EndpointStore; ledger: InFlightLedger; observer: RequestObserver },
): Stages {
  const { clock, store, ledger, observer } = parts;
  return {
    nowMs: () => clock.nowMs(),
    bodyIsNeeded,
    parse: parseRequest,
    endpoints: () => store.endpoints(),
    load: () => store.load(),
    schedule: createScheduler(graph, { ignoresSubset }),
    send: (endpoint, promptTokens) => ledger.open(endpoint, promptTokens),
    readUsage: (headers: HeaderValues) =>
      createUsageReader({
        contentType: headers.get("content-type"),
        contentEncoding: headers.get("content-encoding"),
      }),
    observer,
  };
}

interface Observed {
  readonly registry: Registry;
  readonly log: Logger;
  readonly store: EndpointStore;
  readonly poolName: string;
}

function observerOf({ registry, log, store, poolName }: Observed): RequestObserver {
  const requestLog = unredacted(log);
  const metrics = new RequestMetrics(registry);
  store.onChange(({ removed }) => {
    for (const endpoint of removed) metrics.forget(endpoint);
  });
  registerPoolMetrics(registry, {
    name: poolName,
    endpoints: () => store.endpoints(),
    load: () => store.load(),
  });
  const elsewhere = new Counter({
    name: "pointsman_served_elsewhere_total",
    help: "Responses that the proxy says came from another endpoint than the one picked.",
    registers: [registry],
  });
  return {
    routed: (request, decision) => metrics.routed(request, decision),
    ended: (record) => {
      metrics.ended(record);
      if (isServedElsewhere(record)) elsewhere.inc();
      logRequest(requestLog, record);
    },
    failed: (head, cause) => {
      log.error({ requestId: head.id, err: cause }, "a stage failed; this is a defect");
    },
  };
}

/** A proxy whose view of the pool differs from ours answers from a host of its own choosing. */
function isServedElsewhere({ servedBy, decision }: RequestRecord): boolean {
  if (servedBy === undefined || decision === undefined) return false;
  return decision.endpoints.every(({ hostPort }) => hostPort !== servedBy);
}

interface PageParts {
  readonly registry: Registry;
  readonly store: EndpointStore;
  readonly health: HealthService;
  readonly clock: Clock;
  readonly options: GatewayOptions;
}

function pagesOf({ registry, store, health, clock, options }: PageParts): AdminPages {
  return {
    "/metrics": async () => ({
      httpStatus: 200,
      contentType: registry.contentType,
      body: await registry.metrics(),
    }),
    "/healthz": () => textPage(200, "ok\n"),
    "/readyz": () => (health.isReady ? textPage(200, "ok\n") : textPage(503, "not ready\n")),
    "/debug/pool": () =>
      jsonPage(
        poolPageOf(
          { name: options.poolName, endpoints: store.endpoints() },
          store.load(),
          clock.nowMs(),
        ),
      ),
  };
}

async function certificateOf(
  tls: TlsOptions,
  clock: Clock,
): Promise<ServerCertificate | undefined> {
  switch (tls.kind) {
    case "cleartext":
      return undefined;
    case "self-signed":
      return new ServerCertificate(await selfSignedIdentity(clock.wallMs()));
    case "folder":
      return new ServerCertificate(await identityIn(tls.folder));
  }
}

async function loadFirst(discovery: FileDiscovery): Promise<void> {
  const load = await discovery.load();
  if (load.kind === "invalid") {
    throw new Error(`endpoints file: ${load.mistakes.join("\nendpoints file: ")}`);
  }
}

interface Listeners {
  readonly transport: GrpcTransport;
  readonly healthServer: HealthServer;
  readonly admin: AdminServer;
}

async function listenAll(
  { bindAddress, ports }: GatewayOptions,
  { transport, healthServer, admin }: Listeners,
): Promise<Gateway["ports"]> {
  try {
    return {
      health: await healthServer.listen(bindAddress, ports.health),
      metrics: await admin.listen(bindAddress, ports.metrics),
      grpc: await transport.listen(bindAddress, ports.grpc),
    };
  } catch (cause) {
    transport.abort();
    healthServer.close();
    await admin.close();
    throw cause;
  }
}
