import type { EjectionEvidence } from "../../core/health-settings.ts";
import type { EndpointPace } from "../pace/endpoint-pace.ts";
import type { Contact } from "./contact.ts";
import type { EngineReport } from "./engine-signs.ts";
import type { Waits } from "./waits.ts";

/** Silence must last at least this many times the usual time to first token. */
const patienceFactor = 5;
/** Silence must also last at least this many times the longest answer without streaming. */
const wholeFactor = 3;
/** Assumed prompt tokens a second of an engine without data: a slow one. */
const unknownTokensPerSecond = 2_000;

export interface WaitingRow {
  readonly waits: Waits;
  readonly pace: EndpointPace;
  readonly contact: Contact;
  /** Requests sent that have not ended. */
  readonly openRequests: number;
  /** The most running requests that the engine ever reported. */
  readonly mostRunning: number;
}

/**
 * Evidence that an endpoint no longer answers; undefined if it may only take its time.
 *
 * Its requests must be silent, and one of these must hold:
 *
 * - its engine reports freshly: no requests, or the very same numbers for all that time although a
 *   stream waits. The numbers of a working engine change;
 * - it can no longer be reached by scrapes;
 * - it never reported, streams nothing, and a stream waits.
 */
export function stallOf(
  row: WaitingRow,
  report: EngineReport | undefined,
  { stallMs, nowMs }: { readonly stallMs: number; readonly nowMs: number },
): EjectionEvidence | undefined {
  const { waits } = row;
  const silentMs = waits.silentMs(nowMs);
  // Most calls end here.
  if (stallMs === 0 || silentMs < stallMs) return undefined;
  const patienceMs = Math.max(stallMs, patienceMsOf(row));
  if (silentMs < patienceMs || !isBelievable(row, report, { patienceMs, nowMs })) return undefined;
  const numbers = { waitingRequests: waits.streams + waits.whole, silentMs, patienceMs };
  return report === undefined
    ? numbers
    : {
        ...numbers,
        reportedRunning: report.runningRequests,
        unchangedMs: waits.unchangedMs(nowMs),
      };
}

function patienceMsOf({ waits, pace }: WaitingRow): number {
  const { backlog, curve } = pace;
  const usualMs = curve.usualMs(backlog) ?? (backlog.tokens / unknownTokensPerSecond) * 1_000;
  const wholeMs = waits.whole > 0 ? wholeFactor * waits.longestWholeMs : 0;
  return Math.max(patienceFactor * usualMs, wholeMs);
}

function isBelievable(
  { waits, contact, openRequests, mostRunning }: WaitingRow,
  report: EngineReport | undefined,
  { patienceMs, nowMs }: { readonly patienceMs: number; readonly nowMs: number },
): boolean {
  const hasStream = waits.streams > 0;
  const isStreaming = openRequests > waits.streams + waits.whole;
  if (report === undefined || Number.isNaN(report.runningRequests)) {
    return contact.isOutOfReach || (hasStream && !isStreaming && mostRunning === 0);
  }
  if (waits.unchangedMs(nowMs) < patienceMs) return false;
  // NaN means that the queue is not reported, and counts as empty.
  if (report.runningRequests === 0 && !(report.waitingRequests > 0)) {
    return hasStream || mostRunning > 0;
  }
  // Unstreamed answers and running streams fill the cache: only its use shows that they progress.
  const isCacheNeeded = isStreaming || waits.whole > 0;
  return hasStream && !(isCacheNeeded && Number.isNaN(report.kvCacheUsedRatio));
}
