import { type PacedRequest, timedWorkOf, type TimedWork } from "../pace/endpoint-pace.ts";
import type { FirstToken, PromptWork } from "../pace/work-account.ts";
import type { FailedRequest } from "./blame.ts";
import type { HealthRow } from "./health-row.ts";

/** Data of a request that health needs when it is sent. */
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
  /** No connection to its endpoint, or it broke before an answer began. */
  unreached(row: HealthRow, request: WatchedRequest, nowMs: number): void;
  /** Its endpoint takes no request now. `retryAfterMs`: the time that it asks for. */
  busy(row: HealthRow, answer: BusyAnswer): void;
  /** The head of an answer came, whatever its status, while its endpoint was paused. */
  reached(row: HealthRow): void;
  /** Its stream broke off, and nothing shows which side broke it. */
  broke(row: HealthRow, request: WatchedRequest, nowMs: number): void;
  /** State of the engine's batch when a request with a place has its first token. */
  batchOf(row: HealthRow, nowMs: number): BatchState;
  /** Its first token has arrived. */
  timed(row: HealthRow, timed: TimedRequest, nowMs: number): void;
}

/** An answer that turns a request away. */
export interface BusyAnswer {
  readonly nowMs: number;
  readonly client: number | undefined;
  readonly sentMs: number;
  /** Undefined if it names no time. */
  readonly retryAfterMs: number | undefined;
}

/**
 * `full`: a place may have been lacking, unless the requests ahead can be counted; `held-up`:
 * unknown.
 */
export type BatchState = "free" | "full" | "held-up";

export interface TimedRequest extends TimedWork, Pick<SentRequest, "client"> {
  /** Time of the first token, or now while it is pending. */
  readonly atMs: number;
  readonly order: number;
  /** True if there was free room in the batch, so that its time may count as usual. */
  readonly isUsual: boolean;
}

/**
 * End of a request: `broken` means that its stream broke off for an unknown reason; `given-up`
 * blames no endpoint.
 */
export type WatchedEnd = "complete" | "failed" | "broken" | "given-up";

/** The batch as a request finds it. */
export interface PlaceFound {
  /**
   * Requests that must end before it has a place; undefined if something other than work may delay
   * it.
   */
  readonly endsNeeded: number | undefined;
  readonly isFull: boolean;
}

/** One request whose answer is evidence about its endpoint. */
export class WatchedRequest {
  readonly sent: SentRequest;
  readonly isTrial: boolean;
  /** True if it was sent although its endpoint counts as dead. */
  readonly isLastResort: boolean;
  readonly sentMs: number;
  readonly #row: HealthRow;
  readonly #verdicts: Verdicts;
  readonly #paced: PacedRequest;
  /** Order among the requests of its endpoint. */
  readonly #order: number;
  /** True if it may have had to wait for a place. */
  readonly #isQueued: boolean;
  /** True if it found free room in the batch. */
  #isUsual: boolean;
  #isWaiting = true;
  #isTried = false;
  #isOver = false;
  #outcome: "none" | "good" | "failed" | "busy" = "none";
  #hasBegun = false;
  /** Its first token, if its time may be that of its work. */
  #first: (FirstToken & { readonly atMs: number }) | undefined;

  constructor(
    row: HealthRow,
    sent: SentRequest,
    now: { readonly nowMs: number; readonly place: PlaceFound; readonly verdicts: Verdicts },
  ) {
    this.#row = row;
    this.sent = sent;
    this.#verdicts = now.verdicts;
    this.sentMs = now.nowMs;
    row.pause?.sent(now.nowMs);
    const { endsNeeded, isFull } = now.place;
    this.#isQueued = endsNeeded !== 0;
    this.#isUsual = !isFull && !this.#isQueued;
    const isTimed = endsNeeded !== undefined && sent.isStreaming;
    this.#order = isTimed ? row.line.join(this, endsNeeded) : row.line.pass();
    this.isTrial = row.phase === "trial";
    this.isLastResort = row.phase === "ejected" && row.isDead;
    this.#paced = row.pace.sent(sent, now.nowMs, isTimed && this.#isQueued);
    if (this.isTrial) row.trialsOpen += 1;
    row.openRequests += 1;
    row.waits.sent(sent.isStreaming, now.nowMs);
  }

  /**
   * Notes the head of a good answer, the only sign of an unstreamed one before it ends.
   *
   * @param hasTokens false if no first token will be seen in it, although a stream was asked for
   */
  answered(nowMs: number, hasTokens = true): void {
    if (!hasTokens) this.#row.line.leave(this.#order);
    if (!this.sent.isStreaming) this.#stopWaiting(nowMs);
    this.#reached();
  }

  /** Notes that no connection was made, or that it broke before an answer began. */
  unreached(nowMs: number): void {
    this.#failed(nowMs, "unreached");
  }

  /** Notes that the answer is a failure of the engine. */
  failed(nowMs: number): void {
    this.#reached();
    this.#failed(nowMs, "failed");
  }

