import type { EjectionEvidence } from "../../core/health-settings.ts";
import type { EndpointPace } from "../pace/endpoint-pace.ts";
import type { Contact } from "./contact.ts";
import type { EngineReport } from "./engine-signs.ts";
import type { Waits } from "./waits.ts";

/** Silence is at least this many times the usual time to first token. */
const patienceFactor = 5;
/** And at least this many times the longest answer without streaming. */
const wholeFactor = 3;
/** Prompt tokens a second of an engine of which nothing is known: a slow one. */
const unknownTokensPerSecond = 2_000;

export interface WaitingRow {
  readonly waits: Waits;
  readonly pace: EndpointPace;
  readonly contact: Contact;
  /** Requests sent that are not over. */
  readonly openRequests: number;
  /** The most requests that the engine ever said it runs. */
  readonly mostRunning: number;
}

/**
 * The numbers that show that an endpoint does not answer any more; undefined where it may only take its time.
 *
 * Silence of its requests is needed, and then:
 *
 * - its engine reports freshly: that it has nothing, or the very same for all that time although a stream waits. An engine
 *   that works reports something else;
 * - or it cannot be reached any more by those who read its metrics;
 * - or it never reported, streams nothing, and a stream waits.
 */
export function stallOf(
  row: WaitingRow,
  report: EngineReport | undefined,
  { stallMs, nowMs }: { readonly stallMs: number; readonly nowMs: number },
): EjectionEvidence | undefined {
  const { waits } = row;
  const silentMs = waits.silentMs(nowMs);
  // Most looks end here.
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
  // An answer without streaming, and one that goes on, fill the cache: only that shows that they move.
  const isCacheNeeded = isStreaming || waits.whole > 0;
  return hasStream && !(isCacheNeeded && Number.isNaN(report.kvCacheUsedRatio));
}
