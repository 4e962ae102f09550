import { type EngineFacts, isAdapter, type MetricsFacts } from "./engine-facts.ts";
import { comparisonsOf } from "./compare-engines.ts";
import type { Finding, Report } from "./finding.ts";
import { flagOf } from "./engine-lines.ts";

/** A difference of clocks up to this is that of a slow answer or of whole seconds in a date. */
export const skewMsMax = 5_000;

type ReadMetrics = Extract<MetricsFacts, { readonly kind: "read" }>;

/** The faults of a list of engines: of each, and of those that differ from the others. */
export function judgeEngines(engines: readonly EngineFacts[]): Report {
  return {
    findings: [...engines.flatMap(findingsAt), ...comparisonsOf(engines)],
    notChecked: engines.flatMap(notCheckedAt),
  };
}

function findingsAt(engine: EngineFacts): readonly Finding[] {
  const { endpoint: subject, models, metrics } = engine;
  if (models.kind === "silent" && models.tls !== undefined) {
    const { what, change } = models.tls;
    return [
      {
        severity: "error",
        code: "engine-tls",
        subject,
        what: `${what} (${models.reason})`,
        why: "requests that are sent there fail before the engine sees them.",
        change,
      },
    ];
  }
  if (models.kind === "silent" && metrics.kind === "failed") {
    return [
      {
        severity: "error",
        code: "engine-down",
        subject,
        what: `does not answer: ${models.reason}`,
        why: "requests that are sent there fail, or are sent again to another endpoint.",
        change: "start the engine, or take the endpoint off the list.",
      },
    ];
  }
  return [...ofModels(engine), ...ofMetrics(engine), ...ofTrial(engine), ...ofClock(engine)];
}

function ofModels({ endpoint: subject, models }: EngineFacts): readonly Finding[] {
  if (models.kind === "listed" && models.models.length > 0) return [];
  const isSilent = models.kind === "silent";
  const what = models.kind === "listed" ? "lists no models" : `/v1/models: ${models.reason}`;
  return [
    {
      severity: isSilent ? "error" : "warning",
      code: isSilent ? "api-silent" : "models-not-listed",
      subject,
      what,
      why: isSilent
        ? "its metrics answer and its API does not: requests that are sent there would hang."
        : "models, adapters and context lengths cannot be compared, and a gateway cannot list them.",
      change: isSilent
        ? "look at the engine's log, and restart it."
        : "the address of the engine's API; give --engine-key-file if it requires a key.",
    },
  ];
}

function ofMetrics(engine: EngineFacts): readonly Finding[] {
  const { endpoint: subject, metrics } = engine;
  if (metrics.kind !== "read") {
    return [
      {
        severity: "error",
        code: metrics.kind === "unknown" ? "metrics-unknown" : "metrics-unreadable",
        subject,
        what: `${metrics.url}: ${metrics.reason}`,
        why: "queue, cache size and adapters stay unknown: decisions use the picker's own counts.",
        change:
          "vLLM: drop --disable-log-stats; SGLang: add --enable-metrics; another port or path: " +
          "--model-server-metrics-port, --model-server-metrics-path.",
      },
    ];
  }
  return [
    ...ofMissing(subject, metrics),
    ...ofPrefixCaching(subject, metrics),
    ...ofMotion(engine, metrics),
    ...ofAdapters(engine, metrics),
  ];
}

function ofMissing(subject: string, { engine, missing }: ReadMetrics): readonly Finding[] {
  return missing
    .filter(({ signal }) => signal !== "adapters")
    .map(({ signal, family, reason }) => ({
      severity: "warning" as const,
      code: "signal-missing",
      subject,
      what: `${signal} is not reported (${reason}${family === "" ? "" : `: ${family}`}) by ${engine}`,
      why: "filters, scorers and saturation use the picker's own counts in its place.",
      change:
        family === ""
          ? "nothing to change: no metric of this engine is known for it."
          : "name the metric in engineConfigs of core-metrics-extractor, or update the engine.",
    }));
}

function ofPrefixCaching(
  subject: string,
  { engine, prefixCaching }: ReadMetrics,
): readonly Finding[] {
  if (prefixCaching !== false) return [];
  return [
    {
      severity: "error",
      code: "prefix-caching-off",
      subject,
      what: "prefix caching is off (enable_prefix_caching of vllm:cache_config_info)",
      why: "every prompt is computed from its first token, and hits that are expected never come.",
      change: flagOf("prefixCaching", engine),
    },
  ];
}

/** Metrics that stand still prove a fault only while the engine works. */
function ofMotion(
  { endpoint: subject, trial }: EngineFacts,
  { hasMoved, signals }: ReadMetrics,
): readonly Finding[] {
  const running = signals.runningRequests ?? 0;
  const isProven = trial.kind === "answered";
  if (hasMoved || (!isProven && running === 0)) return [];
  return [
    {
      severity: isProven ? "error" : "warning",
      code: "metrics-frozen",
      subject,
      what: isProven
        ? "its metrics stayed the same over two completions"
        : `its metrics stayed the same between two reads, with ${running} running`,
      why: "the load looks constant, so the engine gets too many requests or too few.",
      change: "look for a cache or a proxy in front of its metrics; else restart the engine.",
    },
  ];
}

function ofAdapters(
  { endpoint: subject, models }: EngineFacts,
  { engine, signals, missing }: ReadMetrics,
): readonly Finding[] {
  const adapters = models.kind === "listed" ? models.models.filter(isAdapter) : [];
  const isMapped = missing.every(
    ({ signal, reason }) => signal !== "adapters" || reason !== "unmapped",
  );
  if (adapters.length === 0 || signals.adapters !== undefined || !isMapped) return [];
  return [
    {
      severity: "warning",
      code: "lora-limit-missing",
      subject,
      what: `${adapters.length} adapters are listed, and no limit of loaded ones is reported`,
      why: "the number of adapters that fit is assumed, so loads of adapters cannot be foreseen. An engine may report none before its first request.",
      change: flagOf("adapters", engine),
    },
  ];
}

