import { adminPagesOf } from "./admin-pages.ts";
import type { Build, BuildDeps } from "./build-config.ts";
import type { ClusterOptions } from "../control-plane/cluster.ts";
import { ScrapeMetrics } from "../control-plane/signals/scrape/metrics.ts";
import { drain, type DrainOptions } from "../data-plane/ingress/drain.ts";
import type { RoutingOptions } from "../data-plane/routing.ts";
import { DecisionLog } from "../data-plane/scheduling/decision-log.ts";
import { ControlPlane, type ControlPlaneOptions } from "./control-plane.ts";
import { Identities, type TlsOptions } from "../listening/identities.ts";
import { LiveConfig, LiveRouting, pluginMemory } from "./live-config.ts";
import { observerOf } from "./observer.ts";
import { createDataPlane } from "./data-plane.ts";
import { Access } from "../admin/access.ts";
import { type AdminGuard, AdminServer, type AdminServerOptions } from "../admin/admin-server.ts";
import { askingForToken } from "../admin/ui-pages.ts";
import { KnownHosts } from "../listening/known-hosts.ts";
import { followConfigFile } from "../config/follow-file.ts";
import { createPool } from "./pool.ts";
import { registerMetrics } from "./register-metrics.ts";
import { LiveFlow } from "./live-flow.ts";
import type { RecordingOptions } from "./recording.ts";
import { ShadowMemories } from "./shadow-memories.ts";
import { shadowOf } from "./shadow-of.ts";
import { type Studies, studiesOf } from "./studies.ts";
import { Readiness, type ReadinessNeed } from "./readiness.ts";
import type { Reconfigurable } from "./reconfigurable.ts";
import type { PoolPolicies } from "../state/pool-policies.ts";
import { aborted } from "../std/abort.ts";
import type { Clock } from "../std/clock.ts";
import type { RepeatableRandom } from "../std/random.ts";
import { ConfigMetrics } from "./config-metrics.ts";
import type { extProcFront, ExtProcOptions } from "./ext-proc-front.ts";
import type { Finding, Front, GatewayPorts } from "./front.ts";
import type { httpFront, HttpOptions } from "./http-front.ts";
import type { Logger } from "../telemetry/logger.ts";
import { MetricsRegistry } from "../telemetry/metrics-registry.ts";
import type { TracingSettings } from "../telemetry/traces/otel-environment.ts";
import { type Tracing, tracingOf } from "./tracing.ts";

export interface GatewayOptions {
  /** IP address that every listener binds. */
  readonly bindAddress: string;
  readonly tls: TlsOptions;
  /** The way in which requests arrive. */
  readonly front: ExtProcOptions | HttpOptions;
  readonly admin: AdminOptions;
  readonly requests: Omit<RoutingOptions, "log" | "nowMs">;
  readonly metrics: RequestMetricsOptions;
  readonly controlPlane: ControlPlaneOptions;
  /** The configuration file, followed for changes; undefined to follow none. */
  readonly configFile: string | undefined;
  /** The file of the shadow document; undefined to compare with none. */
  readonly shadowFile?: string | undefined;
  readonly drain: Pick<DrainOptions, "timeoutMs" | "quietMs">;
  /** The recording of requests; undefined to record none. */
  readonly recording?: RecordingOptions | undefined;
  /** Undefined to trace no requests. */
  readonly tracing?: TracingSettings | undefined;
}

/** The port of `/metrics`, `/healthz`, `/readyz` and `/debug`. */
interface AdminOptions {
  readonly port: number;
  /** True if the cluster's API server authorizes readers of `/metrics` and `/debug`. */
  readonly hasAuth: boolean;
  /** True if metrics are also exposed under their older names. */
  readonly hasOlderMetricNames: boolean;
  /** Hosts by which clients may address it, besides those of this machine; undefined for any. */
  readonly allowedHosts?: readonly string[] | undefined;
}

interface RequestMetricsOptions {
  /** The pool's name in metrics. */
  readonly poolName: string;
  /** Distinct fairness ids that metrics distinguish; 0 for none. */
  readonly fairnessIdsMax: number;
}

export interface GatewayDeps extends BuildDeps {
  readonly policies: PoolPolicies;
  /** The source of `random`, if its numbers can be drawn again. */
  readonly chance?: RepeatableRandom | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  /** The initial configuration. */
  readonly first: Build;
}

