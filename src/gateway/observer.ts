import { Counter } from "prom-client";
import { drainOf } from "../core/endpoint.ts";
import type { ActualRecord, EndedRecord } from "../core/decision-record.ts";
import type { RewriteRule } from "../core/policies.ts";
import type { RequestFollower } from "../core/request-follower.ts";
import type { FailedAttempt, RequestRecord } from "../core/request-record.ts";
import type { Clock } from "../std/clock.ts";
import { knownModelsOf } from "../telemetry/known-models.ts";
import { type Logger, unredacted } from "../telemetry/logger.ts";
import type { MetricsRegistry } from "../telemetry/metrics-registry.ts";
import { registerPoolMetrics } from "../telemetry/pool-metrics.ts";
import { prefixHitMetricsIn } from "../data-plane/scheduling/producers/prefix-index/metrics.ts";
import { logRequest } from "../telemetry/request-log.ts";
import { RequestMetrics } from "../telemetry/request-metrics.ts";
import { SkippedRules } from "../telemetry/skipped-rules.ts";
import type { Pool } from "./pool.ts";

interface Observed {
  readonly registry: MetricsRegistry;
  readonly log: Logger;
  readonly pool: Pick<Pool, "store" | "facts" | "view">;
  readonly clock: Clock;
  readonly poolName: string;
  /** Rules whose models always have their own label values. */
  readonly rewriteRules: () => readonly RewriteRule[];
  /** Distinct fairness ids that metrics distinguish. */
  readonly fairnessIdsMax: number;
  /** Where it is written down how decisions turned out, and requests without any. */
  readonly decisions: {
    ended(id: number, ended: EndedRecord): void;
    undecided(record: RequestRecord): void;
  };
}

/** Writes logs and metrics of requests. */
export function observerOf(
  observed: Observed,
): Required<
  Pick<RequestFollower, "routed" | "retried" | "hedged" | "outrun" | "failed" | "ended">
> {
  const { registry, log, pool, clock, poolName, rewriteRules, fairnessIdsMax } = observed;
  const { decisions } = observed;
  const { store } = pool;
  const requestLog = unredacted(log);
  const metrics = new RequestMetrics(registry, {
    known: knownModelsOf({ rewriteRules, isServed: (model) => pool.facts.isServed(model) }),
    nowMs: () => clock.nowMs(),
    wallMs: () => clock.wallMs(),
    log,
    isInPool: ({ id, hostPort }) => store.endpointAt(hostPort)?.id === id,
    fairnessIdsMax,
  });
  const skippedRules = new SkippedRules(registry, requestLog);
  const observeHit = prefixHitMetricsIn(registry);
  store.onChange(({ removed }) => {
    for (const endpoint of removed) metrics.forget(endpoint);
  });
  registerPoolMetrics(registry, {
    name: poolName,
    endpoints: () => store.takers(),
    draining: () => store.endpoints().filter((endpoint) => drainOf(endpoint) !== undefined),
    load: () => pool.view.load,
  });
  const counters = countersIn(registry);
  const { elsewhere, namesKept, passedOver } = counters;
  return {
    ...furtherAttempts({ metrics, decisions, ...counters }),
    routed: (request, decision) => {
      metrics.routed(request, decision);
      if (decision.prefixHit !== undefined) observeHit(decision.prefixHit);
    },
    ended: (record) => {
      metrics.ended(record);
      if (isServedElsewhere(record)) elsewhere.inc();
      if (record.keepsTargetName) namesKept.inc();
      passedOver.inc(record.failedBefore.length);
      skippedRules.ended(record);
      const { recordId, stay, refusal } = record;
      if (recordId === undefined) decisions.undecided(record);
      else decisions.ended(recordId, { ...actualOf(record), stay, refusal });
      logRequest(requestLog, record);
    },
    failed: (head, cause) => {
      log.error({ requestId: head.id, err: cause }, "request handling failed (bug)");
    },
  };
}

interface AttemptsObserved extends Pick<Observed, "decisions"> {
  readonly metrics: RequestMetrics;
  readonly retries: Counter<"status">;
  readonly hedges: Counter;
  readonly hedgesWon: Counter;
}

