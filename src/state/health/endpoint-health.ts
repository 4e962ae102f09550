import type { Endpoint } from "../../core/endpoint.ts";
import type {
  EjectionEvidence,
  EjectionReason,
  HealthSettings,
  HealthState,
} from "../../core/health-settings.ts";
import type { Standing } from "../../core/pool-snapshot.ts";
import type { MembershipChange } from "../membership.ts";
import { AdapterNames } from "./adapter-names.ts";
import { Blame } from "./blame.ts";
import { breakEvidenceOf } from "./breaks.ts";
import { Clients } from "./clients.ts";
import { hasEjectionRoom } from "./ejection-room.ts";
import type { EngineSigns } from "./engine-signs.ts";
import { type Ejection, HealthRow } from "./health-row.ts";
import { latenessOf, lateAnswersMin } from "./late-answers.ts";
import { areFailing, failureOutlierOf, failureRatioOf } from "./outliers.ts";
import { stallOf } from "./stalls.ts";
import { StandingColumns } from "./standing.ts";
import {
  type SentRequest,
  type TimedRequest,
  type Verdicts,
  WatchedRequest,
} from "./watched-request.ts";

export const defaultHealth: HealthSettings = {
  failuresInRowMax: 3,
  failureRatioMax: 0.1,
  ttftFactorMax: 3,
  stallMs: 10_000,
  ejectionMs: 10_000,
  ejectionMsMax: 300_000,
  ejectedRatioMax: 0.5,
  slowStartMs: 10_000,
  hasLastResort: true,
};

/** Good answers in a row that end a trial. */
const trialsNeeded = 3;
/** First tokens of known work in a trial that show it to be still slow. */
const lateTrialsMin = 2;
/** Time between two looks for silence and refused connections. */
const lookMs = 250;
/** Between two judgements of one endpoint's times. */
const lateLookMs = 500;

/** What became of an endpoint's standing, for logs and metrics. */
export interface HealthEvent {
  readonly endpoint: Endpoint;
  readonly kind: "ejected" | "returned";
  readonly reason: EjectionReason;
  /** Milliseconds of the ejection; for a return, milliseconds since the first ejection. */
  readonly ms: number;
  /** The numbers that led to the ejection. */
  readonly evidence: EjectionEvidence;
}

export interface EndpointHealthOptions {
  readonly onEvent: (event: HealthEvent) => void;
  readonly signs: EngineSigns;
  /** Slots of the pool. */
  readonly slotsMax?: number;
}

/**
 * Which endpoints are believed to be well, from how their answers go and what their engines report.
 *
 *     ready --evidence--> ejected --its time is over, or it can be reached again--> trial: one request at a time
 *     trial --three good answers--> slow start --> ready;  --a bad one--> ejected, twice as long
 *
 * An endpoint is blamed only on evidence that its work, its clients and the others do not explain.
 */
export class EndpointHealth {
  settings: HealthSettings = defaultHealth;
  readonly #onEvent: (event: HealthEvent) => void;
  readonly #signs: EngineSigns;
  readonly #rows = new Map<number, HealthRow>();
  /** Slots that are not simply ready: most of the time there is none. */
  readonly #special = new Set<number>();
  readonly #standing: StandingColumns;
  readonly #adapters = new AdapterNames();
  readonly #clients = new Clients();
  readonly #blame = new Blame();
  readonly #verdicts: Verdicts = {
    succeeded: (row, request, nowMs) => this.#succeeded(row, request, nowMs),
    failed: (row, request, nowMs) => this.#failed(row, request, nowMs),
    broke: (row, request, nowMs) => this.#broke(row, request, nowMs),
    lacksPlace: (row, nowMs) =>
      row.mayLackPlace(this.#signs.reportOf(row.endpoint.slot, nowMs), true),
    timed: (row, timed, nowMs) => this.#timed(row, timed, nowMs),
  };
  #lookAtMs = Number.NEGATIVE_INFINITY;

  constructor({ onEvent, signs, slotsMax = 4_096 }: EndpointHealthOptions) {
    this.#onEvent = onEvent;
    this.#signs = signs;
    this.#standing = new StandingColumns(slotsMax);
  }

  /** `isFirst`: the pool's beginning, when no endpoint is newer than the others. */
  follow({ added, removed, updated }: MembershipChange, isFirst: boolean, nowMs: number): void {
    for (const { slot } of removed) {
      this.#rows.get(slot)?.leave();
      this.#rows.delete(slot);
      this.#special.delete(slot);
    }
    for (const endpoint of added) {
      const row = new HealthRow(endpoint);
      this.#rows.set(endpoint.slot, row);
      if (!isFirst) this.#startSlowly(row, nowMs);
    }
    for (const endpoint of updated) {
      const row = this.#rows.get(endpoint.slot);
      if (row !== undefined) row.endpoint = endpoint;
    }
  }

