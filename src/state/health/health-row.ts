import type { Endpoint } from "../../core/endpoint.ts";
import type { EjectionEvidence, EjectionReason, HealthPhase } from "../../core/health-settings.ts";
import { identityOf } from "../membership.ts";
import { EndpointPace } from "../pace/endpoint-pace.ts";
import type { FailedRequest } from "./blame.ts";
import { Breaks } from "./breaks.ts";
import { Contact } from "./contact.ts";
import type { EngineReport } from "./engine-signs.ts";
import { LateAnswers, type TimedAnswer } from "./late-answers.ts";
import { OutcomeWindow } from "./outcome-window.ts";
import type { Pause } from "./pause.ts";
import { ShortRun } from "./short-answers.ts";
import { WaitingLine } from "./waiting-line.ts";
import { Waits } from "./waits.ts";
import type { BatchState, PlaceFound, WatchedRequest } from "./watched-request.ts";

/**
 * An ejection counts as a repeat if it follows the return within this many times the last one's
 * length.
 */
const memoryFactor = 6;
/** Failures that are kept with their client and request, and the time for which they count. */
const failuresMax = 8;
const failureMs = 30_000;
/**
 * Share of the most requests ever seen running at an engine from which on one more may have to wait
 * for a place.
 */
const fullRatio = 0.9;
/** Share of its KV cache from which on a prompt may have to wait for room. */
const fullCacheRatio = 0.95;

/** Reason, evidence and severity of an ejection. */
export interface Ejection {
  readonly reason: EjectionReason;
  readonly evidence: EjectionEvidence;
  readonly isDead: boolean;
}

interface NotedFailure extends FailedRequest {
  readonly atMs: number;
}

/** State of the health of one endpoint; all times are monotonic milliseconds. */
export class HealthRow {
  endpoint: Endpoint;
  phase: HealthPhase = "ready";
  #hasLeft = false;
  /** The last ejection. */
  ejection: Ejection = { reason: "failures", evidence: {}, isDead: false };
  /** True if nothing is known to answer there. */
  isDead = false;
  /** Result of the last active check. */
  isCheckFailing = false;
  /** End of the ejection. */
  untilMs = 0;
  /** Start of the slow start. */
  sinceMs = 0;
  /** The first of the ejections without a return between them, and the last one. */
  ejectedAtMs = 0;
  lastEjectedAtMs = 0;
  returnedAtMs = Number.NEGATIVE_INFINITY;
  failuresInRow = 0;
  /** Connections that failed since the last good answer. */
  unreachedInRow = 0;
  /** Clients of the requests that were turned away since the last good answer, because it is busy. */
  busyClients: readonly (number | undefined)[] = [];
  /** Time of the first failure since the last good answer, and of that answer. */
  #failingSinceMs = 0;
  lastGoodMs = Number.NEGATIVE_INFINITY;
  /** Undefined unless connections fail. */
  pause: Pause | undefined;
  /** Failures and broken streams since the last good answer. */
  badSinceGood = 0;
  readonly window = new OutcomeWindow();
  readonly breaks = new Breaks();
  readonly late = new LateAnswers();
  readonly shorts = new ShortRun();
  readonly waits = new Waits();
  readonly line = new WaitingLine<WatchedRequest>();
  readonly contact = new Contact();
  pace = new EndpointPace();
  /** The most running requests that the engine ever reported. */
  mostRunning = 0;
  /** Requests sent that have not ended. */
  openRequests = 0;
  trialsOpen = 0;
  trialsPassed = 0;
  /** Monotonic milliseconds of the last judgement of its times. */
  lateLookAtMs = Number.NEGATIVE_INFINITY;
  #failures: readonly NotedFailure[] = [];
  /** Answered scrapes when it went out of reach; undefined if it never did. */
  #answeredBefore: number | undefined;
  /** Milliseconds of the last ejection. */
  #ejectionMs = 0;

  constructor(endpoint: Endpoint) {
    this.endpoint = endpoint;
  }

  /**
   * True if its endpoint has left the pool. Its requests may still be under way, but no longer count.
   */
  get hasLeft(): boolean {
    return this.#hasLeft;
  }

  /** True for this row's endpoint, also if its labels were others; false for an earlier one of its slot. */
  isOf(endpoint: Endpoint): boolean {
    return endpoint === this.endpoint || identityOf(endpoint) === identityOf(this.endpoint);
  }

  leave(): void {
    this.#hasLeft = true;
  }

  get isAway(): boolean {
    return this.phase === "ejected" || this.phase === "trial";
  }

  /** True if the failures since the last good answer were those of several clients. */
  get failsManyClients(): boolean {
    return new Set(this.failuresNow.map(({ client }) => client)).size > 1;
  }

  /** The last failures since the last good answer. */
  get failuresNow(): readonly FailedRequest[] {
    return this.#failures.slice(-Math.max(1, this.failuresInRow));
  }

  /** The failures within the time for which they count, also those before a good answer. */
  failuresLately(nowMs: number): readonly FailedRequest[] {
    return this.#failures.filter(({ atMs }) => nowMs - atMs < failureMs);
  }

  /** True if requests cannot reach it, as far as is known. */
  get isUnreachable(): boolean {
    const isRefused = this.ejection.reason === "refused";
    if (this.phase === "ejected") return this.isDead && isRefused;
    return this.phase === "trial" ? isRefused : this.pause?.isRefused === true;
  }

  /** Time of the first failure since the last good answer; meaningless without one. */
  get failingSinceMs(): number {
    return this.#failingSinceMs;
  }