/** A gateway that listens. */
export interface Gateway {
  readonly ports: GatewayPorts;
  /** Asks all endpoints what they serve; empty unless requests come in over HTTP. */
  findings(): Promise<readonly Finding[]>;
  /**
   * Serves until `stop` aborts, then drains: readiness fails at once, new streams are accepted
   * until proxies have noticed, open ones finish. `cut` ends the drain early. Resolves when
   * everything it started has stopped.
   */
  run(signals: { readonly stop: AbortSignal; readonly cut: AbortSignal }): Promise<void>;
}

/** Builds and binds everything; rejects with one readable error, with nothing left open. */
export async function startGateway(options: GatewayOptions, deps: GatewayDeps): Promise<Gateway> {
  const parts = await assemble(options, deps);
  await parts.controlPlane.loadFirst(deps.first.controlPlane);
  const ports = await listenAll(options, parts);
  const findings = async () => (await parts.front.findings?.()) ?? [];
  return { ports, findings, run: (signals) => run({ ...parts, options, deps }, signals) };
}

interface Parts {
  readonly controlPlane: ControlPlane;
  readonly config: LiveConfig;
  readonly identities: Identities;
  readonly readiness: Readiness;
  readonly flow: LiveFlow;
  readonly front: Front;
  readonly admin: AdminServer;
  readonly studies: Studies;
  readonly tracing: Tracing;
}

async function assemble(options: GatewayOptions, deps: GatewayDeps): Promise<Parts> {
  const { clock, log } = deps;
  const registry = new MetricsRegistry();
  const memories = new ShadowMemories(deps.memory);
  const pool = createPool({ clock, log, registry, memory: memories });
  const readiness = new Readiness(needsOf(options.controlPlane.cluster));
  const decisions = new DecisionLog({ chance: deps.chance });
  const identities = await Identities.open(options.tls, clock);
  const rewriteRules = () => config.inForce.dataPlane.rewriteRules();
  const observed = { ...deps, ...options.metrics, registry, pool, rewriteRules, decisions };
  const controlPlane = new ControlPlane(options.controlPlane, {
    ...deps,
    pool,
    readiness,
    metrics: new ScrapeMetrics(registry),
    config: () => config,
  });
  const flow = new LiveFlow(deps.first, { ...deps, ...options.metrics, pool, registry });
  const inForce = () => config.inForce;
  const shadow = await shadowOf(options, { ...deps, ...observed, memories, config: () => config });
  const studies = await studiesOf(options, { ...deps, registry, pool, inForce }, shadow);
  const tracing = await tracingOf(options.tracing, { clock, registry, log });
  const common = { ...deps, registry, controlPlane, decisions, flow, studies };
  const live = { ...common, second: shadow?.arms, front: () => front };
  const { routing, config } = liveOf(options, live);
  const { cluster } = controlPlane;
  registerMetrics(registry, { ...deps, pool, cluster });
  const dataPlane = createDataPlane({
    clock,
    pool,
    routing: () => routing.inForce,
    followers: [observerOf(observed), flow.follower, ...studies.followers],
    tracer: tracing.tracer,
  });
  const front = await frontOf(options.front, {
    ...deps,
    identities,
    readiness,
    dataPlane,
    bodyRules: () => routing.inForce.bodyRules,
    hasSampler: tracing.tracer !== undefined,
    pool,
    registry,
  });
  const pages = adminPagesOf({
    ...pool,
    ...common,
    identities,
    config,
    routing,
    flow: flow.inForce,
    readiness,
    cluster,
    poolName: options.metrics.poolName,
    hasOlderNames: options.admin.hasOlderMetricNames,
  });
  const admin = adminOf(options.admin, { ...deps, ...pages, studies, cluster, identities });
  return { controlPlane, config, identities, readiness, flow, front, admin, studies, tracing };
}

interface LiveParts extends GatewayDeps, Pick<Parts, "controlPlane" | "flow" | "studies"> {
  readonly registry: MetricsRegistry;
  readonly decisions: DecisionLog;
  readonly second: RoutingOptions["second"];
  readonly front: () => Front;
}

/** The configuration in force, and the routing by it. */
function liveOf(
  { requests, controlPlane: { cluster } }: GatewayOptions,
  parts: LiveParts,
): { readonly routing: LiveRouting; readonly config: LiveConfig } {
  const { first, clock, registry, controlPlane, decisions, flow, studies, front } = parts;
  const routing = new LiveRouting(first, {
    ...requests,
    flow: flow.inForce,
    log: decisions,
    studies: studies.studies,
    second: parts.second,
    nowMs: () => clock.nowMs(),
  });
  const changing = [...controlPlane.parts, flow, routing, ...studies.parts, toldFront(front)];
  const config = new LiveConfig(first, {
    ...parts,
    startsWithStandIn: cluster?.configMap !== undefined,
    metrics: new ConfigMetrics(registry),
    parts: [...changing, pluginMemory],
  });
  return { routing, config };
}

