import { evidenceTextsOf } from "../../admin/evidence-text.ts";
import type { HitsPage } from "../../admin/hits-page.ts";
import type { LivePage } from "../../admin/live-page.ts";
import type { PoolPage } from "../../admin/pool-page.ts";
import { firstFew } from "../../std/first-few.ts";
import { pickerCertificateFindings } from "./certificate-ends.ts";
import { counted, type Finding, type Report, type Severity } from "./finding.ts";
import { judgeDecisions, type ShownDecision } from "./judge-decisions.ts";
import {
  countersWithoutHits,
  type LearnedSpeed,
  slowEndpoints,
  type TenantTokens,
  tenantsWithoutHits,
} from "./judge-traffic.ts";
import { flagOf } from "./engine-lines.ts";
import { skewMsMax } from "./judge-engines.ts";
import { lackingRightIn } from "./lacking-right.ts";

/** A value of one endpoint or input in the picker's metrics. */
export interface Measured {
  readonly name: string;
  readonly value: number;
}

/** Everything that was seen at a running picker. */
export interface PickerFacts {
  readonly url: string;
  readonly pool: PoolPage;
  readonly live: Pick<LivePage, "at" | "certificates">;
  readonly config: Pick<LivePage["config"], "isRefused" | "standIn" | "warnings" | "history">;
  /** Endpoints that left the load of the picker's own requests out of both of two reports. */
  readonly unmoved: readonly string[];
  /** Trust in prefix matches, by endpoint. */
  readonly prefixTrust: readonly Measured[];
  /** Mean relative error of predicted times to first token, of endpoints with enough answers. */
  readonly ttftError: readonly Measured[];
  /** Share of recent requests that have an input of the latency model. */
  readonly inputs: readonly Measured[];
  /** The last decisions, newest first. */
  readonly decisions: readonly ShownDecision[];
  /** Speeds that were learned. */
  readonly speeds: readonly LearnedSpeed[];
  readonly tenants: readonly TenantTokens[];
  readonly hits: Pick<HitsPage, "rungs" | "endpoints">;
  /** Time that a request may wait for its turn; 0 without flow control. */
  readonly longestWaitMs: number;
  readonly clockAheadMs: number;
}

/** Trust from which reports count in full, and below which prefix matches hardly count. */
const signalsTrustMin = 0.99;
const prefixTrustMin = 0.5;
/** A mean error as large as the time itself. */
const ttftErrorMax = 1;
const inputShareMin = 0.5;

type ShownEndpoint = PoolPage["endpoints"][number];

/** The faults of a running picker and of its pool, as it sees them. */
export function judgePicker(facts: PickerFacts): Report {
  return {
    findings: [
      ...ofPool(facts),
      ...ofConfig(facts),
      ...ofEndpoints(facts.pool.endpoints),
      ...ofBlockSizes(facts),
      ...ofLearning(facts),
      ...slowEndpoints(facts.speeds),
      ...tenantsWithoutHits(facts.tenants),
      ...countersWithoutHits(facts.hits),
      ...judgeDecisions(facts.url, facts.decisions),
      ...ofClock(facts),
      ...pickerCertificateFindings(facts.url, facts.live),
    ],
    notChecked: facts.ttftError.length > 0 ? [] : ["predictions: too few streamed answers yet"],
  };
}

type Advice = readonly [code: string, severity: Severity, why: string, change: string];

function finding([code, severity, why, change]: Advice, subject: string, what: string): Finding {
  return { severity, code, subject, what, why, change };
}

/** One finding for all endpoints that have the same fault; none without any. */
function among(advice: Advice, endpoints: readonly string[], what: string): readonly Finding[] {
  return endpoints.length === 0 ? [] : [finding(advice, firstFew(endpoints).join(", "), what)];
}

const notReady: Advice = [
  "not-ready",
  "error",
  "the gateway does not send requests to a picker that is not ready.",
  "the reason above; pointsman status shows what is followed, and its failures.",
];
const noEndpoint: Advice = [
  "no-endpoint",
  "error",
  "every request is refused, or waits.",
  "the source of the pool: its selector, file or names; pointsman status lists what is left out.",
];
const leftOut: Advice = [
  "left-out",
  "warning",
  "they get no requests.",
  "pointsman status lists each; for duplicate-address and duplicate-id, mend the source.",
];
const follow: Advice = [
  "not-followed",
  "error",
  "changes there do not arrive.",
  "the rights of the service account (docs/install.md, Rights), or the way to the API server.",
];

