import type { Endpoint } from "../../core/endpoint.ts";
import type { EjectionEvidence, HealthSettings, HealthState } from "../../core/health-settings.ts";
import type { Standing } from "../../core/pool-snapshot.ts";
import type { MembershipChange } from "../membership.ts";
import { AdapterNames } from "./adapter-names.ts";
import { Blame } from "./blame.ts";
import { breakTogether, PendingBreaks } from "./breaks.ts";
import { noteBusy } from "./busy.ts";
import { Clients } from "./clients.ts";
import type { EngineSigns } from "./engine-signs.ts";
import { HealthRow, othersOf } from "./health-row.ts";
import { lateAnswersMin } from "./late-answers.ts";
import { LateJudge } from "./late-judge.ts";
import { areFailing, failureOutlierOf, failureRatioOf } from "./outliers.ts";
import { type HealthEvent, Phases } from "./phases.ts";
import { ShortAnswers, shortRunOf, type TimedAnswer } from "./short-answers.ts";
import { stallOf } from "./stalls.ts";
import {
  type SentRequest,
  type TimedRequest,
  type Verdicts,
  WatchedRequest,
} from "./watched-request.ts";

/** Good answers in a row that end a trial. */
const trialsNeeded = 3;
/** First tokens of known work in a trial that show that it is still slow. */
const lateTrialsMin = 2;
/** Interval of checks for silence and refused connections. */
const lookMs = 250;
/** Minimum interval between two judgements of one endpoint's times. */
const lateLookMs = 500;

export interface EndpointHealthOptions {
  readonly onEvent: (event: HealthEvent) => void;
  readonly signs: EngineSigns;
  /** Slots of the pool. */
  readonly slotsMax?: number;
}

/**
 * Judges the health of endpoints by their answers and the reports of their engines.
 *
 *     ready --evidence--> ejected --its time is over, or it can be reached again--> trial: one request at a time
 *     trial --three good answers--> slow start --> ready;  --a bad one--> ejected, twice as long
 *
 * An endpoint is blamed only on evidence that its work, its clients and the others do not explain.
 */
