/** @import { LiveEndpoint, LivePage } from "../live-page.ts" */
import { counted, duration, firstFew, isKnown, number, percent } from "./format.js";

/** Answers from which an endpoint's own figures say something. */
const answersMin = 8;
/** A time to first token this many times the median of the pool stands out. */
const slowFactor = 2.5;
/** Without a hit while the pool has this share, the cache of an engine is off or useless. */
const hitRatioMin = 0.15;
/** Trust from which reports count in full. */
const trustMin = 0.99;

/**
 * @typedef {object} Finding
 * @property {"bad" | "warn" | "info"} severity
 * @property {string} text
 * @property {string} href
 */

/**
 * Everything on the page that a person should look at first, the worst first.
 *
 * @param {LivePage} page
 * @returns {Finding[]}
 */
export function findingsOf(page) {
  const findings = [
    ...ofPool(page),
    ...ofEndpoints(page),
    ...ofAnswers(page),
    ...ofConfig(page),
    ...ofCertificates(page),
    ...ofQueue(page),
  ];
  const order = ["bad", "warn", "info"];
  return findings.toSorted((a, b) => order.indexOf(a.severity) - order.indexOf(b.severity));
}

/**
 * @param {LivePage} page
 * @returns {Finding[]}
 */
function ofPool({ pool, endpoints }) {
  const { excludedCount, notReady, follows } = pool;
  const takers = endpoints.filter(({ takesRequests }) => takesRequests).length;
  const broken = follows.filter(({ failure }) => failure !== null);
  return [
    ...notReady.map((reason) => bad(`Not ready: ${reason}`)),
    ...(endpoints.length === 0 ? [bad("The pool has no endpoints.")] : []),
    ...(endpoints.length > 0 && takers === 0 ? [bad("No endpoint takes requests.")] : []),
    ...(excludedCount > 0
      ? [warn(`${counted(excludedCount, "endpoint")} left out of the pool; see below.`)]
      : []),
    ...broken.map(({ what, failure }) => warn(`${what} cannot be followed: ${failure}`)),
  ];
}

/**
 * @param {LivePage} page
 * @returns {Finding[]}
 */
function ofEndpoints({ endpoints }) {
  const ejected = endpoints.filter(({ phase }) => phase === "ejected");
  const takers = endpoints.filter(({ takesRequests }) => takesRequests);
  const blind = takers.filter(({ scrapeState }) => scrapeState === "failing");
  const stale = takers.filter(
    ({ scrapeState, signalsTrust }) => scrapeState === "read" && signalsTrust < trustMin,
  );
  const missing = takers.filter(({ missingSignals }) => missingSignals.length > 0);
  const signals = [...new Set(missing.flatMap(({ missingSignals }) => missingSignals))];
  return [
    ...some(ejected, "bad", (names) => `Ejected: ${names}`),
    ...some(blind, "bad", (names) => `Metrics cannot be read: ${names}`),
    ...some(stale, "warn", (names) => `Signals are old: ${names}`),
    ...some(missing, "warn", (names) => `Not reported: ${firstFew(signals)}, by ${names}`),
  ];
}

/**
 * @param {LivePage} page
 * @returns {Finding[]}
 */
function ofAnswers({ endpoints }) {
  const seen = endpoints.filter(({ answers }) => (answers?.ttftCount ?? 0) >= answersMin);
  const usualMs = medianOf(seen.map(ttftMsOf));
  const slow = seen.filter((endpoint) => ttftMsOf(endpoint) > slowFactor * usualMs);
  const hits = medianOf(endpoints.map(hitRatioOf).filter(isKnown));
  const cold = endpoints.filter(
    (endpoint) => (endpoint.answers?.answers ?? 0) >= answersMin && hitRatioOf(endpoint) === 0,
  );
  const mute = endpoints.filter(
    ({ answers }) => (answers?.answers ?? 0) >= answersMin && answers?.promptTokens === 0,
  );
  const times = slow
    .map((endpoint) => number(ttftMsOf(endpoint) / usualMs))
    .slice(0, 3)
    .join(", ");
  return [
    ...some(
      slow,
      "warn",
      (names) => `Time to first token ${times} times the median of ${duration(usualMs)}: ${names}`,
    ),
    ...(hits >= hitRatioMin
      ? some(
          cold,
          "warn",
          (names) => `No cached prompt token, where the median is ${percent(hits)}: ${names}`,
        )
      : []),
    ...some(mute, "info", (names) => `Cached tokens are not reported: ${names}`),
  ];
}

