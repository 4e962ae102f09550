import type { Sent } from "./client.ts";
import type { RunRecord } from "./run.ts";
import { runningRequestsMax } from "./stack.ts";

/**
 * Milliseconds around a moment over which a share of requests is taken: half before, half after.
 * At 60 requests a second, one of eight engines has a fair share of 15 of them.
 */
export const shareWindowMs = 2_000;

/** Milliseconds between the moments that are looked at. */
const stepMs = 100;

/** What one run comes to. `undefined` is what the case has no meaning for. */
export interface Measures {
  /** Requests under way at the fault's start or sent since. */
  readonly requests: number;
  readonly failed: number;
  readonly failedRatio: number;
  readonly failedByResult: Readonly<Record<string, number>>;
  /** Of requests sent under the fault that were answered. */
  readonly ttft: Quantiles;
  /** Of requests sent after it. */
  readonly ttftAfter: Quantiles;
  /**
   * Most requests that waited at once since the fault's start: at the faulty engine and at the
   * median of the others, or at the worst engine and the median of all.
   */
  readonly queue: { readonly worst: number; readonly others: number };
  /** Requests sent to the faulty engine under the fault, over its fair share of all that were sent. */
  readonly shareOfFair: number | undefined;
  /**
   * Milliseconds from the fault's start until the faulty engine's share has fallen below half of
   * its fair share and stays there until the fault's end; infinite where it does not.
   */
  readonly noticedMs: number | undefined;
  /**
   * Milliseconds from the fault's end until its share is at least half of the fair share again;
   * infinite where that does not happen, undefined where the share never fell.
   */
  readonly returnedMs: number | undefined;
  /** Most requests of a burst that one engine got, over the mean of all. */
  readonly burstMaxOverMean: number | undefined;
  /** Milliseconds from sending the first request of a burst to sending the last. */
  readonly burstLengthMs: number | undefined;
  /** Ejections that the picker counted, from its start on. */
  readonly ejections: number | undefined;
  /** Share of the engines' places for running requests that was in use before the fault, 0 to 1. */
  readonly busyRatio: number;
  readonly cpuRatio: number;
  /** 99 of 100 requests were sent no later than this after they were due. */
  readonly lateP99Ms: number;
}

export interface Quantiles {
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly meanMs: number;
}

export interface MeasuredCase {
  readonly isOfOne: boolean;
  readonly isMoment?: boolean;
}

export function measuresOf(record: RunRecord, about: MeasuredCase): Measures {
  const { faultStartMs, underFaultEndMs } = record.phases;
  const touched = record.sent.filter(({ endedAtMs }) => endedAtMs >= faultStartMs);
  const since = touched.filter(({ sentAtMs }) => sentAtMs >= faultStartMs);
  const failed = touched.filter(({ result }) => result !== "ok" && result !== "left");
  const failedByResult: Record<string, number> = {};
  for (const { result } of failed) failedByResult[result] = (failedByResult[result] ?? 0) + 1;
  const isUnderFault = ({ sentAtMs }: Sent) => sentAtMs < underFaultEndMs;
  return {
    requests: touched.length,
    failed: failed.length,
    failedRatio: failed.length / touched.length,
    failedByResult,
    ttft: ttftOf(since.filter(isUnderFault)),
    ttftAfter: ttftOf(since.filter((one) => !isUnderFault(one))),
    queue: queueOf(record, about),
    ...sharesOf(record, about),
    burstMaxOverMean: burstMaxOverMeanOf(record),
    burstLengthMs: burstLengthMsOf(record.sent),
    ejections: record.ejections,
    busyRatio: busyRatioOf(record),
    cpuRatio: record.cpuRatio,
    lateP99Ms: quantileOf(
      record.sent.map(({ lateMs }) => lateMs),
      0.99,
    ),
  };
}

function ttftOf(sent: readonly Sent[]): Quantiles {
  const ttfts = sent.flatMap(({ ttftMs }) => ttftMs ?? []);
  return {
    p50Ms: quantileOf(ttfts, 0.5),
    p90Ms: quantileOf(ttfts, 0.9),
    p99Ms: quantileOf(ttfts, 0.99),
    meanMs: ttfts.reduce((sum, one) => sum + one, 0) / ttfts.length,
  };
}

function queueOf(record: RunRecord, { isOfOne }: MeasuredCase): Measures["queue"] {
  const samples = record.samples.filter(({ atMs }) => atMs >= record.phases.faultStartMs);
  const longest = record.hostPorts.map((_, engine) =>
    Math.max(0, ...samples.map(({ waitingRequests }) => waitingRequests[engine] ?? 0)),
  );
  if (!isOfOne) return { worst: Math.max(...longest), others: medianOf(longest) };
  return {
    worst: longest[record.faultyEngine] ?? 0,
    others: medianOf(longest.filter((_, engine) => engine !== record.faultyEngine)),
  };
}

type Shares = Pick<Measures, "shareOfFair" | "noticedMs" | "returnedMs">;

