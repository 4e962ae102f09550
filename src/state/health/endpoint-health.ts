import type { Endpoint } from "../../core/endpoint.ts";
import type { EjectionReason, HealthPhase, HealthSettings } from "../../core/health-settings.ts";
import type { MembershipChange } from "../membership.ts";
import { HealthRow } from "./health-row.ts";
import { isFailureOutlier, isTtftOutlier } from "./outliers.ts";
import { hasSlowStartRoom } from "./slow-start.ts";

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
/** Between two looks for endpoints that do not answer at all. */
const stallLookMs = 250;

/** What became of an endpoint's standing, for logs and metrics. */
export interface HealthEvent {
  readonly endpoint: Endpoint;
  readonly kind: "ejected" | "returned";
  readonly reason: EjectionReason;
  /** Milliseconds of the ejection; of a return, since it was first ejected. */
  readonly ms: number;
}

export interface EndpointHealthOptions {
  readonly onEvent: (event: HealthEvent) => void;
}

/** One request whose answer says something about its endpoint. Each method counts once. */
export interface WatchedRequest {
  /** The head of the answer is there, from the engine or in its place. */
  answered(isFailure: boolean, nowMs: number): void;
  /** The body has begun `ttftMs` after the request was sent. */
  began(ttftMs: number): void;
  /** It is over; `isBroken`: its answer did not come to its end. */
  ended(isBroken: boolean, nowMs: number): void;
}

/**
 * Which endpoints are believed to be well, from how their answers go.
 *
 *     ready --failures, a failure ratio or a TTFT far outside, no answer at all--> ejected
 *     ejected --its time is over--> trial: one request at a time
 *     trial --three good answers--> slow start --> ready;  --a bad one--> ejected, twice as long
 *
 * An endpoint is an outlier only against the others: what goes wrong everywhere is nobody's fault.
 */
export class EndpointHealth {
  settings: HealthSettings = defaultHealth;
  readonly #onEvent: (event: HealthEvent) => void;
  readonly #rows = new Map<number, HealthRow>();
  /** Slots that are not simply ready: most of the time there is none. */
  readonly #special = new Set<number>();
  #stallLookAtMs = Number.NEGATIVE_INFINITY;

  constructor({ onEvent }: EndpointHealthOptions) {
    this.#onEvent = onEvent;
  }