/**
 * @param {LivePage} page
 * @returns {Finding[]}
 */
function ofConfig({ config }) {
  const href = "#/config";
  return [
    ...(config.isRefused
      ? [
          {
            severity: /** @type {const} */ ("bad"),
            text: "The last document of the configuration was refused; the previous one is in force.",
            href,
          },
        ]
      : []),
    ...(config.standIn
      ? [
          {
            severity: /** @type {const} */ ("bad"),
            text: "The default configuration stands in: its source has given none yet.",
            href,
          },
        ]
      : []),
    ...config.warnings.slice(0, 5).map((text) => ({
      severity: /** @type {const} */ ("warn"),
      text: `Configuration: ${text}`,
      href,
    })),
  ];
}

/**
 * @param {LivePage} page
 * @returns {Finding[]}
 */
function ofCertificates({ at, certificates }) {
  return certificates
    .filter(({ overdue }) => overdue)
    .map(({ port, endsAt }) => {
      const leftMs = Date.parse(endsAt) - Date.parse(at);
      const end = leftMs < 0 ? "has expired" : `expires in ${duration(leftMs)}`;
      return warn(`The certificate of the ${port} port ${end}.`);
    });
}

/**
 * @param {LivePage} page
 * @returns {Finding[]}
 */
function ofQueue({ queues }) {
  if (!queues.enabled || queues.waitingRequests === 0) return [];
  const oldestMs = Math.max(
    0,
    ...queues.bands.flatMap(({ flows }) => flows.map((flow) => flow.oldestMs)),
  );
  const text = `${counted(queues.waitingRequests, "request")} in the queue, the oldest for ${duration(oldestMs)}`;
  return [{ severity: "info", text, href: "#/queues" }];
}

/**
 * @param {readonly LiveEndpoint[]} endpoints
 * @param {Finding["severity"]} severity
 * @param {(names: string) => string} textOf
 * @returns {Finding[]}
 */
function some(endpoints, severity, textOf) {
  if (endpoints.length === 0) return [];
  return [{ severity, text: textOf(firstFew(endpoints.map(({ id }) => id))), href: "#/pool" }];
}

/**
 * @param {string} text
 * @returns {Finding}
 */
function bad(text) {
  return { severity: "bad", text, href: "#/pool" };
}

/**
 * @param {string} text
 * @returns {Finding}
 */
function warn(text) {
  return { severity: "warn", text, href: "#/pool" };
}

/**
 * Mean time to first token of the endpoint's kept answers; NaN without any.
 *
 * @param {LiveEndpoint} endpoint
 */
export function ttftMsOf({ answers }) {
  return answers === undefined || answers.ttftCount === 0
    ? Number.NaN
    : answers.ttftMs / answers.ttftCount;
}

/**
 * Share of prompt tokens that the endpoint had cached; NaN if its answers do not say.
 *
 * @param {LiveEndpoint} endpoint
 */
export function hitRatioOf({ answers }) {
  return answers === undefined || answers.promptTokens === 0
    ? Number.NaN
    : answers.cachedTokens / answers.promptTokens;
}

/** @param {readonly number[]} values */
function medianOf(values) {
  const ordered = values.toSorted((a, b) => a - b);
  return ordered[Math.floor(ordered.length / 2)] ?? Number.NaN;
}
