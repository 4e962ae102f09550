import { adminPagesOf } from "./admin-pages.ts";
import type { Build, BuildDeps } from "./build-config.ts";
import { Cluster, type ClusterOptions } from "../control-plane/cluster.ts";
import { ScrapeMetrics } from "../control-plane/signals/scrape/metrics.ts";
import type { ScrapeFlags } from "../control-plane/signals/scrape/scrape-settings.ts";
import { drain, type DrainOptions } from "../data-plane/ingress/drain.ts";
import { GrpcTransport } from "../data-plane/ingress/ext-proc/grpc-transport.ts";
import { HealthServer, type HealthService } from "../data-plane/ingress/grpc/health.ts";
import { PortListener } from "../listening/port-listener.ts";
import { streamsOf } from "../data-plane/ingress/ext-proc/stream-machine.ts";
import type { Pipeline } from "../data-plane/pipeline.ts";
import { DecisionLog } from "../data-plane/scheduling/decision-log.ts";
import { ControlPlane } from "./control-plane.ts";
import { Identities, type TlsOptions } from "../listening/identities.ts";
import { LiveConfig, LiveRouting, pluginMemory } from "./live-config.ts";
import { observerOf } from "./observer.ts";
import { createDataPlane } from "./data-plane.ts";
import { Access } from "../admin/access.ts";
import { type AdminGuard, AdminServer } from "../admin/admin-server.ts";
import { followConfigFile } from "../config/follow-file.ts";
import { createPool } from "./pool.ts";
import { Readiness, type ReadinessNeed } from "./readiness.ts";
import type { EndpointStore } from "../state/endpoint-store.ts";
import type { PoolPolicies } from "../state/pool-policies.ts";
import { aborted } from "../std/abort.ts";
import type { Clock } from "../std/clock.ts";
import { registerClusterMetrics } from "../telemetry/cluster-metrics.ts";
import { ConfigMetrics } from "../telemetry/config-metrics.ts";
import type { Logger } from "../telemetry/logger.ts";
import { MetricsRegistry } from "../telemetry/metrics-registry.ts";
import { registerPrefixMetrics } from "../telemetry/prefix-metrics.ts";
import { registerProcessMetrics } from "../telemetry/process-metrics.ts";

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
  /** What is followed of a Kubernetes cluster; undefined without one. */
  readonly cluster: ClusterOptions | undefined;
  /** Whether the API server of the cluster says who may read `/metrics` and `/debug`. */
  readonly hasMetricsAuth: boolean;
  /** Whether metrics are shown under their older names too. */
  readonly hasOlderMetricNames: boolean;
  /** Distinct fairness ids that metrics tell apart; 0 for none. */
  readonly fairnessIdsMax: number;
  /** The file that is followed for changes of the configuration; undefined for one that stays. */
  readonly configFile: string | undefined;
  /** How engines are scraped, unless the configuration says otherwise. */
  readonly scrape: ScrapeFlags;
  /** Longest time to finish open streams. */
  readonly drainTimeoutMs: number;
  /** Shortest time between saying "not ready" and refusing connections. */
  readonly drainQuietMs: number;
}

export interface GatewayDeps extends BuildDeps {
  readonly policies: PoolPolicies;
  readonly clock: Clock;
  readonly log: Logger;
  /** The configuration to begin with. */
  readonly first: Build;
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
  const parts = await assemble(options, deps);
  await parts.controlPlane.loadFirst(deps.first.controlPlane);
  const ports = await listenAll(options, parts);
  return { ports, run: (signals) => run({ ...parts, options, deps }, signals) };
}

interface Parts {
  readonly controlPlane: ControlPlane;
  readonly config: LiveConfig;
  readonly cluster: Cluster | undefined;
  readonly identities: Identities;
  readonly readiness: Readiness;
  readonly transport: GrpcTransport;
  readonly healthServer: HealthServer;
  readonly admin: AdminServer;
}

async function assemble(options: GatewayOptions, deps: GatewayDeps): Promise<Parts> {
  const { clock, log, memory } = deps;
  const registry = new MetricsRegistry();
  const pool = createPool({ clock, log, registry, memory });
  const { store } = pool;
  const readiness = new Readiness(needsOf(options.cluster));
  const decisions = new DecisionLog();
  const identities = await Identities.open(options.tls, clock);
  const { poolName, fairnessIdsMax, ignoresSubset, bodyBytesMax } = options;
  const rewriteRules = () => config.inForce.dataPlane.rewriteRules();
  const observer = observerOf({ ...deps, registry, store, poolName, fairnessIdsMax, rewriteRules });
  registerProcessMetrics(registry);
  registerPrefixMetrics(registry, memory);
  let cluster: Cluster | undefined;
  const controlPlane = new ControlPlane({
    ...pool,
    secrets: options.cluster && {
      follow: (refs, listener) => cluster?.secrets.follow(refs, listener),
    },
    clock,
    log,
    metrics: new ScrapeMetrics(registry),
    scrapeFlags: options.scrape,
    isClusterSource: options.cluster?.source !== undefined,
    onSynced: () => readiness.set("pool", true),
  });
  const routing = new LiveRouting(deps.first, { ignoresSubset, bodyBytesMax, log: decisions });
  const config = new LiveConfig(deps.first, {
    ...deps,
    startsWithStandIn: options.cluster?.configMap !== undefined,
    metrics: new ConfigMetrics(registry),
    parts: [...controlPlane.parts, routing, pluginMemory],
  });
  // Followed only once all of it runs.
  cluster = clusterOf(options, { ...deps, store, readiness, config });
  if (cluster !== undefined) registerClusterMetrics(registry, cluster.view);
  const dataPlane = createDataPlane({
    clock,
    pool,
    routing: () => routing.inForce,
    followers: [observer],
  });
  const listener = new PortListener(identities.grpc, deps);
  const transport = transportOf(options, { listener, health: readiness.health, dataPlane });
  const healthServer = new HealthServer(
    readiness.health,
    new PortListener({ kind: "cleartext" }, deps),
  );
  const pages = adminPagesOf({
    ...pool,
    ...deps,
    registry,
    config,
    decisions,
    readiness,
    cluster,
    poolName,
    hasOlderNames: options.hasOlderMetricNames,
  });
  const guard = guardOf(options, { ...deps, cluster });
  const admin = new AdminServer({ pages, guard, identity: identities.metrics }, log);
  return { controlPlane, config, cluster, identities, readiness, transport, healthServer, admin };
}

