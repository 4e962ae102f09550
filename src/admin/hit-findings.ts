import { defaultFairnessId } from "../core/fairness-id.ts";
import type { AnsweredHits, HitGroup, HitReport } from "../core/hit-ladder.ts";
import { firstFew } from "../std/first-few.ts";
import { percentText, spanText } from "./number-texts.ts";

/** Difference of two rungs that is worth a sentence. */
const gapMin = 0.03;

/** Loss by routing from which on it is a problem: load that is spread always costs some hits. */
const routingProblemMin = 0.06;

/** Requests, pairs of prompts and answers below which nothing is concluded. */
const requestsMin = 20;
const pairsMin = 10;
const answersMin = 10;

/** Share of the compared pairs from which on prompts count as alike but for a part. */
const alikeMin = 0.25;

/** Share of the prediction below which an endpoint delivers too little. */
const deliveredMin = 0.5;

/** Tokens of prompts in the mean below which rounding to blocks decides about hits. */
const meanTokensMin = 128;

/** Share of the prompt tokens by which engines deliver more than was predicted, if that is worth a sentence. */
const surplusMin = 0.1;

/** Difference between what answers report and what engines count, if that is worth a sentence. */
const differenceMin = 0.1;

/** Tokens that engines look up, in times of those that the picker sent, from which on others send to them too. */
const othersTrafficMin = 1.25;

/** One gap of the ladder: what it is, and what to do about it. */
export interface HitFinding {
  readonly gap: "traffic" | "capacity" | "copies" | "routing" | "engines";
  /** Share of the prompt tokens that it costs; null if that is not known. */
  readonly ratio: number | null;
  /** True if something can be done about it. */
  readonly isProblem: boolean;
  readonly text: string;
  readonly remedy: string;
}

/** The gaps of a ladder from its top on, those of them that matter. */
export function hitFindingsOf(report: HitReport): readonly HitFinding[] {
  if (report.total.requests < requestsMin) return [];
  return [
    trafficGap(report),
    ...startsThatChange(report.groups),
    capacityGap(report),
    copiesGap(report),
    routingGap(report),
    ...enginesGaps(report),
  ].filter((finding) => finding !== undefined);
}

function trafficGap({ total, watchedMs, windowMs }: HitReport): HitFinding | undefined {
  const ratio = 1 - (total.rungs.ceiling ?? 0);
  if (ratio < gapMin) return undefined;
  const isYoung = watchedMs < windowMs / 4;
  const since = isYoung ? `the ${spanText(watchedMs)} since the first request` : "the last hour";
  return {
    gap: "traffic",
    ratio,
    isProblem: false,
    text: `${percentText(ratio)} of prompt tokens begin with nothing that an earlier prompt of ${since} began with: no cache can have them.`,
    remedy: isYoung
      ? "Look again later: the picker does not know the prompts before its start."
      : "Put what prompts share at their beginning: instructions and documents first, then what differs.",
  };
}

function startsThatChange(groups: readonly HitGroup[]): readonly HitFinding[] {
  return groups
    .filter(
      ({ starts, isOthers }) =>
        !isOthers && starts.pairs >= pairsMin && starts.alike >= alikeMin * starts.pairs,
    )
    .map(({ starts, model, tenant }) => ({
      gap: "traffic",
      ratio: null,
      isProblem: true,
      text:
        `Prompts ${groupText(model, tenant)} repeat ${percentText(starts.lostRatio)} of their text behind a part that changes, ` +
        `from about token ${Math.round(starts.differFromTokens)} on, such as a time or an id: ${starts.alike} of ${starts.pairs} pairs that were compared.`,
      remedy: "Move the part that changes to the end of the prompt, or leave it out.",
    }));
}

/** The model and the tenant of a group, as part of a sentence. */
function groupText(model: string, tenant: string): string {
  const ofTenant = tenant === defaultFairnessId ? "" : ` of tenant ${JSON.stringify(tenant)}`;
  return `for model ${JSON.stringify(model)}${ofTenant}`;
}