function notFollowed(url: string, what: string, failure: string): Finding {
  const [code, severity, why, change] = follow;
  const text = `${what} cannot be followed: ${failure}`;
  return finding([code, severity, why, lackingRightIn(failure) ?? change], url, text);
}

function ofPool({ url, pool }: PickerFacts): readonly Finding[] {
  const { endpoints, excluded, follows } = pool;
  const takers = endpoints.filter(({ takesRequests }) => takesRequests);
  const reasons = [...new Set(excluded.map(({ reason }) => reason))].toSorted();
  return [
    // The first of them, since it causes the others.
    ...follows.flatMap(({ what, failure }) =>
      failure === null ? [] : [notFollowed(url, what, failure)],
    ),
    ...pool.notReady.map((reason) => finding(notReady, url, `not ready: ${reason}`)),
    ...(takers.length === 0
      ? [
          finding(
            noEndpoint,
            url,
            `none of ${counted(endpoints.length, "endpoint")} takes requests`,
          ),
        ]
      : []),
    ...among(
      leftOut,
      excluded.map(({ namespace, name }) => `${namespace}/${name}`),
      `left out of the pool: ${reasons.join(", ")}`,
    ),
  ];
}

const refused: Advice = [
  "config-refused",
  "error",
  "an older document is in force, so the change that was meant did not happen.",
  "mend the mistake; pointsman check FILE finds all of them before.",
];
const standIn: Advice = [
  "config-stand-in",
  "error",
  "the default document decides until the source has one.",
  "the name of the ConfigMap, its key, and the right to read it.",
];
const configWarning: Advice = [
  "config-warning",
  "warning",
  "a part of the document has no effect, or not the one that its words suggest.",
  "the part of the document that the text names.",
];

function ofConfig({ url, config }: PickerFacts): readonly Finding[] {
  const last = config.history.find(({ outcome }) => outcome === "refused");
  const mistakes = firstFew(last?.mistakes ?? [], 3).join("; ");
  return [
    ...(config.isRefused
      ? [finding(refused, last?.source ?? url, `the last document was refused: ${mistakes}`)]
      : []),
    ...(config.standIn ? [finding(standIn, url, "the default document stands in")] : []),
    ...config.warnings.map((text) => finding(configWarning, url, text)),
  ];
}

const ejected: Advice = [
  "ejected",
  "error",
  "it gets no requests, or single ones to try it, and the others have its load.",
  "look at the engine's log; docs/reliability.md explains each reason.",
];
const blind: Advice = [
  "metrics-unreadable",
  "error",
  "queue, cache size and adapters stay unknown: decisions use the picker's own counts.",
  "the address of the metrics (docs/engines.md, Where metrics are read).",
];
const stale: Advice = [
  "reports-stale",
  "warning",
  "old reports count less, down to nothing.",
  "the engine is overloaded, or the network is slow: compare pointsman_scrape_duration_seconds.",
];
const frozen: Advice = [
  "metrics-frozen",
  "warning",
  "the engine looks idle and draws too many requests.",
  "look for a cache or a proxy in front of its metrics; else restart the engine.",
];
const missing: Advice = [
  "signal-missing",
  "warning",
  "filters, scorers and saturation use the picker's own counts in its place.",
  "name the metric in engineConfigs of core-metrics-extractor, or update the engine.",
];

function ofEndpoints(endpoints: readonly ShownEndpoint[]): readonly Finding[] {
  const takers = endpoints.filter(({ takesRequests }) => takesRequests);
  const failing = takers.filter(({ scrape }) => scrape.state === "failing");
  const old = takers.filter(
    ({ scrape, signalsTrust }) => scrape.state === "read" && signalsTrust < signalsTrustMin,
  );
  const signals = new Map<string, string[]>();
  for (const { id, scrape } of takers) {
    // Engines report no adapters before they had one, and some have no metric for a signal.
    for (const { signal, family, reason } of scrape.missing) {
      if (signal === "adapters" || reason === "unmapped") continue;
      const text = `${signal} is not reported (${reason}: ${family})`;
      signals.set(text, [...(signals.get(text) ?? []), id]);
    }
  }
  return [
    ...endpoints
      .filter(({ health }) => health.phase === "ejected" || health.phase === "paused")
      .map(({ id, health }) => finding(ejected, id, `${health.phase}${evidenceOf(health)}`)),
    ...failing.map(({ id, scrape }) =>
      finding(blind, id, `its metrics cannot be read: ${scrape.failure?.reason ?? "no report"}`),
    ),
    ...among(
      stale,
      old.map(({ id }) => id),
      "the last report is too old to count in full",
    ),
    ...[...signals].flatMap(([text, ids]) => among(missing, ids, text)),
  ];
}