function ofTrial({ endpoint: subject, trial, metrics }: EngineFacts): readonly Finding[] {
  if (trial.kind === "not-made") return [];
  if (trial.kind === "failed") {
    return [
      {
        severity: "error",
        code: "completion-failed",
        subject,
        what: `a completion of one token failed: ${trial.reason}`,
        why: "requests that are sent there fail too.",
        change: "look at the engine's log; give --engine-key-file if it requires a key.",
      },
    ];
  }
  const { cachedTokens = 0, promptTokens } = trial;
  const read = metrics.kind === "read" ? metrics : undefined;
  const counters = read === undefined ? [] : ofCounters(subject, trial, read);
  // Without a cache there is nothing to report, and that has a finding of its own.
  if (cachedTokens > 0 || read?.prefixCaching === false || isTooShort(promptTokens, read))
    return counters;
  const isSilent = trial.cachedTokens === undefined;
  return [
    {
      severity: "warning",
      code: isSilent ? "cached-tokens-not-reported" : "no-cache-hit",
      subject,
      what: isSilent
        ? "the second of two equal completions reports no cached_tokens"
        : "the second of two equal completions had 0 cached tokens",
      why: isSilent
        ? "hits cannot be seen, so the picker goes on expecting those that do not come."
        : "the prefix cache is off, too small, or not reported.",
      change: flagOf(isSilent ? "cachedTokens" : "prefixCaching", read?.engine),
    },
    ...counters,
  ];
}

/** Part of the tokens of both completions that the counters must have, so that they have both. */
const countedMin = 0.9;

/** Counters of the prefix cache after two equal completions. */
function ofCounters(
  subject: string,
  { cachedTokens, promptTokens }: Extract<EngineFacts["trial"], { readonly kind: "answered" }>,
  { looked, hasMoved, engine, prefixCaching, signals }: ReadMetrics,
): readonly Finding[] {
  if (looked === undefined || !hasMoved || prefixCaching === false) return [];
  const { lookupTokens, hitTokens } = looked;
  const still = (what: string): Finding => ({
    severity: "warning",
    code: "hit-counters-still",
    subject,
    what,
    why: "the hit ladder cannot show by the engine's own count what it delivers.",
    change: "update the engine, or look for a proxy or a cache in front of its metrics.",
  });
  if (lookupTokens === 0) {
    return [
      still("its counter of prefix cache lookups stayed the same over two equal completions"),
    ];
  }
  const both = 2 * (promptTokens ?? Number.POSITIVE_INFINITY) * countedMin;
  if (hitTokens > 0 || lookupTokens < both) return [];
  if ((promptTokens ?? 0) <= (signals.blockTokens ?? 0)) return [];
  if (cachedTokens !== undefined && cachedTokens > 0) {
    return [
      still(
        `its counter of prefix cache hits stayed the same, though the second of two equal completions had ${cachedTokens} cached tokens`,
      ),
    ];
  }
  // The answer itself says so.
  if (cachedTokens === 0) return [];
  return [
    {
      severity: "warning",
      code: "no-cache-hit",
      subject,
      what: `its counters have no hit in ${lookupTokens} prompt tokens of two equal completions`,
      why: "the prefix cache is off, too small, or not counted.",
      change: flagOf("prefixCaching", engine),
    },
  ];
}

/** Only whole blocks are cached, and the last token of a prompt is always computed. */
function isTooShort(promptTokens: number | undefined, metrics: ReadMetrics | undefined): boolean {
  const blockTokens = metrics?.signals.blockTokens;
  return promptTokens !== undefined && blockTokens !== undefined && promptTokens <= blockTokens;
}

function ofClock({ endpoint: subject, clockAheadMs = 0 }: EngineFacts): readonly Finding[] {
  if (Math.abs(clockAheadMs) <= skewMsMax) return [];
  const seconds = Math.round(Math.abs(clockAheadMs) / 1_000);
  return [
    {
      severity: "warning",
      code: "clock-skew",
      subject,
      what: `its clock is ${seconds} s ${clockAheadMs > 0 ? "ahead of" : "behind"} the clock here`,
      why: "times in logs and traces cannot be compared, and certificates may look invalid.",
      change: "chronyc tracking: set the clock of the one that is wrong.",
    },
  ];
}

function notCheckedAt(engine: EngineFacts): readonly string[] {
  const { endpoint, models, metrics, trial, clockAheadMs } = engine;
  const texts: string[] = [];
  const read = metrics.kind === "read" ? metrics : undefined;
  if (trial.kind === "not-made" && models.kind !== "silent") {
    texts.push("completions and cached_tokens: give --try, which sends two short ones to each");
  } else if (trial.kind === "answered" && isTooShort(trial.promptTokens, read)) {
    texts.push(`${endpoint}: cached_tokens: the prompt was shorter than a block`);
  }
  if (read === undefined) return texts;
  if (read.prefixCaching === undefined) {
    texts.push(`${endpoint}: prefix caching: ${read.engine} does not report it in its metrics`);
  }
  const isIdle = trial.kind !== "answered" && !read.hasMoved && read.signals.runningRequests === 0;
  if (isIdle) texts.push(`${endpoint}: motion of its metrics: it has no work`);
  if (clockAheadMs === undefined) texts.push(`${endpoint}: its clock: answers have no date`);
  return texts;
}