function capacityGap({ total, cache, steps }: HitReport): HitFinding | undefined {
  const { ceiling, capacity } = total.rungs;
  if (ceiling === undefined) return undefined;
  if (capacity === undefined) {
    return {
      gap: "capacity",
      ratio: null,
      isProblem: true,
      text: "No endpoint reports the size of its KV cache, so that the effect of its size is not known.",
      remedy:
        "pointsman status lists endpoints without metrics; vLLM reports it as vllm:cache_config_info.",
    };
  }
  const ratio = ceiling - capacity;
  if (ratio < gapMin) return undefined;
  const larger = steps
    .filter(({ factor }) => factor === 2 || factor === 4)
    .map((step) => ` ${step.factor} times the size gives ${percentText(step.ratio)}.`);
  return {
    gap: "capacity",
    ratio,
    isProblem: true,
    text:
      `The caches are too small for ${percentText(ratio)} of prompt tokens: ${cache.endpoints} endpoints hold ` +
      `${tokensText(cache.tokens ?? 0)} together.${larger.join("")}`,
    remedy:
      "Give engines more memory for KV (--gpu-memory-utilization, an fp8 KV cache, offloading to the host), or add endpoints.",
  };
}

function copiesGap({ total: { rungs } }: HitReport): HitFinding | undefined {
  const { capacity, reachable } = rungs;
  if (capacity === undefined || reachable === undefined) return undefined;
  const ratio = capacity - reachable;
  if (ratio < gapMin) return undefined;
  return {
    gap: "copies",
    ratio,
    isProblem: false,
    text: `${percentText(ratio)} of prompt tokens are lost to prefixes that one endpoint cannot serve alone: their copies take memory, and are computed once on each endpoint.`,
    remedy: "Fewer and larger endpoints, or more memory for KV. Routing cannot change it.",
  };
}

function routingGap(report: HitReport): HitFinding | undefined {
  const { total, looksForPrefixes } = report;
  const { ceiling, reachable = ceiling, predicted } = total.rungs;
  if (reachable === undefined) return undefined;
  if (!looksForPrefixes || predicted === undefined) {
    return {
      gap: "routing",
      ratio: null,
      isProblem: true,
      text: `The configuration looks for no prefixes, so that requests meet their prefix by chance; ${percentText(reachable)} of prompt tokens could be cached.`,
      remedy: "Use the default policy, or add prefix-cache-scorer to the profile.",
    };
  }
  const ratio = reachable - predicted;
  if (ratio < gapMin) return undefined;
  return {
    gap: "routing",
    ratio,
    isProblem: ratio >= routingProblemMin,
    text: `Requests were sent to endpoints that held ${percentText(ratio)} of prompt tokens less than others could have held.`,
    remedy:
      "Raise the weight of the prefix scorer, or use the default policy; run fewer replicas of the picker, each of which knows its own requests alone. Filters, ejections and load that has to be spread cost hits too: pointsman explain shows a request.",
  };
}

function enginesGaps(report: HitReport): readonly HitFinding[] {
  const { total, endpoints } = report;
  const { answers, reporting, predicted = 0, delivered = 0 } = total.answers;
  if (answers < answersMin) return [];
  if (reporting === 0) return [unreported(answers, report), ...countedTooFew(report)];
  const differing = countsThatDiffer(report);
  const poor = endpoints.filter((each) => isPoor(each));
  const ratio = predicted - delivered;
  if (poor.length > 0)
    return [poorEndpoints(poor, { ratio, isAll: poor.length === endpoints.length }), ...differing];
  // Without a plugin that looks for prefixes, nothing was predicted.
  if (-ratio < surplusMin || !report.looksForPrefixes) return differing;
  return [
    ...differing,
    {
      gap: "engines",
      ratio,
      isProblem: false,
      text: `Engines deliver ${percentText(delivered)} where ${percentText(predicted)} were predicted: they hold more than this picker knows.`,
      remedy:
        "Other pickers may send to them, answers may come back within prompts, or engines keep blocks outside of the KV cache.",
    },
  ];
}

function isPoor({ reporting, promptTokens, predicted = 0, delivered = 0 }: AnsweredHits): boolean {
  if (reporting < answersMin || promptTokens / reporting < meanTokensMin) return false;
  return delivered < deliveredMin * predicted && predicted - delivered >= gapMin;
}