function adminOf(
  options: AdminOptions,
  deps: GatewayDeps &
    Pick<ControlPlane, "cluster"> &
    Pick<AdminServerOptions, "pages" | "posts"> &
    Pick<Parts, "identities" | "studies">,
): AdminServer {
  const { posts, identities, log } = deps;
  const pages = { ...deps.pages, ...deps.studies.pages };
  const { allowedHosts } = options;
  const hosts = allowedHosts === undefined ? undefined : new KnownHosts(allowedHosts);
  const tokens = guardOf(options, deps);
  const guard = tokens && askingForToken(tokens);
  return new AdminServer({ pages, posts, guard, hosts, identity: identities.metrics }, log);
}

/** Tells the front that another routing is in force. */
function toldFront(front: () => Front): Reconfigurable<Build> {
  return {
    name: "front",
    prepare: () => ({ kind: "ready", commit: () => front().reconfigured?.() }),
  };
}

/** Metrics of the memories of plugins. */
interface RunningParts extends Parts {
  readonly options: GatewayOptions;
  readonly deps: GatewayDeps;
}

async function run(
  parts: RunningParts,
  { stop, cut }: Parameters<Gateway["run"]>[0],
): Promise<void> {
  const { options, deps, controlPlane, readiness, flow, front, admin, studies } = parts;
  const { ingress } = front;
  const { clock, log, first } = deps;
  const background = new AbortController();
  const followed = Promise.all([
    followFiles(parts, background.signal),
    controlPlane.run(first.controlPlane, background.signal),
  ]);
  await aborted(stop);
  readiness.drain();
  flow.drain();
  controlPlane.resign();
  log.info({ openStreams: ingress.openRequests }, "draining");
  const refuseWaiting = () => flow.stop();
  await drain([ingress], { ...drainOptionsOf(options, { clock, stop }), refuseWaiting }, cut);
  // Resets streams that did not finish in time.
  ingress.abort();
  background.abort();
  await followed;
  front.close();
  await Promise.all([studies.close(), parts.tracing.close()]);
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

/** Follows the files that may change while the process runs. Resolves when `signal` has aborted. */
async function followFiles(
  { options, deps, config, identities, front, studies }: RunningParts,
  signal: AbortSignal,
): Promise<void> {
  const { configFile } = options;
  const work: Promise<void>[] = [identities.follow(deps, signal), studies.follow(signal)];
  if (front.follow !== undefined) work.push(front.follow(signal));
  if (configFile !== undefined) {
    const apply = (text: string, source: string) => config.apply(text, source);
    const refuse = (reason: string, source: string) => config.refuse(reason, source);
    work.push(followConfigFile(configFile, { ...deps, apply, refuse }, signal));
  }
  await Promise.all(work);
}

/** Loads only the front that runs: that of Envoy needs gRPC. */
async function frontOf(
  options: GatewayOptions["front"],
  deps: Parameters<typeof extProcFront>[1] & Parameters<typeof httpFront>[1],
): Promise<Front> {
  if (options.kind === "http") {
    const { httpFront: create } = await import("./http-front.ts");
    return create(options, deps);
  }
  const { extProcFront: create } = await import("./ext-proc-front.ts");
  return create(options, deps);
}

function drainOptionsOf(
  { drain: { timeoutMs, quietMs } }: GatewayOptions,
  { clock, stop }: { clock: Clock; stop: AbortSignal },
): DrainOptions {
  // At a terminal a person is waiting, and there is no proxy to notify.
  return { timeoutMs, quietMs: stop.reason === "SIGINT" ? 0 : quietMs, clock };
}

function guardOf(
  { hasAuth }: AdminOptions,
  { cluster, clock, log }: GatewayDeps & Pick<ControlPlane, "cluster">,
): AdminGuard | undefined {
  if (!hasAuth || cluster === undefined) return undefined;
  const review = (token: string, path: string) => cluster.review(token, path);
  const access = new Access({ review, clock, log });
  return (path, authorization) => access.refusal(path, authorization);
}

async function listenAll(
  { bindAddress, admin: { port } }: GatewayOptions,
  { front, admin }: Parts,
): Promise<GatewayPorts> {
  try {
    const metrics = await admin.listen(bindAddress, port);
    return { ...(await front.listen(bindAddress)), metrics };
  } catch (cause) {
    front.ingress.abort();
    front.close();
    await admin.close();
    throw cause;
  }
}