interface RunningParts extends Parts {
  readonly options: GatewayOptions;
  readonly deps: GatewayDeps;
}

async function run(
  parts: RunningParts,
  { stop, cut }: Parameters<Gateway["run"]>[0],
): Promise<void> {
  const { options, deps, controlPlane, cluster, readiness, transport, healthServer, admin } = parts;
  const { clock, log, first } = deps;
  const background = new AbortController();
  controlPlane.start(first.controlPlane);
  const followed = Promise.all([
    followFiles(parts, background.signal),
    cluster?.run(background.signal),
  ]);
  await aborted(stop);
  readiness.drain();
  cluster?.resign();
  log.info({ openStreams: transport.openStreams }, "draining");
  await drain(transport, drainOptionsOf(options, { clock, stop }), cut);
  // Cuts off what the time was too short for.
  transport.abort();
  background.abort();
  await Promise.all([followed, controlPlane.stop()]);
  healthServer.close();
  await admin.close();
  log.info({}, "stopped");
}

function needsOf(cluster: ClusterOptions | undefined): ReadinessNeed[] {
  return [
    "pool",
    ...(cluster?.configMap === undefined ? [] : ["configuration" as const]),
    ...(cluster?.election === undefined ? [] : ["leadership" as const]),
  ];
}

interface ClusterParts extends GatewayDeps {
  readonly config: LiveConfig;
  readonly store: EndpointStore;
  readonly readiness: Readiness;
}

function clusterOf(options: GatewayOptions, parts: ClusterParts): Cluster | undefined {
  if (options.cluster === undefined) return undefined;
  const { config, readiness } = parts;
  return new Cluster(options.cluster, {
    ...parts,
    onSynced: (isSynced) => readiness.set("pool", isSynced),
    onLeading: (isLeading) => readiness.set("leadership", isLeading),
    config: {
      apply: async (text, source) => {
        const kind = await config.apply(text, source);
        const { mistakes, isStandIn } = config;
        return kind === "refused" ? { kind, mistakes, hasPrevious: !isStandIn } : { kind };
      },
      refuse: (reason, source) => {
        config.refuse(reason, source);
        return { kind: "refused", mistakes: config.mistakes, hasPrevious: !config.isStandIn };
      },
      // A refused document that is read again is unchanged, and still not in force.
      onApplied: () => readiness.set("configuration", !config.isStandIn),
    },
  });
}

/** Follows the files that may change while we run. Resolves when `signal` has aborted. */
async function followFiles(
  { options, deps, config, identities }: RunningParts,
  signal: AbortSignal,
): Promise<void> {
  const { configFile } = options;
  const work: Promise<void>[] = [identities.follow(deps, signal)];
  if (configFile !== undefined) {
    const apply = (text: string, source: string) => config.apply(text, source);
    const refuse = (reason: string, source: string) => config.refuse(reason, source);
    work.push(followConfigFile(configFile, { ...deps, apply, refuse }, signal));
  }
  await Promise.all(work);
}

interface TransportParts {
  readonly listener: PortListener;
  readonly health: HealthService;
  readonly dataPlane: Pipeline;
}

function transportOf(
  { receivedBytesMax, sentBytesMax, hasHealthOnGrpcPort, bodyBytesMax }: GatewayOptions,
  { listener, health, dataPlane }: TransportParts,
): GrpcTransport {
  return new GrpcTransport(
    {
      listener,
      receivedBytesMax,
      sentBytesMax,
      health: hasHealthOnGrpcPort ? health : undefined,
    },
    streamsOf({ dataPlane, bodyBytesMax }),
  );
}

function drainOptionsOf(
  { drainTimeoutMs: timeoutMs, drainQuietMs }: GatewayOptions,
  { clock, stop }: { clock: Clock; stop: AbortSignal },
): DrainOptions {
  // Somebody who stops it at a terminal waits, and there is no proxy to tell.
  return { timeoutMs, quietMs: stop.reason === "SIGINT" ? 0 : drainQuietMs, clock };
}

function guardOf(
  { hasMetricsAuth }: GatewayOptions,
  { cluster, clock, log }: GatewayDeps & { readonly cluster: Cluster | undefined },
): AdminGuard | undefined {
  if (!hasMetricsAuth || cluster === undefined) return undefined;
  const review = (token: string, path: string) => cluster.review(token, path);
  const access = new Access({ review, clock, log });
  return (path, authorization) => access.refusal(path, authorization);
}

async function listenAll(
  { bindAddress, ports }: GatewayOptions,
  { transport, healthServer, admin }: Parts,
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