/** Part of the looked-up tokens whose answers must have ended to compare them with the counters. */
const answeredMin = 0.8;

/** Answers report other hits than the counters of engines have. */
function countsThatDiffer({ total, counted }: HitReport): readonly HitFinding[] {
  const { delivered, promptTokens } = total.answers;
  const { ratio, lookupTokens } = counted;
  // The counters of a few engines say nothing about the answers of all.
  if (delivered === undefined || ratio === undefined || lookupTokens < promptTokens / 2) return [];
  if (Math.abs(ratio - delivered) < differenceMin) return [];
  const isShared = lookupTokens > total.promptTokens * othersTrafficMin;
  // Engines count a prompt before its answer ends: long answers are still missing.
  if (!isShared && promptTokens < lookupTokens * answeredMin) return [];
  return [
    {
      gap: "engines",
      ratio: null,
      isProblem: true,
      text: `Engines count ${percentText(ratio)} of the prompt tokens that they look up as hits, and answers report ${percentText(delivered)} as cached.`,
      remedy: isShared
        ? `The engines have looked up ${tokensText(lookupTokens)}, and this picker has sent ${tokensText(total.promptTokens)}: other pickers or clients send to them too.`
        : "Compare the counters of one engine before and after a request with the cached_tokens of its answer: a proxy or a version of the engine may change or leave out usage.",
    },
  ];
}

/** No answer reports hits, and the counters of engines have less than half of what was predicted. */
function countedTooFew({ total, counted }: HitReport): readonly HitFinding[] {
  const { predicted } = total.rungs;
  const { ratio, lookupTokens } = counted;
  if (predicted === undefined || ratio === undefined) return [];
  const isSmall = lookupTokens < total.promptTokens / 2 || predicted - ratio < gapMin;
  if (isSmall || ratio >= deliveredMin * predicted) return [];
  return [
    {
      gap: "engines",
      ratio: predicted - ratio,
      isProblem: true,
      text: `Engines count ${percentText(ratio)} of the prompt tokens as hits where ${percentText(predicted)} were predicted.`,
      remedy:
        "Look for prefix caching that is off, restarts, another block size, less memory for KV, and requests that bypass this picker: pointsman doctor asks the engines.",
    },
  ];
}

function unreported(answers: number, { counted }: HitReport): HitFinding {
  const { ratio } = counted;
  const known =
    ratio === undefined
      ? "so that it is not known what engines deliver"
      : `so that the engines' own counters stand for them: ${percentText(ratio)}`;
  return {
    gap: "engines",
    ratio: null,
    isProblem: true,
    text: `None of ${answers} answers reports cached tokens, ${known}.`,
    remedy:
      "Start vLLM with --enable-prompt-tokens-details and SGLang with --enable-cache-report. A streamed answer has usage if its request has stream_options.include_usage.",
  };
}

function poorEndpoints(
  poor: HitReport["endpoints"],
  { ratio, isAll }: { readonly ratio: number; readonly isAll: boolean },
): HitFinding {
  const named = poor.map(
    ({ id, predicted = 0, delivered = 0 }) =>
      `${id} ${percentText(delivered)} of the ${percentText(predicted)}`,
  );
  const which = isAll && poor.length > 1 ? "Every endpoint delivers" : "Endpoints deliver";
  return {
    gap: "engines",
    ratio,
    isProblem: true,
    text: `${which} less than half of what was predicted: ${firstFew(named).join(", ")}.`,
    remedy: isAll
      ? "Look for what all of them share: prefix caching off, another block size or hash, a salt or a template that changes prompts, requests that bypass this picker."
      : "On these, look for prefix caching that is off, restarts, another block size, less memory for KV, and requests that bypass this picker: pointsman doctor asks them.",
  };
}

/** Tokens with three digits. */
export function tokensText(tokens: number): string {
  if (tokens < 10_000) return `${Math.round(tokens)} tokens`;
  const [value, unit] = tokens < 1e6 ? [tokens / 1e3, "thousand"] : [tokens / 1e6, "million"];
  return `${Number(value.toPrecision(3))} ${unit} tokens`;
}
