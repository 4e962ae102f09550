import type { Cluster } from "../control-plane/cluster.ts";
import type { FlowControl } from "../data-plane/admission/flow/flow-control.ts";
import { queuesPageOf } from "../data-plane/admission/flow/page.ts";
import type { DecisionLog } from "../data-plane/scheduling/decision-log.ts";
import { Explainer } from "./explainer.ts";
import type { LiveConfig, LiveRouting } from "./live-config.ts";
import { type AdminServerOptions, jsonPage, textPage } from "../admin/admin-server.ts";
import { decisionsPage } from "../admin/decisions-page.ts";
import { metricsPage } from "../admin/metrics-page.ts";
import { decisionLinesMax, livePageOf } from "../admin/live-page.ts";
import { poolPageOf, type ShownPool } from "../admin/pool-page.ts";
import { uiPages } from "../admin/ui-pages.ts";
import { recentDecisionsOf } from "../data-plane/scheduling/recent-decisions.ts";
import { latencyModelMemory } from "../data-plane/scheduling/producers/latency/latency-model.ts";
import type { Endpoint } from "../core/endpoint.ts";
import type { PluginMemory } from "../state/plugin-memory.ts";
import type { Identities } from "../listening/identities.ts";
import type { Readiness } from "./readiness.ts";
import { refusalDetail } from "../state/address-claims.ts";
import type { EndpointStore } from "../state/endpoint-store.ts";
import type { EngineFacts } from "../state/engine-facts.ts";
import type { RunningView } from "../state/running-view.ts";
import type { RefusedSpec } from "../state/membership.ts";
import { scrapesOf } from "../state/scrape-counts.ts";
import type { EndpointHealth } from "../state/health/endpoint-health.ts";
import type { ReadingStates } from "../state/reading-states.ts";
import type { Clock } from "../std/clock.ts";
import type { RepeatableRandom } from "../std/random.ts";
import type { PoolSnapshot } from "../core/pool-snapshot.ts";
import { openMetricsType, prefersOpenMetrics } from "../telemetry/open-metrics.ts";
import type { MetricsRegistry } from "../telemetry/metrics-registry.ts";

export interface AdminPageParts {
  readonly registry: MetricsRegistry;
  /** True if metrics are also exposed under their older names. */
  readonly hasOlderNames: boolean;
  readonly config: LiveConfig;
  readonly decisions: DecisionLog;
  readonly routing: LiveRouting;
  /** The source of the plugins' random numbers; undefined if it cannot be set back. */
  readonly chance?: RepeatableRandom | undefined;
  readonly snapshot: (nowMs: number) => PoolSnapshot;
  /** The queue in force; undefined while flow control is off. */
  readonly flow: () => FlowControl | undefined;
  readonly store: EndpointStore;
  readonly facts: EngineFacts;
  readonly memory: PluginMemory;
  readonly view: RunningView;
  readonly health: EndpointHealth;
  readonly readings: ReadingStates;
  readonly readiness: Readiness;
  readonly cluster: Cluster | undefined;
  readonly clock: Clock;
  readonly poolName: string;
  readonly identities: Pick<Identities, "lives">;
}

/** Pages of the admin port for a gateway, and those that answer to a body. */
export function adminPagesOf(
  parts: AdminPageParts,
): Required<Pick<AdminServerOptions, "pages" | "posts">> {
  const { decisions, routing, snapshot, clock, chance } = parts;
  const inForce = () => routing.inForce;
  const explainer = new Explainer({ decisions, routing: inForce, snapshot, clock, chance });
  return { pages: { ...pagesOf(parts), ...explainer.pages }, posts: explainer.posts };
}

function pagesOf(parts: AdminPageParts): AdminServerOptions["pages"] {
  const { registry, clock, config, decisions, readiness, cluster, hasOlderNames } = parts;
  const queues = () => queuesPageOf(parts.flow(), clock.nowMs());
  const pool = () => shownPoolOf(parts);
  return {
    "/metrics": (_, { accept }) =>
      metricsPage(registry, {
        hasOlderNames,
        openMetricsType: prefersOpenMetrics(accept) ? openMetricsType : undefined,
      }),
    "/healthz": () => textPage(200, "ok\n"),
    "/readyz": () =>
      readiness.isReady
        ? textPage(200, "ok\n")
        : textPage(503, `not ready: ${reasonsOf(readiness, cluster).join("; ")}\n`),
    ...uiPages(),
    "/debug/config": () => jsonPage(config.page()),
    "/debug/decisions": (query) => decisionsPage(query, decisions, clock),
    "/debug/queues": () => jsonPage(queues()),
    "/debug/pool": () => jsonPage(poolPageOf(pool())),
    "/debug/live": livePageOf({
      clock,
      pool,
      queues,
      decisions: () => recentDecisionsOf(decisions.kept(), decisionLinesMax),
      config: () => config.glance(),
      certificates: () => parts.identities.lives(),
      speedOf: (endpoint) => speedOf(parts.memory, endpoint),
    }),
  };
}

function shownPoolOf(parts: AdminPageParts): ShownPool {
  const { store, facts, view, health, clock, readiness, cluster } = parts;
  return {
    name: parts.poolName,
    notReady: reasonsOf(readiness, cluster),
    source: cluster?.sourceStatus,
    endpoints: store.endpoints(),
    takers: store.takers(),
    leftOut: store.refused.all.map(leftOutOf),
    load: view.load,
    nowMs: clock.nowMs(),
    engineOf: (endpoint) => facts.engineOf(endpoint),
    readingOf: (endpoint) => parts.readings.stateOf(endpoint),
    scrapesOf: (endpoint) => scrapesOf(store.board, endpoint),
    healthOf: (endpoint) => health.stateOf(endpoint),
  };
}

/** Speed of an endpoint's prefill, by the first latency model in force. */
function speedOf(memory: PluginMemory, { slot }: Endpoint) {
  for (const { memory: model } of memory.ofKind(latencyModelMemory)) {
    const { rates } = model;
    const tokensPerSecond = rates.tokensPerMs(slot) * 1_000;
    return { tokensPerSecond, isLearned: rates.isLearned(slot) };
  }
  return undefined;
}

function leftOutOf(refused: RefusedSpec) {
  const { namespace, name } = refused.spec;
  return { namespace, name, reason: refused.reason, detail: refusalDetail(refused) };
}

function reasonsOf(readiness: Readiness, cluster: Cluster | undefined): readonly string[] {
  const { source, problem } = cluster?.sourceStatus ?? {};
  const election = cluster?.electionProblem;
  return [
    ...readiness.reasons,
    ...(problem === undefined ? [] : [`${source}: ${problem}`]),
    ...(election === undefined ? [] : [`election: ${election}`]),
  ];
}