  failed({ client, kind }: FailedRequest, nowMs: number): void {
    if (this.failuresInRow === 0) this.#failingSinceMs = nowMs;
    this.failuresInRow += 1;
    this.#failures = [...this.#failures, { client, kind, atMs: nowMs }].slice(-failuresMax);
    this.window.note(true, nowMs);
  }

  succeeded(nowMs: number): void {
    this.failuresInRow = 0;
    this.badSinceGood = 0;
    this.unreachedInRow = 0;
    if (this.busyClients.length > 0) this.busyClients = [];
    this.lastGoodMs = nowMs;
    this.window.note(false, nowMs);
    this.contact.served();
  }

  /** Returns the milliseconds of the ejection: twice those of the last one if that was recent. */
  eject(
    ejection: Ejection,
    nowMs: number,
    { ejectionMs, ejectionMsMax }: { readonly ejectionMs: number; readonly ejectionMsMax: number },
  ): number {
    const isFurther =
      this.phase === "trial" || nowMs - this.returnedAtMs < memoryFactor * this.#ejectionMs;
    if (!this.isAway) this.ejectedAtMs = nowMs;
    this.lastEjectedAtMs = nowMs;
    this.#ejectionMs = isFurther ? Math.min(ejectionMsMax, this.#ejectionMs * 2) : ejectionMs;
    this.phase = "ejected";
    this.ejection = ejection;
    this.isDead = ejection.isDead;
    this.untilMs = nowMs + this.#ejectionMs;
    this.failuresInRow = 0;
    this.unreachedInRow = 0;
    this.pause = undefined;
    this.trialsPassed = 0;
    this.#answeredBefore = this.contact.isOutOfReach ? this.contact.answered : undefined;
    return this.#ejectionMs;
  }

  /** Marks an ejected endpoint as dead if it refuses scrapes. */
  lookWhileEjected(): void {
    if (!this.contact.isRefusing) return;
    this.isDead = true;
    this.#answeredBefore ??= this.contact.answered;
  }

  /**
   * True if one request may be spent on a trial. While connections are refused, scrapes try
   * instead, and a request is spent only once in the longest ejection, in case the scrapes use a
   * wrong address.
   */
  isDueForTrial(nowMs: number, ejectionMsMax: number): boolean {
    if (this.isCheckFailing) return false;
    if (this.#answeredBefore !== undefined && this.contact.answered > this.#answeredBefore)
      return true;
    if (this.contact.isRefusing) return nowMs >= this.lastEjectedAtMs + ejectionMsMax;
    return nowMs >= this.untilMs;
  }

  toTrial(): void {
    this.phase = "trial";
    this.isDead = false;
    this.trialsPassed = 0;
    this.badSinceGood = 0;
    this.late.clear();
  }

  /** Drops all usual times, since a new process has none. */
  forgetHistory(): void {
    this.pace = new EndpointPace();
    this.mostRunning = 0;
    this.forgetRecent();
  }

  forgetRecent(): void {
    this.window.clear();
    this.#failures = [];
    this.breaks.clear();
    this.shorts.clear();
    this.late.clear();
  }

  noteReport(report: EngineReport | undefined, nowMs: number): void {
    this.waits.noteReport(report, nowMs);
    if (report !== undefined && report.runningRequests > this.mostRunning) {
      this.mostRunning = report.runningRequests;
    }
  }

  /** Requests that have a place and wait for a first token, with their times up to now. */
  waitingSoFar(nowMs: number): readonly TimedAnswer[] {
    return this.line.placed(nowMs).flatMap((request) => {
      const timed = request.timedSoFar(nowMs);
      const logUsual = this.pace.curve.logUsual(timed.work);
      return logUsual === undefined ? [] : [{ ...timed, logUsual, isWaiting: true }];
    });
  }

  /** The batch as a request sent now finds it. */
  placeFor(report: EngineReport | undefined): PlaceFound {
    const isFull = report === undefined || this.#isFull(report);
    return { endsNeeded: this.#endsNeeded(report), isFull };
  }

  /** The batch at the time of a first token. */
  batchOf(report: EngineReport | undefined): BatchState {
    if (report === undefined || this.#hasForeign(report)) return "held-up";
    if (!(report.waitingRequests > 0)) return "free";
    if (report.kvCacheUsedRatio >= fullCacheRatio) return "held-up";
    return this.#isFull(report) ? "full" : "free";
  }

  /** Undefined if the cache may lack room, or if requests that we did not send run there. */
  #endsNeeded(report: EngineReport | undefined): number | undefined {
    if (report === undefined || this.#hasForeign(report)) return undefined;
    const { runningRequests, waitingRequests, kvCacheUsedRatio, foreignRequests } = report;
    if (kvCacheUsedRatio >= fullCacheRatio) return undefined;
    // No request was seen running there yet, so its room is unknown.
    if (this.mostRunning === 0) return 0;
    // Requests may have ended for us that the engine still counted. NaN counts as none.
    const reported = runningRequests + (waitingRequests || 0);
    const surplus = Math.max(foreignRequests || 0, reported - this.openRequests || 0, 0);
    return Math.max(0, this.openRequests + 1 + surplus - this.mostRunning);
  }

  /** True if it runs about as many requests as it was ever seen to run. */
  #isFull({ runningRequests }: EngineReport): boolean {
    return runningRequests > 0 && runningRequests >= fullRatio * this.mostRunning;
  }

  #hasForeign({ foreignRequests }: EngineReport): boolean {
    return foreignRequests > 1 + this.openRequests / 4;
  }
}

/** The endpoints of a pool but for one. */
export function othersOf(row: HealthRow, rows: ReadonlyMap<number, HealthRow>): HealthRow[] {
  return [...rows.values()].filter((other) => other !== row);
}