  /** Notes that the endpoint takes no request now, which is neither a good answer nor a failure. */
  busy(nowMs: number, retryAfterMs: number | undefined): void {
    this.#stopWaiting(nowMs);
    this.#endTrial();
    this.#row.line.leave(this.#order);
    if (this.#outcome !== "none") return;
    this.#outcome = "busy";
    const { sentMs } = this;
    const { client } = this.sent;
    if (this.#row.hasLeft) return;
    this.#verdicts.busy(this.#row, { nowMs, client, sentMs, retryAfterMs });
  }

  #failed(nowMs: number, how: "failed" | "unreached"): void {
    this.#stopWaiting(nowMs);
    this.#endTrial();
    if (this.#outcome === "failed" || this.#outcome === "busy") return;
    this.#outcome = "failed";
    this.#row.line.leave(this.#order);
    if (this.#row.hasLeft) return;
    this.#verdicts[how](this.#row, this, nowMs);
  }

  /** Notes the first token of a stream. */
  began(nowMs: number): void {
    if (!this.sent.isStreaming || this.#hasBegun || this.#isOver) return;
    this.#hasBegun = true;
    this.#stopWaiting(nowMs);
    const hasPlace = this.#row.line.hasPlace(this.#order, nowMs);
    this.#row.line.began(this.#order, nowMs);
    const first = this.#paced.began(nowMs);
    if (this.#outcome === "failed") return;
    const batch = hasPlace ? this.#verdicts.batchOf(this.#row, nowMs) : "held-up";
    if (batch !== "held-up") {
      this.#isUsual &&= batch === "free";
      this.#first = { ...first, atMs: nowMs };
      this.#time(this.sent, nowMs);
    }
    this.#succeed(nowMs);
  }

  /** Called by the line when enough of the requests ahead have ended. */
  placed(nowMs: number): void {
    this.#paced.placed(nowMs);
  }

  /** Its time up to now, as if its first token came now. */
  timedSoFar(nowMs: number): TimedRequest {
    return this.#requestOf(timedWorkOf(this.#paced.soFar(nowMs), this.sent), nowMs);
  }

  /** @param cachedTokens prompt tokens that the engine reports as cached */
  ended(how: WatchedEnd, nowMs: number, cachedTokens?: number): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#stopWaiting(how === "complete" || how === "failed" ? nowMs : Number.NaN);
    this.#endTrial();
    this.#paced.ended();
    this.#row.line.ended(this.#order, nowMs);
    this.#row.openRequests -= 1;
    if (how === "failed") return this.#failed(nowMs, "failed");
    if (how === "broken" && this.#outcome !== "failed" && !this.#row.hasLeft) {
      this.#verdicts.broke(this.#row, this, nowMs);
    }
    if (how !== "complete" || this.#outcome === "failed" || this.#outcome === "busy") return;
    if (cachedTokens !== undefined) this.#timeLater(cachedTokens, nowMs);
    this.#succeed(nowMs);
  }

  #reached(): void {
    const { pause } = this.#row;
    if (pause?.endsWith(this.sentMs) === true) this.#verdicts.reached(this.#row);
  }

  #succeed(nowMs: number): void {
    this.#reached();
    if (this.#outcome !== "none") return;
    this.#outcome = "good";
    this.#endTrial();
    if (this.#row.hasLeft) return;
    this.#verdicts.succeeded(this.#row, this, nowMs);
  }

  #time(work: PromptWork, nowMs: number): void {
    if (this.#first === undefined || this.#row.hasLeft) return;
    const timed = timedWorkOf(this.#first, work);
    this.#verdicts.timed(this.#row, this.#requestOf(timed, this.#first.atMs), nowMs);
  }

  #requestOf(timed: TimedWork, atMs: number): TimedRequest {
    // The count of those ahead is an upper bound, so the time since its place is a lower one.
    const isKnown = timed.isKnown && !this.#isQueued;
    const client = this.sent.client;
    return { ...timed, atMs, isKnown, order: this.#order, client, isUsual: this.#isUsual };
  }

  /** Corrects its work by the engine's report of cached prompt tokens. */
  #timeLater(cachedTokens: number, nowMs: number): void {
    const { tokensMax, promptTokens } = this.sent;
    if (this.#first === undefined || timedWorkOf(this.#first, this.sent).isKnown) return;
    const told = Math.min(tokensMax, Math.max(0, promptTokens - cachedTokens));
    this.#time({ tokensMin: told, tokensMax: told }, nowMs);
  }

  #stopWaiting(answeredMs: number): void {
    if (!this.#isWaiting) return;
    this.#isWaiting = false;
    this.#row.waits.over(this.sent.isStreaming, this.sentMs, answeredMs);
  }

  #endTrial(): void {
    if (this.isTrial && !this.#isTried) this.#row.trialsOpen -= 1;
    this.#isTried = true;
  }
}