function sharesOf(record: RunRecord, { isOfOne, isMoment = false }: MeasuredCase): Shares {
  if (!isOfOne) return { shareOfFair: undefined, noticedMs: undefined, returnedMs: undefined };
  const { faultStartMs, faultEndMs, underFaultEndMs, endMs } = record.phases;
  const shares = new SharesOfFair(record);
  const shareOfFair = shares.between(faultStartMs, underFaultEndMs);
  if (isMoment) {
    // Nothing is left to be noticed; what counts is how long the engine is avoided afterwards. The
    // first look is the first whose window has nothing of the time before.
    const firstLookMs = faultEndMs + shareWindowMs / 2;
    const returnedMs = returnedAfterMs(shares, firstLookMs, endMs);
    return {
      shareOfFair,
      noticedMs: undefined,
      returnedMs: returnedMs === 0 ? 0 : returnedMs + shareWindowMs / 2,
    };
  }
  const noticedMs = noticedAfterMs(shares, faultStartMs, faultEndMs);
  const returnedMs = Number.isFinite(noticedMs)
    ? returnedAfterMs(shares, faultEndMs, endMs)
    : undefined;
  return { shareOfFair, noticedMs, returnedMs };
}

/** The faulty engine's share of the requests that were sent to any engine, over its fair share. */
class SharesOfFair {
  readonly #sentAtMs: readonly number[];
  readonly #isToFaulty: readonly boolean[];
  readonly #engines: number;

  constructor({ sent, picks, hostPorts, faultyEngine }: RunRecord) {
    const sentToOne = sent
      .filter(({ id }) => picks.has(id))
      .toSorted((a, b) => a.sentAtMs - b.sentAtMs);
    this.#sentAtMs = sentToOne.map(({ sentAtMs }) => sentAtMs);
    this.#isToFaulty = sentToOne.map(({ id }) => picks.get(id) === hostPorts[faultyEngine]);
    this.#engines = hostPorts.length;
  }

  /** 0 where no request was sent. */
  between(fromMs: number, toMs: number): number {
    let all = 0;
    let toFaulty = 0;
    for (const [index, atMs] of this.#sentAtMs.entries()) {
      if (atMs < fromMs || atMs >= toMs) continue;
      all += 1;
      if (this.#isToFaulty[index] === true) toFaulty += 1;
    }
    return all === 0 ? 0 : (toFaulty / all) * this.#engines;
  }

  around(atMs: number): number {
    return this.between(atMs - shareWindowMs / 2, atMs + shareWindowMs / 2);
  }
}

/** The first moment from which on no share until the fault's end is half of the fair one or more. */
function noticedAfterMs(shares: SharesOfFair, faultStartMs: number, faultEndMs: number): number {
  let noticedAtMs = Number.POSITIVE_INFINITY;
  // What lies around later moments is no longer the fault's time alone.
  for (let atMs = faultEndMs - shareWindowMs / 2; atMs >= faultStartMs; atMs -= stepMs) {
    if (shares.around(atMs) >= 0.5) break;
    noticedAtMs = atMs;
  }
  return noticedAtMs - faultStartMs;
}

function returnedAfterMs(shares: SharesOfFair, faultEndMs: number, endMs: number): number {
  for (let atMs = faultEndMs; atMs <= endMs - shareWindowMs / 2; atMs += stepMs) {
    if (shares.around(atMs) >= 0.5) return atMs - faultEndMs;
  }
  return Number.POSITIVE_INFINITY;
}

function burstMaxOverMeanOf({ sent, picks, hostPorts }: RunRecord): number | undefined {
  const counts = new Map(hostPorts.map((hostPort) => [hostPort, 0]));
  let all = 0;
  for (const { id, isBurst } of sent) {
    const hostPort = picks.get(id);
    if (!isBurst || hostPort === undefined) continue;
    counts.set(hostPort, (counts.get(hostPort) ?? 0) + 1);
    all += 1;
  }
  return all === 0 ? undefined : Math.max(...counts.values()) / (all / hostPorts.length);
}

function burstLengthMsOf(sent: readonly Sent[]): number | undefined {
  const times = sent.filter(({ isBurst }) => isBurst).map(({ sentAtMs }) => sentAtMs);
  return times.length === 0 ? undefined : Math.max(...times) - Math.min(...times);
}

function busyRatioOf({ samples, phases, hostPorts }: RunRecord): number {
  // The first half of the warm-up fills the engines.
  const before = samples.filter(
    ({ atMs }) => atMs >= phases.faultStartMs / 2 && atMs < phases.faultStartMs,
  );
  const running = before.flatMap(({ runningRequests }) => runningRequests);
  const sum = running.reduce((total, one) => total + one, 0);
  return sum / Math.max(1, before.length) / (hostPorts.length * runningRequestsMax);
}

/** The smallest of the values that at least `share` of them do not exceed; NaN of none. */
function quantileOf(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

/** The middle value, or the mean of the two in the middle; NaN of none. */
export function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  const lower = sorted[Math.ceil(sorted.length / 2) - 1] ?? Number.NaN;
  return lower === upper ? upper : (lower + upper) / 2;
}
