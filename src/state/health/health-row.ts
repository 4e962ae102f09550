import type { Endpoint } from "../../core/endpoint.ts";
import type { EjectionReason, HealthPhase } from "../../core/health-settings.ts";
import { OutcomeWindow } from "./outcome-window.ts";
import { TtftHistory } from "./ttft-history.ts";

/** An ejection counts as a further one when it follows the return within this many times the last one's length. */
const memoryFactor = 6;

/** What is known of the health of one endpoint; all times are monotonic milliseconds. */
export class HealthRow {
  endpoint: Endpoint;
  phase: HealthPhase = "ready";
  /** Of the last ejection. */
  reason: EjectionReason = "failures";
  /** End of the ejection. */
  untilMs = 0;
  /** Beginning of the slow start. */
  sinceMs = 0;
  /** The first of the ejections without a return between them. */
  ejectedAtMs = 0;
  returnedAtMs = Number.NEGATIVE_INFINITY;
  failuresInRow = 0;
  readonly window = new OutcomeWindow();
  ttft = new TtftHistory();
  trialsOpen = 0;
  trialsPassed = 0;
  /** Requests sent that have no answer yet. */
  unanswered = 0;
  lastAnswerMs = Number.NEGATIVE_INFINITY;
  /** When the first of the unanswered ones was sent after there were none. */
  #waitingSinceMs = 0;
  /** Milliseconds of the last ejection. */
  #ejectionMs = 0;

  constructor(endpoint: Endpoint) {
    this.endpoint = endpoint;
  }

  sent(isTrial: boolean, nowMs: number): void {
    if (isTrial) this.trialsOpen += 1;
    if (this.unanswered === 0) this.#waitingSinceMs = nowMs;
    this.unanswered += 1;
  }

  /** `atMs` is NaN where there was no answer and will be none. */
  answered(isTrial: boolean, atMs: number): void {
    if (isTrial) this.trialsOpen -= 1;
    this.unanswered -= 1;
    if (atMs > this.lastAnswerMs) this.lastAnswerMs = atMs;
  }

  /** How long requests have waited without any answer. */
  silentMs(nowMs: number): number {
    return nowMs - Math.max(this.#waitingSinceMs, this.lastAnswerMs);
  }

  /** Returns the milliseconds of the ejection: twice those of the last one where that was not long ago. */
  eject(
    reason: EjectionReason,
    nowMs: number,
    { ejectionMs, ejectionMsMax }: { readonly ejectionMs: number; readonly ejectionMsMax: number },
  ): number {
    const isFurther =
      this.phase === "trial" || nowMs - this.returnedAtMs < memoryFactor * this.#ejectionMs;
    if (this.phase !== "trial" && this.phase !== "ejected") this.ejectedAtMs = nowMs;
    this.#ejectionMs = isFurther ? Math.min(ejectionMsMax, this.#ejectionMs * 2) : ejectionMs;
    this.phase = "ejected";
    this.reason = reason;
    this.untilMs = nowMs + this.#ejectionMs;
    this.failuresInRow = 0;
    this.trialsPassed = 0;
    return this.#ejectionMs;
  }

  /** A new process has no usual times. */
  forgetHistory(): void {
    this.ttft = new TtftHistory();
    this.window.clear();
  }
}