  /**
   * The engine has started anew: what was usual says nothing any more, its cache is cold, and what it was ejected for
   * may have ended with the process. An active check goes on to say how it is.
   */
  restarted({ slot }: Endpoint, nowMs: number): void {
    const row = this.#rows.get(slot);
    if (row === undefined) return;
    row.forgetHistory();
    if (!row.isAway) return this.#startSlowly(row, nowMs);
    if (!row.isCheckFailing) this.#returned(row, nowMs);
  }

  /**
   * Brings `standing` up to date: looks for silence and refused connections, lets trials begin and slow starts end. Call it
   * before each decision.
   */
  tick(nowMs: number): void {
    if (nowMs - this.#lookAtMs >= lookMs) this.#look(nowMs);
    if (this.#special.size === 0 && !this.#standing.hasExceptions) return;
    for (const row of this.#specialRows()) this.#advance(row, nowMs);
    this.#standing.write(this.#specialRows(), { slowStartMs: this.settings.slowStartMs, nowMs });
  }

  /** What decisions go by, as of the last tick. */
  get standing(): Standing {
    return this.#standing;
  }

  /** A request is sent to the endpoint. */
  sent({ slot }: Endpoint, request: SentRequest, nowMs: number): WatchedRequest | undefined {
    const row = this.#rows.get(slot);
    if (row === undefined) return undefined;
    this.#clients.note(request.client, nowMs);
    const report = this.#signs.reportOf(slot, nowMs);
    row.noteReport(report, nowMs);
    const adapters = this.#signs.adaptersOf(slot);
    const isTimed =
      !row.mayLackPlace(report, false) && !this.#adapters.isMissing(request.model, adapters);
    return new WatchedRequest(row, request, { nowMs, isTimed, verdicts: this.#verdicts });
  }

  /** An active check says how the endpoint is. */
  checked({ slot }: Endpoint, isWell: boolean, nowMs: number): void {
    const row = this.#rows.get(slot);
    if (row === undefined) return;
    row.isCheckFailing = !isWell;
    if (!isWell) {
      if (row.phase !== "ejected") {
        const evidence = { otherEndpoints: this.#rows.size - 1 };
        this.#eject(row, { reason: "check", evidence, isDead: true }, nowMs);
      } else row.isDead = true;
      return;
    }
    if (row.phase !== "ejected") return;
    if (row.ejection.reason === "check") row.toTrial();
    else if (!row.contact.isRefusing) row.isDead = false;
  }

  /** What an endpoint may be given, and why it may not be given more. */
  stateOf({ slot }: Endpoint): HealthState {
    const row = this.#rows.get(slot);
    if (row === undefined) return { phase: "ready" };
    const { phase, ejection, isDead } = row;
    if (!row.isAway) return { phase };
    return { phase, reason: ejection.reason, isDead, evidence: ejection.evidence };
  }

  *#specialRows(): Iterable<HealthRow> {
    for (const slot of this.#special) {
      const row = this.#rows.get(slot);
      if (row !== undefined) yield row;
    }
  }

  /** Begins a trial and ends a slow start when it is time. */
  #advance(row: HealthRow, nowMs: number): void {
    const { ejectionMsMax, slowStartMs } = this.settings;
    if (row.phase === "ejected" && row.isDueForTrial(nowMs, ejectionMsMax)) row.toTrial();
    if (row.phase === "slow-start" && nowMs - row.sinceMs >= slowStartMs) this.#setReady(row);
  }

  #failed(row: HealthRow, { isTrial, sent }: WatchedRequest, nowMs: number): void {
    row.badSinceGood += 1;
    if (this.#blame.isRequests(sent, row, nowMs)) return;
    row.failed(sent, nowMs);
    const { settings } = this;
    const others = this.#othersOf(row);
    if (isTrial && row.phase === "trial") {
      if (areFailing(others, nowMs)) return;
      const isDead = row.ejection.isDead || row.contact.isRefusing;
      return this.#eject(row, { ...row.ejection, isDead }, nowMs);
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
    this.#eject(row, { reason, evidence, isDead }, nowMs);
  }

  #succeeded(row: HealthRow, { isTrial, isLastResort, sent }: WatchedRequest, nowMs: number): void {
    row.succeeded(nowMs);
    this.#blame.succeeded(sent, row, nowMs);
    if (isLastResort && row.phase === "ejected" && !row.isCheckFailing) row.toTrial();
    else if (!isTrial || row.phase !== "trial") return;
    row.trialsPassed += 1;
    if (row.trialsPassed < trialsNeeded) return;
    const late =
      row.ejection.reason === "slow" ? this.#latenessOf(row, lateTrialsMin, nowMs) : undefined;
    if (late === undefined) return this.#returned(row, nowMs);
    this.#eject(row, { reason: "slow", evidence: late, isDead: false }, nowMs);
  }

  #returned(row: HealthRow, nowMs: number): void {
    const { reason, evidence } = row.ejection;
    const ms = nowMs - row.ejectedAtMs;
    this.#onEvent({ endpoint: row.endpoint, kind: "returned", reason, ms, evidence });
    row.returnedAtMs = nowMs;
    this.#startSlowly(row, nowMs);
  }

  /** Either a client left or the engine broke: only many breaks at once prove the latter. */
  #broke(row: HealthRow, { sent }: WatchedRequest, nowMs: number): void {
    row.breaks.note(sent.client, nowMs);
    row.badSinceGood += 1;
    if (row.isAway) return;
    const evidence = breakEvidenceOf(row, this.#rows.values(), nowMs);
    if (evidence !== undefined) {
      return this.#eject(row, { reason: "broken", evidence, isDead: false }, nowMs);
    }
    this.#lookAtRefusals(row, nowMs);
  }

  #timed(row: HealthRow, { ttftMs, work, isSure, client }: TimedRequest, nowMs: number): void {
    const logUsual = row.pace.curve.logUsual(work);
    if (isSure && !row.isAway) row.pace.curve.note(work, ttftMs);
    if (logUsual === undefined) return;
    row.late.note({ atMs: nowMs, client, ttftMs, work, logUsual });
    const { ttftFactorMax } = this.settings;
    if (row.phase !== "ready" || ttftFactorMax === 0) return;
    // Most answers end here.
    if (Math.log(Math.max(1, ttftMs)) - logUsual <= Math.log(ttftFactorMax)) return;
    if (nowMs - row.lateLookAtMs < lateLookMs) return;
    row.lateLookAtMs = nowMs;
    const evidence = this.#latenessOf(row, lateAnswersMin, nowMs);
    if (evidence === undefined) return;
    this.#eject(row, { reason: "slow", evidence, isDead: false }, nowMs);
  }

  #latenessOf(row: HealthRow, answersMin: number, nowMs: number): EjectionEvidence | undefined {
    const factorMax = this.settings.ttftFactorMax;
    if (factorMax === 0) return undefined;
    return latenessOf(row, this.#othersOf(row), { factorMax, answersMin, nowMs });
  }

  /** Looks for silence and refused connections, which no answer reveals. */
  #look(nowMs: number): void {
    this.#lookAtMs = nowMs;
    const { stallMs } = this.settings;
    for (const [slot, row] of this.#rows) {
      this.#lookAtRefusals(row, nowMs);
      if (row.phase === "ejected") row.lookWhileEjected();
      this.#adapters.note(this.#signs.adaptersOf(slot));
      if (row.phase === "ejected" || row.openRequests === 0) continue;
      const report = this.#signs.reportOf(slot, nowMs);
      row.noteReport(report, nowMs);
      const stall = stallOf(row, report, { stallMs, nowMs });
      if (stall === undefined) continue;
      const othersAnsweredMsAgo = this.#othersAnsweredMsAgo(row, nowMs);
      if (row.phase !== "trial" && othersAnsweredMsAgo > (stall["patienceMs"] ?? 0)) continue;
      const evidence = { ...stall, othersAnsweredMsAgo };
      const isDead = row.contact.isOutOfReach;
      this.#eject(row, { reason: "stalled", evidence, isDead }, nowMs);
    }
  }

  /** Two kinds of evidence, each weak alone: requests go wrong there, and it refuses to be read. */
  #lookAtRefusals(row: HealthRow, nowMs: number): void {
    row.contact.look(row.endpoint.slot, this.#signs);
    if (row.phase === "ejected" || row.badSinceGood === 0 || !row.contact.isRefusing) return;
    const evidence = {
      refusedInRow: row.contact.refusedInRow,
      badAnswersInRow: row.badSinceGood,
      othersFailureRatio: failureRatioOf(this.#othersOf(row), nowMs),
    };
    this.#eject(row, { reason: "refused", evidence, isDead: true }, nowMs);
  }

  /** If no endpoint answers, the cause is not this one. */
  #othersAnsweredMsAgo(row: HealthRow, nowMs: number): number {
    let last = Number.NEGATIVE_INFINITY;
    for (const other of this.#rows.values()) {
      if (other !== row) last = Math.max(last, other.waits.lastAnswerMs);
    }
    return nowMs - last;
  }

  #othersOf(row: HealthRow): HealthRow[] {
    return [...this.#rows.values()].filter((other) => other !== row);
  }

  #eject(row: HealthRow, ejection: Ejection, nowMs: number): void {
    const room = { ejectedRatioMax: this.settings.ejectedRatioMax, isDead: ejection.isDead };
    if (!row.isAway && !hasEjectionRoom(row, this.#rows.values(), room)) return;
    const ms = row.eject(ejection, nowMs, this.settings);
    this.#special.add(row.endpoint.slot);
    const { reason, evidence } = ejection;
    this.#onEvent({ endpoint: row.endpoint, kind: "ejected", reason, ms, evidence });
  }

  #startSlowly(row: HealthRow, nowMs: number): void {
    row.forgetRecent();
    row.isDead = false;
    if (this.settings.slowStartMs === 0) return this.#setReady(row);
    row.phase = "slow-start";
    row.sinceMs = nowMs;
    this.#special.add(row.endpoint.slot);
  }

  #setReady(row: HealthRow): void {
    row.phase = "ready";
    this.#special.delete(row.endpoint.slot);
  }
}
