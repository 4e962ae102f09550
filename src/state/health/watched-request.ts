import {
  type FirstToken,
  type PacedRequest,
  type PromptWork,
  timedWorkOf,
  type TimedWork,
} from "../pace/endpoint-pace.ts";
import type { FailedRequest } from "./blame.ts";
import type { HealthRow } from "./health-row.ts";

/** A request as health sees it when it is sent. */
export interface SentRequest extends PromptWork, FailedRequest {
  /** True if its first token will be seen. */
  readonly isStreaming: boolean;
  /** The model that the engine is asked for. */
  readonly model: string;
  readonly promptTokens: number;
}

/** Evidence about an endpoint from one request. */
export interface Verdicts {
  succeeded(row: HealthRow, request: WatchedRequest, nowMs: number): void;
  failed(row: HealthRow, request: WatchedRequest, nowMs: number): void;
  /** Its stream broke off, and nothing shows which side broke it. */
  broke(row: HealthRow, request: WatchedRequest, nowMs: number): void;
  /** True if a request that waits now may be waiting for something other than work. */
  lacksPlace(row: HealthRow, nowMs: number): boolean;
  /** Its first token is there, and its own work is known. */
  timed(row: HealthRow, timed: TimedRequest, nowMs: number): void;
}

export type TimedRequest = TimedWork & Pick<SentRequest, "client">;

/** End of a request: `broken` means that its stream broke off for an unknown reason; `given-up` blames no endpoint. */
export type WatchedEnd = "complete" | "failed" | "broken" | "given-up";

/** One request whose answer says something about its endpoint. */
export class WatchedRequest {
  readonly sent: SentRequest;
  readonly isTrial: boolean;
  /** It was sent although its endpoint is thought to be dead. */
  readonly isLastResort: boolean;
  readonly #row: HealthRow;
  readonly #verdicts: Verdicts;
  readonly #sentMs: number;
  readonly #paced: PacedRequest;
  /** True if it found nothing but work before it when it was sent. */
  readonly #isTimed: boolean;
  #isWaiting = true;
  #isTried = false;
  #isOver = false;
  #outcome: "none" | "good" | "failed" = "none";
  #hasBegun = false;
  /** Its first token, where its time may be that of its work. */
  #first: FirstToken | undefined;

  constructor(
    row: HealthRow,
    sent: SentRequest,
    now: { readonly nowMs: number; readonly isTimed: boolean; readonly verdicts: Verdicts },
  ) {
    this.#row = row;
    this.sent = sent;
    this.#verdicts = now.verdicts;
    this.#sentMs = now.nowMs;
    this.#isTimed = now.isTimed && sent.isStreaming;
    this.isTrial = row.phase === "trial";
    this.isLastResort = row.phase === "ejected" && row.isDead;
    this.#paced = row.pace.sent(sent, now.nowMs);
    if (this.isTrial) row.trialsOpen += 1;
    row.openRequests += 1;
    row.waits.sent(sent.isStreaming, now.nowMs);
  }

  /** The head of a good answer: all there is to see of one that is not streamed until it ends. */
  answered(nowMs: number): void {
    if (!this.sent.isStreaming) this.#stopWaiting(nowMs);
  }

  /** The answer is a failure of the engine's. */
  failed(nowMs: number): void {
    this.#stopWaiting(nowMs);
    this.#endTrial();
    if (this.#outcome === "failed") return;
    this.#outcome = "failed";
    if (this.#row.hasLeft) return;
    this.#verdicts.failed(this.#row, this, nowMs);
  }

  /** The first token of a stream is there. */
  began(nowMs: number): void {
    if (!this.sent.isStreaming || this.#hasBegun || this.#isOver) return;
    this.#hasBegun = true;
    this.#stopWaiting(nowMs);
    const first = this.#paced.began(nowMs);
    if (this.#outcome === "failed") return;
    if (this.#isTimed && !this.#verdicts.lacksPlace(this.#row, nowMs)) {
      this.#first = first;
      this.#time(this.sent, nowMs);
    }
    this.#succeed(nowMs);
  }

  /** @param cachedTokens prompt tokens that the engine says it held */
  ended(how: WatchedEnd, nowMs: number, cachedTokens?: number): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#stopWaiting(how === "complete" || how === "failed" ? nowMs : Number.NaN);
    this.#endTrial();
    this.#paced.ended();
    this.#row.openRequests -= 1;
    if (how === "failed") return this.failed(nowMs);
    if (how === "broken" && this.#outcome !== "failed" && !this.#row.hasLeft) {
      this.#verdicts.broke(this.#row, this, nowMs);
    }
    if (how !== "complete" || this.#outcome === "failed") return;
    if (cachedTokens !== undefined) this.#timeLater(cachedTokens, nowMs);
    this.#succeed(nowMs);
  }

  #succeed(nowMs: number): void {
    if (this.#outcome !== "none") return;
    this.#outcome = "good";
    this.#endTrial();
    if (this.#row.hasLeft) return;
    this.#verdicts.succeeded(this.#row, this, nowMs);
  }

  #time(work: PromptWork, nowMs: number): void {
    if (this.#first === undefined || this.#row.hasLeft) return;
    const timed = timedWorkOf(this.#first, work);
    if (!timed.isKnown) return;
    this.#verdicts.timed(this.#row, { ...timed, client: this.sent.client }, nowMs);
  }

  /** The engine has told by now how much of the prompt it held. */
  #timeLater(cachedTokens: number, nowMs: number): void {
    const { tokensMax, promptTokens } = this.sent;
    if (this.#first === undefined || timedWorkOf(this.#first, this.sent).isKnown) return;
    const told = Math.min(tokensMax, Math.max(0, promptTokens - cachedTokens));
    this.#time({ tokensMin: told, tokensMax: told }, nowMs);
  }

  #stopWaiting(answeredMs: number): void {
    if (!this.#isWaiting) return;
    this.#isWaiting = false;
    this.#row.waits.over(this.sent.isStreaming, this.#sentMs, answeredMs);
  }

  #endTrial(): void {
    if (this.isTrial && !this.#isTried) this.#row.trialsOpen -= 1;
    this.#isTried = true;
  }
}