  /** `isFirst`: the pool's beginning, when nobody is newer than the others. */
  follow({ added, removed, updated }: MembershipChange, isFirst: boolean, nowMs: number): void {
    for (const { slot } of removed) {
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
    if (row.phase !== "ejected" && row.phase !== "trial") return this.#startSlowly(row, nowMs);
    if (row.reason === "check") return;
    this.#returned(row, nowMs);
  }

  /**
   * The candidates that may take a request now, in their order; the same array where all may, and all where
   * none would be left.
   *
   * @param inFlight requests in flight by slot
   */
  wellOf(
    candidates: readonly Endpoint[],
    inFlight: Float64Array,
    nowMs: number,
  ): readonly Endpoint[] {
    if (nowMs - this.#stallLookAtMs >= stallLookMs) this.#lookForStalls(nowMs);
    if (this.#special.size === 0) return candidates;
    let busiest = 0;
    for (const { slot } of candidates) busiest = Math.max(busiest, inFlight[slot] ?? 0);
    const well = candidates.filter(({ slot }) => {
      const row = this.#special.has(slot) ? this.#rows.get(slot) : undefined;
      return (
        row === undefined || this.#mayTake(row, { inFlight: inFlight[slot] ?? 0, busiest, nowMs })
      );
    });
    return well.length === 0 || well.length === candidates.length ? candidates : well;
  }

  /** A request is sent to the endpoint. */
  sent({ slot }: Endpoint, nowMs: number): WatchedRequest | undefined {
    const row = this.#rows.get(slot);
    if (row === undefined) return undefined;
    const isTrial = row.phase === "trial";
    row.sent(isTrial, nowMs);
    let isAnswered = false;
    return {
      answered: (isFailure, atMs) => {
        if (isAnswered) return;
        isAnswered = true;
        row.answered(isTrial, atMs);
        if (isFailure) this.#failed(row, isTrial, atMs);
        else this.#succeeded(row, isTrial, atMs);
      },
      began: (ttftMs) => {
        row.ttft.note(ttftMs);
        if (row.phase === "ready" && isTtftOutlier(row, this.#rows, this.settings)) {
          this.#eject(row, "slow", row.lastAnswerMs);
        }
      },
      ended: (isBroken, atMs) => {
        if (!isAnswered) row.answered(isTrial, Number.NaN);
        isAnswered = true;
        if (isBroken) this.#broke(row, atMs);
      },
    };
  }

  /** An active check says how the endpoint is. */
  checked({ slot }: Endpoint, isWell: boolean, nowMs: number): void {
    const row = this.#rows.get(slot);
    if (row === undefined) return;
    if (!isWell && row.phase !== "ejected") this.#eject(row, "check", nowMs);
    if (isWell && row.phase === "ejected" && row.reason === "check") this.#toTrial(row);
  }

  /** What an endpoint may be given, and why it may not be given more. */
  stateOf({ slot }: Endpoint): { readonly phase: HealthPhase; readonly reason?: EjectionReason } {
    const row = this.#rows.get(slot);
    if (row === undefined) return { phase: "ready" };
    const { phase, reason } = row;
    return phase === "ejected" || phase === "trial" ? { phase, reason } : { phase };
  }

  #mayTake(
    row: HealthRow,
    now: { readonly inFlight: number; readonly busiest: number; readonly nowMs: number },
  ): boolean {
    const { nowMs } = now;
    if (row.phase === "ejected" && nowMs >= row.untilMs) this.#toTrial(row);
    switch (row.phase) {
      case "ejected":
        return false;
      case "trial":
        return row.trialsOpen === 0;
      case "slow-start": {
        const ramp = (nowMs - row.sinceMs) / this.settings.slowStartMs;
        if (ramp < 1) return hasSlowStartRoom(ramp, now);
        this.#setReady(row);
        return true;
      }
      case "ready":
        return true;
    }
  }

  #failed(row: HealthRow, isTrial: boolean, nowMs: number): void {
    row.failuresInRow += 1;
    row.window.note(true, nowMs);
    if (isTrial) return this.#eject(row, row.reason, nowMs);
    if (row.phase === "ejected" || row.phase === "trial") return;
    const reason = isFailureOutlier(row, this.#rows, { settings: this.settings, nowMs });
    if (reason !== undefined) this.#eject(row, reason, nowMs);
  }

  #succeeded(row: HealthRow, isTrial: boolean, nowMs: number): void {
    row.failuresInRow = 0;
    row.window.note(false, nowMs);
    if (!isTrial || row.phase !== "trial") return;
    row.trialsPassed += 1;
    if (row.trialsPassed < trialsNeeded) return;
    const { ttftFactorMax } = this.settings;
    if (row.reason === "slow" && row.ttft.trialShift > Math.log(ttftFactorMax)) {
      return this.#eject(row, "slow", nowMs);
    }
    this.#returned(row, nowMs);
  }

  #returned(row: HealthRow, nowMs: number): void {
    const ms = nowMs - row.ejectedAtMs;
    this.#onEvent({ endpoint: row.endpoint, kind: "returned", reason: row.reason, ms });
    row.returnedAtMs = nowMs;
    this.#startSlowly(row, nowMs);
  }

  /** The client left, or the engine did: only a comparison with the others can tell. */
  #broke(row: HealthRow, nowMs: number): void {
    row.window.note(true, nowMs);
    if (row.phase !== "ready" && row.phase !== "slow-start") return;
    const reason = isFailureOutlier(row, this.#rows, { settings: this.settings, nowMs });
    if (reason === "failure-ratio") this.#eject(row, reason, nowMs);
  }

  #lookForStalls(nowMs: number): void {
    this.#stallLookAtMs = nowMs;
    const { stallMs } = this.settings;
    if (stallMs === 0) return;
    for (const row of this.#rows.values()) {
      if (row.phase === "ejected" || row.unanswered === 0) continue;
      // Long prompts and long answers that are not streamed take their time: several times the usual is allowed.
      const patienceMs = Math.max(stallMs, 5 * (row.ttft.usualMs ?? 0));
      if (row.silentMs(nowMs) < patienceMs) continue;
      if (row.phase === "trial" || this.#othersAnswer(row, nowMs - patienceMs)) {
        this.#eject(row, "stalled", nowMs);
      }
    }
  }

  /** Where nobody answers, it is not this endpoint that is the matter. */
  #othersAnswer(row: HealthRow, sinceMs: number): boolean {
    for (const other of this.#rows.values()) {
      if (other !== row && other.lastAnswerMs > sinceMs) return true;
    }
    return false;
  }

  #eject(row: HealthRow, reason: EjectionReason, nowMs: number): void {
    if (row.phase !== "trial" && !this.#hasRoomFor(row)) return;
    const { ejectionMs, ejectionMsMax } = this.settings;
    const ms = row.eject(reason, nowMs, { ejectionMs, ejectionMsMax });
    this.#special.add(row.endpoint.slot);
    this.#onEvent({ endpoint: row.endpoint, kind: "ejected", reason, ms });
  }

  /** One more may be ejected: within the allowed share, and never the last one. */
  #hasRoomFor(row: HealthRow): boolean {
    if (row.phase === "ejected") return true;
    let ejected = 0;
    for (const { phase } of this.#rows.values()) {
      if (phase === "ejected" || phase === "trial") ejected += 1;
    }
    const count = this.#rows.size;
    const allowed = Math.min(
      count - 1,
      Math.max(1, Math.floor(count * this.settings.ejectedRatioMax)),
    );
    return this.settings.ejectedRatioMax > 0 && ejected < allowed;
  }

  #toTrial(row: HealthRow): void {
    row.phase = "trial";
    row.trialsPassed = 0;
    row.ttft.forgetRecent();
  }

  #startSlowly(row: HealthRow, nowMs: number): void {
    row.window.clear();
    row.ttft.forgetRecent();
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