export class EndpointHealth {
  readonly #signs: EngineSigns;
  readonly #rows = new Map<number, HealthRow>();
  readonly #phases: Phases;
  readonly #adapters = new AdapterNames();
  readonly #clients = new Clients();
  readonly #blame = new Blame();
  readonly #shorts = new ShortAnswers();
  readonly #breaks = new PendingBreaks<HealthRow>();
  readonly #late = new LateJudge(this.#rows, () => this.settings);
  readonly #verdicts: Verdicts = {
    succeeded: (row, request, nowMs) => this.#succeeded(row, request, nowMs),
    failed: (row, request, nowMs) => this.#failed(row, request, nowMs),
    unreached: (row, request, nowMs) => this.#unreached(row, request, nowMs),
    busy: (row, answer) =>
      noteBusy(row, { ...answer, areSeveral: this.#clients.areSeveral }, this.#phases),
    reached: (row) => this.#phases.resume(row),
    broke: (row, request, nowMs) => this.#broke(row, request, nowMs),
    batchOf: (row, nowMs) => row.batchOf(this.#signs.reportOf(row.endpoint.slot, nowMs)),
    timed: (row, timed, nowMs) => this.#timed(row, timed, nowMs),
  };
  #lookAtMs = Number.NEGATIVE_INFINITY;

  constructor({ onEvent, signs, slotsMax = 4_096 }: EndpointHealthOptions) {
    this.#phases = new Phases(this.#rows, { onEvent, slotsMax });
    this.#signs = signs;
  }

  get settings(): HealthSettings {
    return this.#phases.settings;
  }

  set settings(settings: HealthSettings) {
    this.#phases.settings = settings;
  }

  /** @param isFirst true when the pool starts, when no endpoint is newer than the others */
  follow({ added, removed, updated }: MembershipChange, isFirst: boolean, nowMs: number): void {
    for (const { slot } of removed) {
      this.#rows.get(slot)?.leave();
      this.#rows.delete(slot);
      this.#phases.forget(slot);
    }
    for (const endpoint of added) {
      const row = new HealthRow(endpoint);
      this.#rows.set(endpoint.slot, row);
      if (!isFirst) this.#phases.startSlowly(row, nowMs);
    }
    for (const endpoint of updated) {
      const row = this.#rows.get(endpoint.slot);
      if (row !== undefined) row.endpoint = endpoint;
    }
  }

  /**
   * Called when the engine has restarted: its usual times no longer hold, its cache is cold, and
   * the cause of its ejection may be gone with the process. A failing active check still counts.
   */
  restarted({ slot }: Endpoint, nowMs: number): void {
    const row = this.#rows.get(slot);
    if (row === undefined) return;
    row.forgetHistory();
    if (!row.isAway) return this.#phases.startSlowly(row, nowMs);
    if (!row.isCheckFailing) this.#phases.returned(row, nowMs);
  }

  /**
   * Brings `standing` up to date: checks for silence and refused connections, starts trials and
   * ends slow starts. Call it before each decision.
   */
  tick(nowMs: number): void {
    this.#judgeBreaks(nowMs);
    if (nowMs - this.#lookAtMs >= lookMs) this.#look(nowMs);
    this.#phases.tick(nowMs);
  }

  /** Standing of the endpoints for decisions, as of the last tick. */
  get standing(): Standing {
    return this.#phases.standing;
  }

  /** Notes a request sent to the endpoint; undefined if the endpoint has left. */
  sent(endpoint: Endpoint, request: SentRequest, nowMs: number): WatchedRequest | undefined {
    const { slot } = endpoint;
    const row = this.#rows.get(slot);
    if (row === undefined || !row.isOf(endpoint)) return undefined;
    this.#clients.note(request.client, nowMs);
    const report = this.#signs.reportOf(slot, nowMs);
    row.noteReport(report, nowMs);
    const adapters = this.#signs.adaptersOf(slot);
    const found = row.placeFor(report);
    // Loading an adapter takes time that no prompt explains.
    const isMissing = this.#adapters.isMissing(request.model, adapters);
    const place = isMissing ? { ...found, endsNeeded: undefined } : found;
    return new WatchedRequest(row, request, { nowMs, place, verdicts: this.#verdicts });
  }

  /** Notes a whole answer of the endpoint. */
  answered(endpoint: Endpoint, answer: TimedAnswer, nowMs: number): void {
    const row = this.#rows.get(endpoint.slot);
    if (row === undefined || !row.isOf(endpoint)) return;
    const isShort = this.#shorts.note(row, answer, nowMs);
    if (isShort !== true || row.phase === "ejected") return;
    const isStill = row.phase === "trial" && row.ejection.reason === "short";
    const evidence = isStill
      ? row.ejection.evidence
      : shortRunOf(row, this.settings, this.#rows.size);
    if (evidence === undefined) return;
    this.#phases.eject(row, { reason: "short", evidence, isDead: false }, nowMs);
  }

  /** Notes the result of an active check. */
  checked({ slot }: Endpoint, isWell: boolean, nowMs: number): void {
    const row = this.#rows.get(slot);
    if (row === undefined) return;
    row.isCheckFailing = !isWell;
    if (!isWell) {
      if (row.phase !== "ejected") {
        const evidence = { otherEndpoints: this.#rows.size - 1 };
        this.#phases.eject(row, { reason: "check", evidence, isDead: true }, nowMs);
      } else row.isDead = true;
      return;
    }
    if (row.phase !== "ejected") return;
    if (row.ejection.reason === "check") row.toTrial();
    else if (!row.contact.isRefusing) row.isDead = false;
  }

  /** Drops the results of active checks, because the configuration in force has none. */
  forgetChecks(): void {
    for (const row of this.#rows.values()) {
      if (!row.isCheckFailing) continue;
      row.isCheckFailing = false;
      if (row.phase === "ejected" && row.ejection.reason === "check") row.toTrial();
    }
  }

  /** State of the endpoint, with the reason if it is ejected or on trial. */
  stateOf({ slot }: Endpoint): HealthState {
    const row = this.#rows.get(slot);
    if (row === undefined) return { phase: "ready" };
    const { phase, ejection, isDead } = row;
    if (!row.isAway) return { phase: row.pause === undefined ? phase : "paused" };
    return { phase, reason: ejection.reason, isDead, evidence: ejection.evidence };
  }

  #failed(row: HealthRow, { isTrial, sent }: WatchedRequest, nowMs: number): void {
    row.badSinceGood += 1;
    if (this.#blame.isRequests(sent, row, nowMs)) return;
    row.failed(sent, nowMs);
    const { settings } = this;
    const others = othersOf(row, this.#rows);
    if (isTrial && row.phase === "trial") {
      if (areFailing(others, nowMs)) return;
      const isDead = row.ejection.isDead || row.contact.isRefusing;
      return this.#phases.eject(row, { ...row.ejection, isDead }, nowMs);
    }
    if (row.isAway) return;
    if (row.contact.isRefusing) return this.#lookAtRefusals(row, nowMs);
    const outlier = failureOutlierOf(row, others, { settings, nowMs });
    if (outlier === undefined) return;
    const hasOthers = this.#clients.areSeveral;
    if (this.#blame.isOneSource(row, outlier, { hasOthers, nowMs })) return;
    const { reason, evidence } = outlier;
    // The failures of one client alone may be its own.
    const isDead = outlier.isHopeless && (row.failsManyClients || !hasOthers);
    this.#phases.eject(row, { reason, evidence, isDead }, nowMs);
  }

  /** A connection that fails is never the fault of its request. The endpoint gets no more until something answers there. */
  #unreached(row: HealthRow, { isTrial, sent, sentMs }: WatchedRequest, nowMs: number): void {
    row.badSinceGood += 1;
    row.unreachedInRow += 1;
    row.failed(sent, nowMs);
    const { failuresInRowMax } = this.settings;
    if (isTrial && row.phase === "trial") {
      if (areFailing(othersOf(row, this.#rows), nowMs)) return;
      return this.#phases.eject(row, { ...row.ejection, isDead: true }, nowMs);
    }
    if (row.isAway) return;
    row.contact.look(row.endpoint.slot, this.#signs);
    if (row.contact.isRefusing) return this.#lookAtRefusals(row, nowMs);
    if (failuresInRowMax === 0) return;
    row.pause?.failed(sentMs, nowMs);
    this.#phases.pause(row, { reason: "refused" }, nowMs);
    const { unreachedInRow } = row;
    if (unreachedInRow < failuresInRowMax) return;
    const othersGoodMs = Math.max(...othersOf(row, this.#rows).map(({ lastGoodMs }) => lastGoodMs));
    // Otherwise the cause may be the proxy's.
    if (!(othersGoodMs > row.failingSinceMs)) return;
    const evidence = {
      unreachedInRow,
      failuresInRowMax,
      othersAnsweredMsAgo: nowMs - othersGoodMs,
    };
    this.#phases.eject(row, { reason: "refused", evidence, isDead: true }, nowMs);
  }

  #succeeded(row: HealthRow, { isTrial, isLastResort, sent }: WatchedRequest, nowMs: number): void {
    row.succeeded(nowMs);
    this.#blame.succeeded(sent, row, nowMs);
    if (isLastResort && row.phase === "ejected" && !row.isCheckFailing) row.toTrial();
    else if (!isTrial || row.phase !== "trial") return;
    row.trialsPassed += 1;
    if (row.trialsPassed < trialsNeeded) return;
    const trial = { answersMin: lateTrialsMin, isSure: true };
    const late =
      row.ejection.reason === "slow" ? this.#late.ofAnswers(row, trial, nowMs) : undefined;
    if (late === undefined) return this.#phases.returned(row, nowMs);
    this.#phases.eject(row, { reason: "slow", evidence: late, isDead: false }, nowMs);
  }

  /** Either a client left or the engine broke: only many breaks at once prove the latter. */
  #broke(row: HealthRow, { sent }: WatchedRequest, nowMs: number): void {
    this.#judgeBreaks(nowMs);
    this.#breaks.note(row, sent.client, nowMs);
    row.badSinceGood += 1;
    if (row.isAway) return;
    if (this.settings.failuresInRowMax > 0 && breakTogether(row, nowMs)) {
      this.#phases.pause(row, { reason: "broke" }, nowMs);
    }
    this.#lookAtRefusals(row, nowMs);
  }

  /** Breaks are judged a moment later, since those of the others may arrive after them. */
  #judgeBreaks(nowMs: number): void {
    for (const { row, evidence } of this.#breaks.settled(this.#rows.values(), nowMs)) {
      if (row.isAway || row.hasLeft) continue;
      this.#phases.eject(row, { reason: "broken", evidence, isDead: false }, nowMs);
    }
  }

  #timed(row: HealthRow, timed: TimedRequest, nowMs: number): void {
    const { ttftMs, work, isUsual } = timed;
    const logUsual = row.pace.curve.logUsual(work);
    if (isUsual && !row.isAway) row.pace.note(timed);
    if (logUsual === undefined) return;
    row.late.note({ ...timed, logUsual });
    // Most answers end here.
    if (Math.log(Math.max(1, ttftMs)) - logUsual <= Math.log(this.settings.ttftFactorMax)) return;
    if (nowMs - row.lateLookAtMs < lateLookMs || !this.#late.hasRoom(nowMs)) return;
    row.lateLookAtMs = nowMs;
    const answers = { answersMin: lateAnswersMin, isSure: false };
    const evidence = this.#late.ofAnswers(row, answers, nowMs);
    if (evidence === undefined) return this.#lookAtRun(row, "answer", nowMs);
    if (row.phase === "ready")
      this.#phases.eject(row, { reason: "slow", evidence, isDead: false }, nowMs);
  }

  /** Called without an answer too, since waiting requests count here. */
  #lookAtRun(row: HealthRow, cause: "answer" | "look", nowMs: number): void {
    if (row.phase !== "ready") return;
    const evidence = this.#late.ofRun(row, cause, nowMs);
    if (evidence === undefined) return;
    this.#phases.eject(row, { reason: "slow", evidence, isDead: false }, nowMs);
  }

  /** Checks for silence and refused connections, which no answer reveals. */
  #look(nowMs: number): void {
    this.#lookAtMs = nowMs;
    const { stallMs } = this.settings;
    for (const row of this.#late.inTurn()) {
      const { slot } = row.endpoint;
      this.#lookAtRefusals(row, nowMs);
      if (row.phase === "ejected") row.lookWhileEjected();
      this.#adapters.note(this.#signs.adaptersOf(slot));
      if (row.phase === "ejected" || row.openRequests === 0) continue;
      this.#lookAtRun(row, "look", nowMs);
      const report = this.#signs.reportOf(slot, nowMs);
      row.noteReport(report, nowMs);
      const stall = stallOf(row, report, { stallMs, nowMs });
      if (stall === undefined) continue;
      const othersAnsweredMsAgo = this.#othersAnsweredMsAgo(row, nowMs);
      const evidence = { ...stall, othersAnsweredMsAgo };
      if (row.phase !== "trial" && !this.#areOthersAnswering(row, evidence)) continue;
      const isDead = row.contact.isOutOfReach;
      this.#phases.eject(row, { reason: "stalled", evidence, isDead }, nowMs);
    }
  }

  /** Combines two kinds of evidence, each weak alone: failed requests and refused scrapes. */
  #lookAtRefusals(row: HealthRow, nowMs: number): void {
    row.contact.look(row.endpoint.slot, this.#signs);
    if (row.phase === "ejected" || row.badSinceGood === 0 || !row.contact.isRefusing) return;
    const evidence = {
      refusedInRow: row.contact.refusedInRow,
      badAnswersInRow: row.badSinceGood,
      othersFailureRatio: failureRatioOf(othersOf(row, this.#rows), nowMs),
    };
    this.#phases.eject(row, { reason: "refused", evidence, isDead: true }, nowMs);
  }

  /**
   * Milliseconds since another endpoint's last answer. If none answers, the cause is not this
   * endpoint.
   */
  #othersAnsweredMsAgo(row: HealthRow, nowMs: number): number {
    let last = Number.NEGATIVE_INFINITY;
    for (const other of this.#rows.values()) {
      if (other !== row) last = Math.max(last, other.waits.lastAnswerMs);
    }
    return nowMs - last;
  }

  /**
   * True if another endpoint has answered lately; or since this one fell silent, and no request waits at any other, as
   * when all clients wait here.
   */
  #areOthersAnswering(row: HealthRow, evidence: EjectionEvidence): boolean {
    const {
      othersAnsweredMsAgo = Number.POSITIVE_INFINITY,
      patienceMs = 0,
      silentMs = 0,
    } = evidence;
    if (othersAnsweredMsAgo <= patienceMs) return true;
    return (
      othersAnsweredMsAgo < silentMs &&
      othersOf(row, this.#rows).every(({ openRequests }) => openRequests === 0)
    );
  }
}
