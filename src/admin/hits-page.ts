import {
  type AnsweredHits,
  type CountedHits,
  type HitGroup,
  type HitLadder,
  type HitReport,
  hitRungs,
} from "../core/hit-ladder.ts";
import { type HitFinding, hitFindingsOf } from "./hit-findings.ts";

/** Groups and endpoints on the page; the rest are counted. */
const groupsShownMax = 20;
const endpointsShownMax = 100;

/** Meaning of each rung, for people. */
const meanings = {
  ceiling: "an earlier prompt of the last hour began alike",
  capacity: "one cache of the size of all caches together",
  reachable: "each prefix at one endpoint, or at as many as its load needs",
  predicted: "expected at the endpoint that was picked",
  delivered: "reported as cached by engines, in answers",
} as const satisfies Record<(typeof hitRungs)[number], string>;

/** Meaning of the last rung if no answer reports cached tokens. */
const countedMeaning = "hits by the engines' own counters: no answer reports any";

/** The page `/debug/hits`. */
export type HitsPage = ReturnType<typeof hitsPageOf>;

/** The hit-rate ladder with the reason of each gap. Unknown numbers are null. */
export function hitsPageOf(report: HitReport) {
  const { total, sample, cache, groups, endpoints, steps } = report;
  const findings: readonly HitFinding[] = hitFindingsOf(report);
  return {
    watchedMs: report.watchedMs,
    windowMs: report.windowMs,
    ...ladderPageOf(total, report.deliveredBy),
    counted: { endpoints: report.counted.endpoints, ...countedPageOf(report.counted) },
    deliveredBy: report.deliveredBy ?? null,
    findings,
    cache: { ...cache, tokens: cache.tokens ?? null, steps },
    groupCount: groups.length,
    groups: groups.slice(0, groupsShownMax).map((group) => groupPageOf(group)),
    endpointCount: endpoints.length,
    endpoints: endpoints
      .toSorted((a, b) => lossOf(b) - lossOf(a))
      .slice(0, endpointsShownMax)
      .map((endpoint) => endpointPageOf(endpoint)),
    sample,
    otherBlockSize: report.otherBlockSize,
    splitAnswers: report.splitAnswers,
  };
}

function groupPageOf(group: HitGroup) {
  const { model, tenant, isOthers, starts } = group;
  return { model, tenant, isOthers, starts, ...ladderPageOf(group) };
}

function endpointPageOf(endpoint: HitReport["endpoints"][number]) {
  const { counted } = endpoint;
  return {
    id: endpoint.id,
    ...answersPageOf(endpoint),
    counted: counted === undefined ? null : countedPageOf(counted),
  };
}

function countedPageOf({ lookupTokens, hitTokens, ratio }: CountedHits) {
  return { lookupTokens, hitTokens, ratio: ratio ?? null };
}

function ladderPageOf(
  { requests, promptTokens, rungs, answers }: HitLadder,
  deliveredBy?: HitReport["deliveredBy"],
) {
  return {
    requests,
    promptTokens,
    rungs: hitRungs.map((name) => ({
      name,
      ratio: rungs[name] ?? null,
      meaning: name === "delivered" && deliveredBy === "engines" ? countedMeaning : meanings[name],
    })),
    answers: answersPageOf(answers),
  };
}

function answersPageOf({ answers, reporting, predicted, delivered }: AnsweredHits) {
  return { answers, reporting, predicted: predicted ?? null, delivered: delivered ?? null };
}

/** The part of the prediction that an endpoint did not deliver. */
function lossOf({ predicted = 0, delivered = 0 }: AnsweredHits): number {
  return predicted - delivered;
}
