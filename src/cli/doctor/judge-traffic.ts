import type { HitsPage } from "../../admin/hits-page.ts";
import { flagOf } from "./engine-lines.ts";
import type { Finding } from "./finding.ts";

/** Learned speed of an endpoint. */
export interface LearnedSpeed {
  readonly id: string;
  readonly tokensPerSecond: number;
}

/** Prompt tokens of a tenant's answers, of all models. */
export interface TenantTokens {
  readonly fairnessId: string;
  readonly answers: number;
  readonly promptTokens: number;
  readonly cachedTokens: number;
}

/** An endpoint below this part of the median counts as slow. */
const slowRatioMax = 0.5;
/** Endpoints whose speed must be known. */
const speedsMin = 3;

export function slowEndpoints(speeds: readonly LearnedSpeed[]): readonly Finding[] {
  if (speeds.length < speedsMin) return [];
  const usual = medianOf(speeds.map((each) => each.tokensPerSecond));
  return speeds.flatMap(({ id, tokensPerSecond }) => {
    if (tokensPerSecond >= usual * slowRatioMax) return [];
    return [
      {
        severity: "warning",
        code: "engine-slow",
        subject: id,
        what: `computes ${rateOf(tokensPerSecond)} prompt tokens/s; the median of the pool is ${rateOf(usual)}`,
        why: "it gets fewer requests, and those that it gets wait longer.",
        change:
          "compare its GPU clock, power limit, driver and flags with those of the others; if it is a smaller GPU, nothing.",
      },
    ];
  });
}

function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}

function rateOf(tokensPerSecond: number): string {
  return Math.round(tokensPerSecond).toLocaleString("en");
}

/** Answers from which the hits of a tenant say something, and tokens of a prompt that could hit. */
const answersMin = 20;
const meanPromptTokensMin = 200;
/** Shares of prompt tokens that count as no hits, and as usual hits of the others. */
const tenantHitsMax = 0.05;
const otherHitsMin = 0.25;

export function tenantsWithoutHits(tenants: readonly TenantTokens[]): readonly Finding[] {
  return tenants.flatMap((tenant) => {
    const { fairnessId, answers, promptTokens, cachedTokens } = tenant;
    if (answers < answersMin || promptTokens / answers < meanPromptTokensMin) return [];
    const others = tenants.filter((each) => each !== tenant);
    const hits = cachedTokens / promptTokens;
    const otherHits = sumOf(others, "cachedTokens") / sumOf(others, "promptTokens");
    if (hits > tenantHitsMax || !(otherHits >= otherHitsMin)) return [];
    return [
      {
        severity: "warning",
        code: "tenant-without-hits",
        subject: fairnessId,
        what: `${percentOf(hits)} of its prompt tokens were cached, in ${answers} answers; of the others' ${percentOf(otherHits)}`,
        why: "each of its prompts is computed in full, which takes time from all.",
        change:
          "the beginning of its prompts: a time, an id or a random text there changes every block; move it to the end.",
      },
    ];
  });
}

/** Engines whose counters of the prefix cache have no lookup, or no hit though prompts repeat. */
export function countersWithoutHits({
  rungs,
  endpoints,
}: Pick<HitsPage, "rungs" | "endpoints">): readonly Finding[] {
  const ofPool = rungs.find(({ name }) => name === "predicted")?.ratio ?? 0;
  return endpoints.flatMap(({ id, answers, counted, predicted }) => {
    if (counted === null || answers < answersMin) return [];
    const { lookupTokens, hitTokens } = counted;
    if (lookupTokens === 0) {
      return [
        {
          severity: "warning",
          code: "hit-counters-still",
          subject: id,
          what: `its counter of prefix cache lookups has not moved over ${answers} answers`,
          why: "it looks nothing up in its prefix cache, which may be off, or its counters stand still.",
          change: `${flagOf("prefixCaching", undefined)}; else a proxy or a cache in front of its metrics.`,
        },
      ];
    }
    const expected = predicted ?? ofPool;
    const isShort = lookupTokens / answers < meanPromptTokensMin;
    if (hitTokens > 0 || isShort || expected < otherHitsMin) return [];
    return [
      {
        severity: "warning",
        code: "no-cache-hit",
        subject: id,
        what: `its counters have no hit in ${lookupTokens.toLocaleString("en")} prompt tokens, of which ${percentOf(expected)} were expected to be cached`,
        why: "the prefix cache is off, too small, or not counted.",
        change: flagOf("prefixCaching", undefined),
      },
    ];
  });
}

function sumOf(tenants: readonly TenantTokens[], field: "cachedTokens" | "promptTokens"): number {
  return tenants.reduce((sum, tenant) => sum + tenant[field], 0);
}

function percentOf(ratio: number): string {
  return `${Math.round(ratio * 100)} %`;
}
