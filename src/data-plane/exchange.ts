import type { Decision, Outcome, RoutedOutcome } from "../core/decision.ts";
import type { ErrorCode, Refusal } from "../core/errors.ts";
import type { BodyUse, SeenBody } from "../core/parse-result.ts";
import type { RunningRequest } from "../core/flow-control.ts";
import type { PoolSnapshot } from "../core/pool-snapshot.ts";
import type { EndedBy, FailedAttempt, RequestEnd, RequestRecord } from "../core/request-record.ts";
import type { InferenceRequest, RequestHead } from "../core/request.ts";
import type { ResponseMetadata } from "../core/response-metadata.ts";
import type { TokenUsage } from "../core/usage.ts";
import type { BytePieces } from "../std/byte-pieces.ts";
import type { AdmissionCase, Admitted } from "./admission/admission.ts";
import { AdmissionWait } from "./admission-wait.ts";
import { Answer, type AnswerView, type ResponseHeadSeen, retryAfterMsIn } from "./answer.ts";
import { Attempts, type OpenAttempt } from "./attempts.ts";
import { unserved, untriedIn } from "./failed-attempts.ts";
import type { ExchangeParts, ResponseHeadChange, Unsent } from "./exchange-parts.ts";
import { RequestFacts } from "./request-facts.ts";
import { type ResponseProgress, ResponseSoFar } from "./response-so-far.ts";
import { headOf } from "./served-as.ts";
import type { OutcomeOrHeld, Routing, UnderstoodRequest } from "./routing.ts";

/** Refuses a request of a client before it is admitted. */
type Permits = (request: InferenceRequest) => Refusal | undefined;

/**
 * One request with its response. An ingress makes one per request and calls, in this order, `decide`, `responseHead`,
 * `responseChunk` and `end`. It may call `end` at any point, which releases everything; later calls count nothing.
 */
export class Exchange implements RunningRequest {
  /** Ends the answer with this error, in favor of other requests; without it, the request is never evicted. */
  onEvict: ((refusal: Refusal) => void) | undefined;
  /** Use of the body for the decision. */
  readonly bodyUse: BodyUse;
  readonly #head: RequestHead;
  readonly #parts: ExchangeParts;
  readonly #routing: Routing;
  readonly #attempts: Attempts;
  /** Undefined before the decision, and once no retry is possible. */
  #understood: UnderstoodRequest | undefined;
  #wait: AdmissionWait | undefined;
  #request: InferenceRequest | undefined;
  readonly #response = new ResponseSoFar();
  readonly #facts: RequestFacts;
  #hasEnded = false;

  /** `showsAnswer`: the ingress will pass the body of the response to `responseChunk`. */
  constructor(head: RequestHead, parts: ExchangeParts, showsAnswer: boolean) {
    this.#head = head;
    this.#parts = parts;
    this.#routing = parts.routing();
    const startedMs = parts.clock.nowMs();
    this.#facts = new RequestFacts(head, startedMs);
    const ofRequest = { head, routing: this.#routing, showsAnswer, startedMs, running: this };
    this.#attempts = new Attempts({ ...parts, ...ofRequest });
    this.bodyUse = this.#routing.bodyUse(head);
  }

  /**
   * Understands, admits and schedules the request. The outcome is a promise only if the request waits for admission, or
   * if its body is so long that it is read in slices; `end` and `responseHead` end the wait, and the outcome is then `gone`. Never rejects. `permits` may refuse the request
   * of a client before it is admitted.
   */
  decide(body: SeenBody, permits?: Permits): Outcome | Promise<Outcome> {
    this.#attempts.trace?.deciding();
    const ahead = this.#routing.readAhead(this.#head, body, () => !this.#isGone);
    return ahead === undefined ? this.#decideOn(body, permits) : this.#decideAfter(ahead, permits);
  }

  async #decideAfter(ahead: Promise<BytePieces>, permits?: Permits): Promise<Outcome> {
    return this.#decideOn(await ahead, permits);
  }

  #decideOn(body: SeenBody, permits?: Permits): Outcome | Promise<Outcome> {
    // Anything counted now would stay counted.
    if (this.#isGone) return { kind: "gone" };
    try {
      const understood = this.#routing.understand(this.#head, body);
      if (understood.kind === "refused") return this.#decided(understood);
      this.#facts.unread = understood.unread;
      this.#request = understood.request;
      const refusal = permits?.(understood.request);
      if (refusal !== undefined) return this.#decided({ kind: "refused", refusal });
      return this.#admitted({ understood }, this.#parts.pool.snapshot(this.#parts.clock.nowMs()));
    } catch (cause) {
      return this.#decided(this.#attempts.failedBy(cause));
    }
  }

