import type { EnvoyConfig, ExtProcFilter } from "./envoy-config-dump.ts";
import type { Finding, Report } from "./finding.ts";

/** Everything that was seen at an Envoy. */
export interface EnvoyFacts {
  readonly url: string;
  readonly config: EnvoyConfig;
  /** Clusters that have reached their limit of requests. */
  readonly fullClusters: ReadonlySet<string>;
}

/** Envoy's own limit of requests for each cluster, and the largest that is taken for an oversight. */
const requestsMaxUsual = 1_024;
/** A shorter limit of a whole response cuts long streams. */
const routeTimeoutMsMin = 600_000;
/** A message timeout that a loaded picker, or a slow upload, may exceed. */
const messageTimeoutMsMin = 1_000;

/** The settings of an Envoy that do not suit a picker. `longestWaitMs`: time that requests may wait in the picker; 0 for none. */
export function judgeEnvoy(facts: EnvoyFacts, longestWaitMs: number): Report {
  const { url, config } = facts;
  if (config.extProcFilters.length === 0) {
    const what = "no listener asks a picker (no filter envoy.filters.http.ext_proc)";
    return { findings: [finding(url, "envoy-no-picker", what)], notChecked: [] };
  }
  return {
    findings: [
      ...ofStreams(facts),
      ...config.extProcFilters.flatMap((filter) => ofTimeout(url, filter, longestWaitMs)),
      ...config.extProcFilters.flatMap((filter) => ofBodyModes(url, filter)),
      ...config.extProcFilters.flatMap((filter) => ofFailureMode(facts, filter)),
      ...ofRoutes(facts),
    ],
    notChecked: [],
  };
}

const texts = {
  "envoy-no-picker": {
    severity: "error",
    why: "requests do not pass the picker.",
    change:
      "the filter of docs/behind-envoy.md, or the resources of your gateway (docs/install.md).",
  },
  "envoy-streams-limited": {
    severity: "warning",
    why: "each request in flight counts until its answer ends: the next one gets 500 or 503, although engines are idle.",
    change:
      "circuit_breakers: {thresholds: [{max_requests: 100000, max_pending_requests: 100000}]}",
  },
  "envoy-streams-full": {
    severity: "error",
    why: "Envoy answers requests above it itself with 500 or 503, although engines may be idle.",
    change:
      "circuit_breakers: {thresholds: [{max_requests: 100000, max_pending_requests: 100000}]}",
  },
  "envoy-message-timeout": {
    severity: "error",
    why: "Envoy gives a request up before the picker has decided; in FULL_DUPLEX_STREAMED only until its body is sent.",
    change: "message_timeout: longer than the longest wait and the slowest upload, such as 300s.",
  },
  "envoy-body-unseen": {
    severity: "error",
    why: "the model and the prompt are in the body: without it, decisions know neither.",
    change:
      "processing_mode: {request_body_mode: FULL_DUPLEX_STREAMED, request_trailer_mode: SEND}",
  },
  "envoy-answers-unseen": {
    severity: "warning",
    why: "speeds and caches are learned from answers: without them, decisions use assumptions.",
    change:
      "processing_mode: {response_body_mode: FULL_DUPLEX_STREAMED, response_trailer_mode: SEND}",
  },
  "envoy-fails-open": {
    severity: "warning",
    why: "the cluster goes to the address in a header: while the picker fails, that header is the client's own, or missing.",
    change: "failure_mode_allow: false, or a cluster with a list of hosts (docs/behind-envoy.md).",
  },
  "envoy-route-timeout": {
    severity: "warning",
    why: "it limits the whole answer, so it cuts longer streams off.",
    change: "route: {timeout: 0s, idle_timeout: 900s}",
  },
} as const satisfies Readonly<Record<string, Pick<Finding, "severity" | "why" | "change">>>;

function finding(url: string, code: keyof typeof texts, what: string): Finding {
  return { code, subject: url, what, ...texts[code] };
}

/** Clusters of the picker and of the engines. */
function ofStreams({ url, config, fullClusters }: EnvoyFacts): readonly Finding[] {
  const used = new Set([
    ...config.extProcFilters.map(({ cluster }) => cluster),
    ...config.routes.map(({ cluster }) => cluster),
  ]);
  return config.clusters
    .filter(({ name }) => used.has(name))
    .flatMap(({ name, requestsMax }) => {
      const limit = requestsMax.toLocaleString("en");
      if (fullClusters.has(name)) {
        const what = `cluster ${name} has reached its limit of ${limit} requests at a time (max_requests)`;
        return [finding(url, "envoy-streams-full", what)];
      }
      if (requestsMax > requestsMaxUsual) return [];
      const what = `cluster ${name} takes ${limit} requests at a time (max_requests)`;
      return [finding(url, "envoy-streams-limited", what)];
    });
}

function ofTimeout(
  url: string,
  { messageTimeoutMs, requestBodyMode }: ExtProcFilter,
  longestWaitMs: number,
): readonly Finding[] {
  if (messageTimeoutMs >= Math.max(longestWaitMs, messageTimeoutMsMin)) return [];
  const wait = Number.isFinite(longestWaitMs) ? `${longestWaitMs / 1_000} s` : "any time";
  const reason =
    longestWaitMs <= messageTimeoutMsMin
      ? "a loaded picker or a slow upload takes longer"
      : `requests may wait ${wait} in the picker`;
  const found = finding(
    url,
    "envoy-message-timeout",
    `message_timeout is ${messageTimeoutMs} ms: ${reason}`,
  );
  const isOver = requestBodyMode === "FULL_DUPLEX_STREAMED";
  return [isOver ? { ...found, severity: "warning" } : found];
}

function ofBodyModes(
  url: string,
  { requestBodyMode, responseBodyMode }: ExtProcFilter,
): readonly Finding[] {
  return [
    ...(requestBodyMode === "NONE"
      ? [finding(url, "envoy-body-unseen", "request_body_mode is NONE")]
      : []),
    ...(responseBodyMode === "NONE"
      ? [finding(url, "envoy-answers-unseen", "response_body_mode is NONE")]
      : []),
  ];
}

function ofFailureMode(
  { url, config }: EnvoyFacts,
  { failsOpen }: ExtProcFilter,
): readonly Finding[] {
  if (!failsOpen) return [];
  const routed = new Set(config.routes.map(({ cluster }) => cluster));
  return config.clusters
    .filter(({ name, isOriginalDst }) => isOriginalDst && routed.has(name))
    .map(({ name }) =>
      finding(
        url,
        "envoy-fails-open",
        `failure_mode_allow is true, and cluster ${name} is ORIGINAL_DST`,
      ),
    );
}

function ofRoutes({ url, config }: EnvoyFacts): readonly Finding[] {
  const short = config.routes.filter(
    ({ timeoutMs }) => timeoutMs > 0 && timeoutMs < routeTimeoutMsMin,
  );
  const byText = new Set(
    short.map(
      ({ cluster, timeoutMs }) => `a route to ${cluster} has a timeout of ${timeoutMs / 1_000} s`,
    ),
  );
  return [...byText].map((what) => finding(url, "envoy-route-timeout", what));
}