/** Writes down the attempts of a request after its first one. */
function furtherAttempts(observed: AttemptsObserved) {
  const { metrics, decisions, retries, hedges, hedgesWon } = observed;
  return {
    hedged: () => hedges.inc(),
    outrun: (lost, kept, failed) => {
      // The later of the two is the hedge.
      if ((kept.recordId ?? 0) > (lost.recordId ?? 0)) hedgesWon.inc();
      metrics.retried(lost, kept);
      if (lost.recordId === undefined) return;
      decisions.ended(lost.recordId, failed === undefined ? outrunActual : failedActual(failed));
    },
    retried: (failed, next) => {
      const { decision, httpStatus } = failed;
      metrics.retried(decision, next);
      retries.inc({ status: String(httpStatus ?? 0) });
      if (decision.recordId !== undefined) decisions.ended(decision.recordId, failedActual(failed));
    },
  } satisfies Pick<RequestFollower, "retried" | "hedged" | "outrun">;
}

function countersIn(registry: MetricsRegistry) {
  const registers = [registry];
  return {
    elsewhere: new Counter({
      name: "pointsman_served_elsewhere_total",
      help: "Responses that the proxy reports from an endpoint outside the decision's list.",
      registers,
    }),
    namesKept: new Counter({
      name: "pointsman_model_names_kept_total",
      help: "Responses that kept the engine's name of a rewritten model because they were compressed.",
      registers,
    }),
    passedOver: new Counter({
      name: "pointsman_endpoints_passed_over_total",
      help: "Endpoints that were tried, without success, before the one that served.",
      registers,
    }),
    retries: new Counter({
      name: "pointsman_retries_total",
      help: "Requests that the HTTP gateway sent again to another endpoint, by the status that stands for the failure.",
      labelNames: ["status"],
      registers,
    }),
    hedges: new Counter({
      name: "pointsman_hedges_total",
      help: "Requests that the HTTP gateway sent to a second endpoint because the first one had not begun its answer.",
      registers,
    }),
    hedgesWon: new Counter({
      name: "pointsman_hedges_won_total",
      help: "Requests of which the second endpoint began its answer first, or the first one failed.",
      registers,
    }),
  };
}

/** The turn of events at an endpoint whose attempt was given up. */
const outrunActual: ActualRecord = {
  ttftMs: undefined,
  tpotMs: undefined,
  cachedTokens: undefined,
  promptTokens: undefined,
  servedBy: undefined,
  end: "aborted",
  attempt: "outrun",
};

/** The turn of events at an endpoint that failed before another one served. */
function failedActual({ httpStatus, hasAnswered }: FailedAttempt): ActualRecord {
  const end = hasAnswered ? "complete" : "aborted";
  return { ...outrunActual, httpStatus, end, attempt: "failed" };
}

/**
 * True if a proxy chose a host by itself, because its view of the pool differs from ours. A retry
 * within the decision's list does not count.
 */
function isServedElsewhere({ servedBy, decision }: RequestRecord): boolean {
  if (servedBy === undefined || decision === undefined) return false;
  return decision.targets.every(({ hostPort }) => hostPort !== servedBy);
}

/** The turn of events after a decision. First tokens of answers that do not stream come with their ends. */
function actualOf(record: RequestRecord): ActualRecord {
  const { request, usage, decidedMs, firstTokenMs, lastChunkMs, servedBy } = record;
  const { end, endedBy, failure } = record;
  const isStreaming = request?.isStreaming === true && firstTokenMs !== undefined;
  const steps = (usage?.outputTokens ?? 0) - 1;
  return {
    ttftMs: isStreaming && decidedMs !== undefined ? firstTokenMs - decidedMs : undefined,
    tpotMs:
      isStreaming && steps > 0 && lastChunkMs !== undefined
        ? (lastChunkMs - firstTokenMs) / steps
        : undefined,
    cachedTokens: usage?.cachedTokens,
    promptTokens: usage?.promptTokens,
    servedBy,
    end,
    endedBy,
    failure: failure?.code,
  };
}