  /** Schedules a request again whose model no endpoint was known to serve. */
  decideAgain(): Outcome {
    const understood = this.#understood;
    if (understood === undefined || this.#hasEnded) return { kind: "gone" };
    this.#facts.refusal = undefined;
    return this.#guarded((pool): Outcome => {
      const outcome = this.#scheduled({ understood }, pool);
      return outcome.kind === "held" ? { kind: "gone" } : this.#decided(outcome);
    });
  }

  /**
   * Gives up the attempt at the decision's endpoint and chooses another one. Undefined, with nothing changed, if there is
   * none. `seen` is the head of the answer, or one that stands for a failed connection. Call it before `responseHead`.
   */
  retry(seen: ResponseHeadSeen, hasAnswered: boolean): RoutedOutcome | undefined {
    return this.#sendAgain((before) => {
      const attempt = this.#endAttempt(before, seen, hasAnswered);
      return (next) => this.#attempts.tellAll((follower) => follower.retried?.(attempt, next));
    });
  }

  /**
   * Gives up an attempt that reached no endpoint, and lets the request wait for its turn before all others of its flow.
   * Undefined, with nothing changed, if no request may wait now.
   */
  takeBack(seen: ResponseHeadSeen): Outcome | Promise<Outcome> | undefined {
    const understood = this.#understood;
    const before = this.#attempts.current;
    const isOpen = !this.#hasEnded && this.#attempts.rival === undefined;
    if (!isOpen || !this.#routing.takesBack) return undefined;
    if (understood === undefined || before === undefined) return undefined;
    const failed = this.#endAttempt(before, seen, false);
    this.#attempts.rest();
    return this.#guarded((pool) => this.#admitted({ understood, failed }, pool));
  }

  /**
   * Chooses an endpoint for a second attempt next to the first. Returns undefined and changes nothing if no other is left.
   * `keep` or `fail` then ends one of the two, before `responseHead`.
   */
  hedge(): RoutedOutcome | undefined {
    if (this.#attempts.rival !== undefined) return undefined;
    return this.#sendAgain((before) => {
      this.#attempts.keepBeside(before);
      return (next) => this.#attempts.tellAll((follower) => follower.hedged?.(next));
    });
  }

  /** Gives up the attempt next to that of this decision, which has answered first. Does nothing if there is no other. */
  keep(decision: Decision): void {
    const lost = this.#attempts.without(decision);
    if (lost === undefined) return;
    this.#attempts.outrun = [...this.#attempts.outrun, lost.decision];
    // The engine has done nothing wrong: for it, the client has left.
    this.#endFor(lost, "aborted", "client");
    this.#attempts.tellAll((follower) => follower.outrun?.(lost.decision, decision, undefined));
  }

  /** Ends one of two attempts, which has failed. `decision`: that of the other one, which goes on. */
  fail(decision: Decision, seen: ResponseHeadSeen, hasAnswered: boolean): void {
    const lost = this.#attempts.without(decision);
    if (lost === undefined) return;
    const failed = this.#endAttempt(lost, seen, hasAnswered);
    this.#attempts.tellAll((follower) => follower.outrun?.(lost.decision, decision, failed));
  }

  /** Refuses the request for a reason that the ingress found. */
  refuse(code: ErrorCode, message: string): Extract<Outcome, { kind: "refused" }> {
    return { kind: "refused", refusal: (this.#facts.refusal = { code, message }) };
  }

  /** The engine's count of tokens, once its answer has it, and the size of the answer so far. */
  get received(): { readonly usage: TokenUsage | undefined; readonly responseBytes: number } {
    return this.#response.received;
  }

  progress(): number {
    return this.#response.progress(this.#request?.outputTokensMax);
  }

  evict(refusal: Refusal): boolean {
    if (this.#hasEnded || this.onEvict === undefined || this.marker === "arrived") return false;
    this.#facts.refusal = refusal;
    this.onEvict(refusal);
    return true;
  }

  /** True if the client wants the answer as a stream of events. */
  get isStreaming(): boolean {
    return this.#request?.isStreaming === true;
  }

  /** The completion marker of the response so far. */
  get marker(): AnswerView["marker"] {
    return this.#response.answer?.marker ?? "none";
  }

  /** The request as it was understood; undefined before `decide`. */
  get understood(): InferenceRequest | undefined {
    return this.#request;
  }

  /** True if a follower may set headers of the response. */
  get setsResponseHeaders(): boolean {
    return this.#attempts.setsResponseHeaders;
  }

  /** `answer`: the response, if it is read elsewhere; its chunks then come as `progressed`. */
  responseHead(seen: ResponseHeadSeen, answer?: AnswerView): ResponseHeadChange {
    if (this.#hasEnded) return { set: [], changesLength: false };
    this.#forgetPrompt();
    // Another filter has answered the client, so the request will not be sent.
    this.#wait?.giveUp();
    const atMs = this.#parts.clock.nowMs();
    this.#response.headMs = atMs;
    this.#response.answer = answer ?? new Answer(seen, this.#head.method, this.#request);
    const { changesLength } = this.#response.answer;
    const head = headOf(this.#response.answer, this.#attempts.decision, this.#parts.pool);
    this.#facts.failedBefore = head.failedBefore;
    return { set: this.#attempts.answered(head, atMs), changesLength };
  }

  /** Returns the bytes to send in place of these; undefined if they pass unchanged. */
  responseChunk(chunk: Uint8Array, isLast: boolean): Uint8Array | undefined {
    if (chunk.length > 0 && !this.#hasEnded) {
      const nowMs = this.#parts.clock.nowMs();
      this.#response.read(chunk, nowMs);
      this.#lookForFirstToken(nowMs);
    }
    return this.#response.answer?.restored(chunk, isLast);
  }

  /** Takes over the size of a response that is read elsewhere, and looks for its first token. */
  progressed(progress: ResponseProgress): void {
    if (this.#hasEnded) return;
    const nowMs = this.#parts.clock.nowMs();
    this.#response.grown(progress, nowMs);
    this.#lookForFirstToken(nowMs);
  }

  /** Returns the bytes of the response held back so far, for an end that comes without a chunk. */
  responseRest(): Uint8Array | undefined {
    return this.#response.answer?.rest();
  }

  /** Numbers of plugins for the proxy, once the whole body has passed; undefined if there are none. */
  responseMetadata(): ResponseMetadata | undefined {
    return this.#hasEnded ? undefined : this.#attempts.metadata(this.#response.answer);
  }

  /** `endedBy`: the side that broke the response off, if `end` is `aborted`. */
  end(end: RequestEnd, endedBy: EndedBy = "unknown"): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#wait?.giveUp();
    this.#response.answer?.close(end === "complete");
    // The last line may have had no line end, so the first token may be found only now.
    this.#lookForFirstToken(this.#parts.clock.nowMs());
    const { rival } = this.#attempts;
    if (rival !== undefined) this.#endFor(rival, end, endedBy);
    const record = this.#recordOf(end, endedBy);
    this.#attempts.tell(this.#attempts.followers, (follower) => follower.ended?.(record));
  }

  /** True if the request will not be sent: it is over, or another filter has answered it. */
  get #isGone(): boolean {
    return this.#hasEnded || this.#response.headMs !== undefined;
  }

  #guarded<Decided>(decide: (pool: PoolSnapshot) => Decided): Decided | Outcome {
    try {
      return decide(this.#parts.pool.snapshot(this.#parts.clock.nowMs()));
    } catch (cause) {
      return this.#decided(this.#attempts.failedBy(cause));
    }
  }

  /** Schedules the request, if it may run now; otherwise it waits for its turn. */
  #admitted(unsent: Unsent, pool: PoolSnapshot): Outcome | Promise<Outcome> {
    const { request } = unsent.understood;
    const waiter = () => this.#beginWait(unsent);
    const isReturned = unsent.failed !== undefined;
    const receivedMs = this.#facts.startedMs;
    const asked: AdmissionCase = { request, pool, receivedMs, isReturned, waiter };
    const admitted = this.#routing.admit(asked);
    if (admitted !== undefined) return this.#unlessAdmitted(admitted);
    const outcome = this.#scheduled(unsent, pool, this.#routing.heldFrom(request));
    const waits = this.#routing.scheduled(asked, outcome);
    if (waits !== undefined || outcome.kind === "held") return this.#unlessAdmitted(waits);
    return this.#decided(outcome);
  }

  #unlessAdmitted(admitted: Admitted): Outcome | Promise<Outcome> {
    if (typeof admitted === "object") return this.#decided({ kind: "refused", refusal: admitted });
    return this.#wait?.outcome ?? { kind: "gone" };
  }

  #beginWait(unsent: Unsent): AdmissionWait {
    return (this.#wait = new AdmissionWait({
      schedule: (pool, heldFrom) => this.#scheduled(unsent, pool, heldFrom),
      ownMs: (pool) => this.#routing.ownMs(unsent.understood.request, pool),
      failed: (cause) => this.#attempts.failedBy(cause),
      decided: (outcome) => this.#decided(outcome),
      onWait: this.#parts.onWait,
      trace: this.#attempts.trace,
    }));
  }

  #scheduled(unsent: Unsent, pool: PoolSnapshot, heldFrom?: number): OutcomeOrHeld {
    const { understood, failed } = unsent;
    const asked = this.#attempts.asked(understood, pool, this.#wait !== undefined);
    const scheduled = this.#routing.schedule(asked, heldFrom);
    this.#facts.schedulingMs = this.#parts.clock.nowMs() - pool.nowMs;
    if (this.#parts.retries === true) this.#understood = understood;
    if (scheduled.kind === "refused") this.#attempts.refusalId = scheduled.recordId;
    if (scheduled.kind !== "routed") return scheduled;
    const outcome = this.#attempts.send(scheduled, understood);
    const { decision } = outcome;
    this.#attempts.tellAll((follower) =>
      failed ? follower.retried?.(failed, decision) : follower.routed?.(asked.request, decision),
    );
    if (this.#parts.retries !== true) this.#forgetPrompt();
    return outcome;
  }

  /** Frees the prompt, which is not needed any more: a stream may last for minutes. */
  #forgetPrompt(): void {
    this.#understood = undefined;
    if (this.#request !== undefined && this.#request.prompts.length > 0) {
      this.#request = { ...this.#request, prompts: [] };
    }
  }

  /**
   * Schedules the request once more, at an endpoint that was not tried. `leave` ends the attempt before, and returns what
   * follows once the next one has left.
   */
  #sendAgain(leave: (before: OpenAttempt) => (next: Decision) => void): RoutedOutcome | undefined {
    const understood = this.#understood;
    const before = this.#attempts.current;
    if (understood === undefined || before === undefined || this.#hasEnded) return undefined;
    try {
      const pool = this.#parts.pool.snapshot(this.#parts.clock.nowMs());
      const { tried, trace } = this.#attempts;
      const asked = { request: understood.request, snapshot: untriedIn(pool, tried), trace };
      const scheduled = this.#routing.reschedule(asked);
      if (scheduled.kind === "refused") return undefined;
      const left = leave(before);
      const outcome = this.#attempts.send(scheduled, understood);
      left(outcome.decision);
      return outcome;
    } catch (cause) {
      this.#attempts.report(cause);
      // If it was to be the second of two, the first one goes on alone.
      const isSecond = this.#attempts.rival === before;
      const second = isSecond ? this.#attempts.without(before.decision) : undefined;
      if (second !== undefined) this.#endFor(second, "aborted", "unknown");
      return undefined;
    }
  }

  #endFor({ followers, decision }: OpenAttempt, end: RequestEnd, endedBy: EndedBy): void {
    const record = this.#recordOf(end, endedBy, decision);
    this.#attempts.tell(followers, (follower) => follower.ended?.(record));
  }

  /** Ends an attempt for the pool and for plugins; the request itself goes on. */
  #endAttempt(failed: OpenAttempt, seen: ResponseHeadSeen, hasAnswered: boolean): FailedAttempt {
    const { decision, followers } = failed;
    const failedMs = this.#parts.clock.nowMs();
    const { httpStatus, isUnreached = false } = seen;
    const head = { ...unserved, httpStatus, isUnreached, retryAfterMs: retryAfterMsIn(seen) };
    this.#attempts.tell(followers, (follower) => follower.responseHead?.(head, failedMs));
    this.#response.answer = new Answer(seen, this.#head.method, this.#request);
    if (hasAnswered) this.#endFor(failed, "complete", "unknown");
    else this.#endFor(failed, "aborted", "engine");
    this.#response.answer = undefined;
    const attempt = { decision, httpStatus: seen.httpStatus, hasAnswered, failedMs };
    this.#attempts.failed = [...this.#attempts.failed, attempt];
    return attempt;
  }

  #decided(outcome: Outcome): Outcome {
    this.#attempts.trace?.decided();
    this.#facts.decidedMs = this.#parts.clock.nowMs();
    if (outcome.kind === "refused") this.#facts.refusal = outcome.refusal;
    return outcome;
  }

  #lookForFirstToken(nowMs: number): void {
    if (!this.#response.hasJustBegun(nowMs)) return;
    this.#attempts.tell(this.#attempts.followers, (follower) => follower.firstToken?.(nowMs));
  }

  #recordOf(end: RequestEnd, endedBy: EndedBy, decision = this.#attempts.decision): RequestRecord {
    return this.#facts.record(this.#attempts, {
      request: this.#request,
      decision,
      stay: this.#wait?.stay,
      endedMs: this.#parts.clock.nowMs(),
      response: this.#response.facts(end, endedBy),
    });
  }
}
