import type { Endpoint } from "../../core/endpoint.ts";
import type { EjectionEvidence, EjectionReason, HealthPhase } from "../../core/health-settings.ts";
import { EndpointPace } from "../pace/endpoint-pace.ts";
import type { FailedRequest } from "./blame.ts";
import { Breaks } from "./breaks.ts";
import { Contact } from "./contact.ts";
import type { EngineReport } from "./engine-signs.ts";
import { LateAnswers, type TimedAnswer } from "./late-answers.ts";
import { OutcomeWindow } from "./outcome-window.ts";
import { WaitingLine } from "./waiting-line.ts";
import { Waits } from "./waits.ts";
import type { BatchState, PlaceFound, WatchedRequest } from "./watched-request.ts";

/** An ejection counts as a further one when it follows the return within this many times the last one's length. */
const memoryFactor = 6;
/** Failures that are remembered with who sent them, and for how long. */
const failuresMax = 8;
const failureMs = 30_000;
/** From this share of the most requests that an engine was seen to run on, one more may wait for a place. */
const fullRatio = 0.9;
/** From this share of its KV cache on, a prompt may wait for room. */
const fullCacheRatio = 0.95;

/** Why, for how long and by what numbers a row is ejected. */
export interface Ejection {
  readonly reason: EjectionReason;
  readonly evidence: EjectionEvidence;
  readonly isDead: boolean;
}

interface NotedFailure extends FailedRequest {
  readonly atMs: number;
}

/** What is known of the health of one endpoint; all times are monotonic milliseconds. */
export class HealthRow {
  endpoint: Endpoint;
  phase: HealthPhase = "ready";
  #hasLeft = false;
  /** The last ejection. */
  ejection: Ejection = { reason: "failures", evidence: {}, isDead: false };
  /** Nothing answers there, as far as is known. */
  isDead = false;
  /** An active check said so last. */
  isCheckFailing = false;
  /** End of the ejection. */
  untilMs = 0;
  /** Beginning of the slow start. */
  sinceMs = 0;
  /** The first of the ejections without a return between them, and the last of all. */
  ejectedAtMs = 0;
  lastEjectedAtMs = 0;
  returnedAtMs = Number.NEGATIVE_INFINITY;
  failuresInRow = 0;
  /** Failures and broken streams since the last good answer. */
  badSinceGood = 0;
  readonly window = new OutcomeWindow();
  readonly breaks = new Breaks();
  readonly late = new LateAnswers();
  readonly waits = new Waits();
  readonly line = new WaitingLine<WatchedRequest>();
  readonly contact = new Contact();
  pace = new EndpointPace();
  /** The most requests that the engine ever said it runs. */
  mostRunning = 0;
  /** Requests sent that are not over. */
  openRequests = 0;
  trialsOpen = 0;
  trialsPassed = 0;
  /** Monotonic milliseconds of the last look whether it is late. */
  lateLookAtMs = Number.NEGATIVE_INFINITY;
  #failures: readonly NotedFailure[] = [];
  /** Readings that had been answered when it was out of reach; undefined where it never was. */
  #answeredBefore: number | undefined;
  /** Milliseconds of the last ejection. */
  #ejectionMs = 0;

  constructor(endpoint: Endpoint) {
    this.endpoint = endpoint;
  }

  /** Its endpoint has left the pool; requests of it may still be under way, and tell nothing. */
  get hasLeft(): boolean {
    return this.#hasLeft;
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

  /** The last failures, whatever came between them. */
  failuresLately(nowMs: number): readonly FailedRequest[] {
    return this.#failures.filter(({ atMs }) => nowMs - atMs < failureMs);
  }

  failed({ client, kind }: FailedRequest, nowMs: number): void {
    this.failuresInRow += 1;
    this.#failures = [...this.#failures, { client, kind, atMs: nowMs }].slice(-failuresMax);
    this.window.note(true, nowMs);
  }

  succeeded(nowMs: number): void {
    this.failuresInRow = 0;
    this.badSinceGood = 0;
    this.window.note(false, nowMs);
    this.contact.served();
  }

  /** Returns the milliseconds of the ejection: twice those of the last one where that was not long ago. */
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
    this.trialsPassed = 0;
    this.#answeredBefore = this.contact.isOutOfReach ? this.contact.answered : undefined;
    return this.#ejectionMs;
  }

  /** Looks whether an ejected endpoint refuses to be read. */
  lookWhileEjected(): void {
    if (!this.contact.isRefusing) return;
    this.isDead = true;
    this.#answeredBefore ??= this.contact.answered;
  }

  /**
   * True if one request may be spent on a trial. While connections are refused, scrapes try instead, and a request is spent
   * only once in the longest ejection, in case the scrapes use a wrong address.
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

  /** A new process has no usual times. */
  forgetHistory(): void {
    this.pace = new EndpointPace();
    this.mostRunning = 0;
    this.forgetRecent();
  }

  forgetRecent(): void {
    this.window.clear();
    this.#failures = [];
    this.breaks.clear();
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

  /** The batch as a request finds it that is sent now. */
  placeFor(report: EngineReport | undefined): PlaceFound {
    const isFull = report === undefined || this.#isFull(report);
    return { endsNeeded: this.#endsNeeded(report), isFull };
  }

  /** The batch at the moment of a first token. */
  batchOf(report: EngineReport | undefined): BatchState {
    if (report === undefined || this.#hasForeign(report)) return "held-up";
    if (!(report.waitingRequests > 0)) return "free";
    if (report.kvCacheUsedRatio >= fullCacheRatio) return "held-up";
    return this.#isFull(report) ? "full" : "free";
  }

  /** Undefined for room in the cache, which may be lacking, and for requests that we did not send. */
  #endsNeeded(report: EngineReport | undefined): number | undefined {
    if (report === undefined || this.#hasForeign(report)) return undefined;
    const { runningRequests, waitingRequests, kvCacheUsedRatio, foreignRequests } = report;
    if (kvCacheUsedRatio >= fullCacheRatio) return undefined;
    // Nothing was seen to run there yet, so nothing is known of its room.
    if (this.mostRunning === 0) return 0;
    // Some that it reports may have ended since for us and not for it. NaN stands for none.
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