function evidenceOf(health: ShownEndpoint["health"]): string {
  const numbers = evidenceTextsOf("evidence" in health ? health.evidence : undefined);
  const parts = [...(health.reason === undefined ? [] : [health.reason]), ...numbers];
  return parts.length === 0 ? "" : `: ${parts.join(", ")}`;
}

const blockSizes: Advice = [
  "block-size-differs",
  "warning",
  "only whole blocks are cached, so equal prompts hit less with larger ones, and each size has a prefix index of its own.",
  "start all engines with the same --block-size (SGLang: --page-size).",
];

function ofBlockSizes({ pool }: PickerFacts): readonly Finding[] {
  const bySize = new Map<number, string[]>();
  for (const { id, blockTokens } of pool.endpoints) {
    if (blockTokens !== null) bySize.set(blockTokens, [...(bySize.get(blockTokens) ?? []), id]);
  }
  const [most, ...others] = [...bySize].toSorted(([, a], [, b]) => b.length - a.length);
  return others.flatMap(([size, ids]) =>
    among(blockSizes, ids, `blocks of ${size} tokens; of ${most?.[0]} at most others`),
  );
}

const prefixTrust: Advice = [
  "prefix-trust-low",
  "warning",
  "the engine caches far less than is expected of it, so its hits hardly count.",
  `prefix caching (${flagOf("prefixCaching", undefined)}), and the size of its KV cache.`,
];
const predictions: Advice = [
  "predictions-wrong",
  "warning",
  "requests go to an endpoint that is not the fastest.",
  "look for traffic that does not pass this picker, and at pointsman_latency_inputs_ratio.",
];
const inputAdvice: Readonly<Record<string, Advice>> = {
  "cached-tokens": [
    "cached-tokens-not-reported",
    "warning",
    "hits cannot be seen, so the picker goes on expecting those that do not come.",
    `${flagOf("cachedTokens", undefined)}; streams: "stream_options": {"include_usage": true}`,
  ],
  "prompt-tokens": [
    "prompts-not-read",
    "warning",
    "the size of the body stands for the prompt, and prefixes are not known.",
    "a parser for the API of the clients (docs/plugins.md), or a body mode with bodies.",
  ],
};

function ofLearning(facts: PickerFacts): readonly Finding[] {
  const { url } = facts;
  return [
    ...among(
      frozen,
      facts.unmoved,
      "its reports leave out three quarters or more of the requests that run there, twice in a second",
    ),
    ...facts.prefixTrust
      .filter(({ value }) => value < prefixTrustMin)
      .map(({ name, value }) =>
        finding(prefixTrust, name, `trust in its prefix matches is ${percent(value)}`),
      ),
    ...facts.ttftError
      .filter(({ value }) => value > ttftErrorMax)
      .map(({ name, value }) =>
        finding(predictions, name, `predicted times to first token are off by ${percent(value)}`),
      ),
    ...facts.inputs.flatMap(({ name, value }) => {
      const advice = inputAdvice[name];
      if (advice === undefined || value >= inputShareMin) return [];
      return [finding(advice, url, `only ${percent(value)} of recent requests have ${name}`)];
    }),
  ];
}

const clock: Advice = [
  "clock-skew",
  "warning",
  "times in logs and traces cannot be compared, and certificates may look invalid.",
  "chronyc tracking: set the clock of the one that is wrong.",
];

function ofClock({ url, clockAheadMs }: PickerFacts): readonly Finding[] {
  if (Math.abs(clockAheadMs) <= skewMsMax) return [];
  const seconds = Math.round(Math.abs(clockAheadMs) / 1_000);
  const side = clockAheadMs > 0 ? "ahead of" : "behind";
  return [finding(clock, url, `its clock is ${seconds} s ${side} the clock here`)];
}

function percent(ratio: number): string {
  return `${Math.round(ratio * 100)} %`;
}
