import type { Decision, Outcome, RoutedOutcome } from "../core/decision.ts";
import type { Endpoint } from "../core/endpoint.ts";
import type { ErrorCode, Refusal } from "../core/errors.ts";
import type { BodyUse, SeenBody, UnreadReason } from "../core/parse-result.ts";
import type { PoolSnapshot } from "../core/pool-snapshot.ts";
import type { RequestFollower } from "../core/request-follower.ts";
import type { EndedBy, FailedAttempt, RequestEnd, RequestRecord } from "../core/request-record.ts";
import type { HeaderPair, InferenceRequest, RequestHead } from "../core/request.ts";
import type { TokenUsage } from "../core/usage.ts";
import { aborted } from "../std/abort.ts";
import type { Admitted } from "./admission/admission.ts";
import { Answer, type ResponseHeadSeen } from "./answer.ts";
import { unserved, untriedIn } from "./failed-attempts.ts";
import type { ExchangeParts } from "./exchange-parts.ts";
import { headerChangesOf } from "./header-changes.ts";
import { servedAs } from "./served-as.ts";
import type { Routing, UnderstoodRequest } from "./routing.ts";
import type { Scheduled } from "./scheduling/scheduler.ts";

/** Changes to the head of a response. */
export interface ResponseHeadChange {
  readonly set: readonly HeaderPair[];
  /** True if the length of the body will differ from the one in the head. */
  readonly changesLength: boolean;
}

type ScheduledRequest = Extract<Scheduled, { kind: "routed" }>;

/**
 * One request with its response. An ingress makes one per request and calls, in this order, `decide`, `responseHead`,
 * `responseChunk` and `end`. It may call `end` at any point, which releases everything; later calls count nothing.
 */
export class Exchange {
  /** Use of the body for the decision. */
  readonly bodyUse: BodyUse;
  readonly #head: RequestHead;
  readonly #parts: ExchangeParts;
  readonly #showsAnswer: boolean;
  readonly #routing: Routing;
  readonly #startedMs: number;
  /** Followers of every request; after the decision, followers of the pool and of plugins precede them. */
  #followers: readonly RequestFollower[];
  /** Undefined before the decision, and once no retry is possible. */
  #understood: UnderstoodRequest | undefined;
  #failedAttempts: readonly FailedAttempt[] = [];
  #wait: AbortController | undefined;
  #request: InferenceRequest | undefined;
  #decision: Decision | undefined;
  #refusal: Refusal | undefined;
  #unread: UnreadReason | undefined;
  /** Undefined until the head of the response; a proxy may send a body before its head, or without one. */
  #answer: Answer | undefined;
  #responseBytes = 0;
  #responseChunks = 0;
  #failedBefore: readonly Endpoint[] = [];
  #schedulingMs: number | undefined;
  #decidedMs: number | undefined;
  #responseHeadMs: number | undefined;
  #firstTokenMs: number | undefined;
  #lastChunkMs: number | undefined;
  #hasEnded = false;

  /** `showsAnswer`: the ingress will pass the body of the response to `responseChunk`. */
  constructor(head: RequestHead, parts: ExchangeParts, showsAnswer: boolean) {
    this.#head = head;
    this.#parts = parts;
    this.#showsAnswer = showsAnswer;
    this.#routing = parts.routing();
    this.#followers = parts.followers;
    this.#startedMs = parts.clock.nowMs();
    this.bodyUse = this.#routing.bodyUse(head);
  }

  /**
   * Understands, admits and schedules the request. The outcome is a promise only if the request waits for admission;
   * `end` and `responseHead` end the wait, and the outcome is then `gone`. Never rejects. `permits` may refuse the request
   * of a client before it is admitted.
   */
  decide(
    body: SeenBody,
    permits?: (request: InferenceRequest) => Refusal | undefined,
  ): Outcome | Promise<Outcome> {
    // Anything counted now would stay counted.
    if (this.#hasEnded) return { kind: "gone" };
    try {
      const understood = this.#routing.understand(this.#head, body);
      if (understood.kind === "refused") return this.#decided(understood);
      this.#unread = understood.unread;
      this.#request = understood.request;
      const refusal = permits?.(understood.request);
      if (refusal !== undefined) return this.#decided({ kind: "refused", refusal });
      const pool = this.#parts.pool.snapshot(this.#parts.clock.nowMs());
      const { request } = understood;
      const admitted = this.#routing.admit({ request, pool, signal: () => this.#waitSignal() });
      return admitted instanceof Promise
        ? this.#waited(admitted, understood)
        : this.#decided(this.#scheduled(admitted, understood, pool));
    } catch (cause) {
      return this.#decided(this.#failed(cause));
    }
  }

  /**
   * Gives up the attempt at the decision's endpoint and chooses another one. Undefined, with nothing changed, if there is
   * none. `seen` is the head of the answer, or one that stands for a failed connection. Call it before `responseHead`.
   */
  retry(seen: ResponseHeadSeen, hasAnswered: boolean): RoutedOutcome | undefined {
    const understood = this.#understood;
    const failed = this.#decision;
    if (understood === undefined || failed === undefined || this.#hasEnded) return undefined;
    try {
      const pool = this.#parts.pool.snapshot(this.#parts.clock.nowMs());
      const tried = [...this.#failedAttempts.map(({ decision }) => decision), failed];
      const endpoints = untriedIn(pool, tried);
      if (endpoints.length === 0) return undefined;
      const { request } = understood;
      const scheduled = this.#routing.reschedule(request, { ...pool, endpoints });
      if (scheduled.kind === "refused") return undefined;
      const attempt = this.#endAttempt(failed, seen, hasAnswered);
      const outcome = this.#send(scheduled, understood);
      this.#tell(this.#parts.followers, (follower) =>
        follower.retried?.(attempt, outcome.decision),
      );
      return outcome;
    } catch (cause) {
      this.#report(cause);
      return undefined;
    }
  }

  /** Refuses the request for a reason that the ingress found. */
  refuse(code: ErrorCode, message: string): Extract<Outcome, { kind: "refused" }> {
    const refusal = { code, message };
    this.#refusal = refusal;
    return { kind: "refused", refusal };
  }

  /** The engine's count of tokens, once its answer has it, and the size of the answer so far. */
  get received(): { readonly usage: TokenUsage | undefined; readonly responseBytes: number } {
    return { usage: this.#answer?.usage, responseBytes: this.#responseBytes };
  }

  /** The completion marker of the response so far. */
  get marker(): Answer["marker"] {
    return this.#answer?.marker ?? "none";
  }

  responseHead(seen: ResponseHeadSeen): ResponseHeadChange {
    if (this.#hasEnded) return { set: [], changesLength: false };
    this.#forgetPrompt();
    // Another filter has answered the client, so the request will not be sent.
    this.#wait?.abort();
    const atMs = this.#parts.clock.nowMs();
    this.#responseHeadMs = atMs;
    const answer = new Answer(seen, this.#head.method, this.#request);
    this.#answer = answer;
    const { httpStatus, servedBy } = seen;
    const { isEventStream } = answer;
    const head = {
      httpStatus,
      servedBy,
      ...servedAs(servedBy, this.#decision, this.#parts.pool),
      isEventStream,
    };
    this.#failedBefore = head.failedBefore;
    const set: HeaderPair[] = [];
    this.#tell(this.#followers, (follower) => {
      set.push(...(follower.responseHead?.(head, atMs) ?? []));
    });
    return { set, changesLength: answer.changesLength };
  }

  /** Returns the bytes to send in place of these; undefined if they pass unchanged. */
  responseChunk(chunk: Uint8Array, isLast: boolean): Uint8Array | undefined {
    if (chunk.length > 0 && !this.#hasEnded) {
      const nowMs = this.#parts.clock.nowMs();
      this.#lastChunkMs = nowMs;
      this.#responseBytes += chunk.length;
      this.#responseChunks += 1;
      this.#answer?.read(chunk);
      this.#lookForFirstToken(nowMs);
    }
    return this.#answer?.restored(chunk, isLast);
  }

  /** Returns the bytes of the response held back so far, for an end that comes without a chunk. */
  responseRest(): Uint8Array | undefined {
    return this.#answer?.rest();
  }

  /** `endedBy`: the side that broke the response off, if `end` is `aborted`. */
  end(end: RequestEnd, endedBy: EndedBy = "unknown"): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#wait?.abort();
    this.#answer?.close(end === "complete");
    // The last line may have had no line end, so the first token may be found only now.
    this.#lookForFirstToken(this.#parts.clock.nowMs());
    const record = this.#recordOf(end, endedBy);
    this.#tell(this.#followers, (follower) => follower.ended?.(record));
  }

  #waitSignal(): AbortSignal {
    this.#wait ??= new AbortController();
    return this.#wait.signal;
  }

  /** Settles when the request is admitted or ends, whichever is first, even if a queue never settles `admitted`. */
  async #waited(admitted: Promise<Admitted>, understood: UnderstoodRequest): Promise<Outcome> {
    const signal = this.#waitSignal();
    this.#parts.onWait(1);
    try {
      const result = await Promise.race([admitted, aborted(signal).then(() => "gone" as const)]);
      if (result === "gone" || signal.aborted) return { kind: "gone" };
      // The pool may have changed during the wait.
      const pool = this.#parts.pool.snapshot(this.#parts.clock.nowMs());
      return this.#decided(this.#scheduled(result, understood, pool));
    } catch (cause) {
      return signal.aborted ? { kind: "gone" } : this.#decided(this.#failed(cause));
    } finally {
      this.#wait = undefined;
      this.#parts.onWait(-1);
    }
  }

  #scheduled(refusal: Admitted, understood: UnderstoodRequest, pool: PoolSnapshot): Outcome {
    if (refusal !== undefined) return { kind: "refused", refusal };
    const { request } = understood;
    const scheduled = this.#routing.schedule(request, pool);
    this.#schedulingMs = this.#parts.clock.nowMs() - pool.nowMs;
    if (scheduled.kind === "refused") return scheduled;
    if (this.#parts.retries === true) this.#understood = understood;
    const outcome = this.#send(scheduled, understood);
    this.#tell(this.#parts.followers, (follower) => follower.routed?.(request, outcome.decision));
    if (this.#parts.retries !== true) this.#forgetPrompt();
    return outcome;
  }

  /** Counts the request at its endpoint, and lets plugins and the pool follow it. */
  #send(scheduled: ScheduledRequest, understood: UnderstoodRequest): RoutedOutcome {
    const { request } = understood;
    const { decision } = scheduled;
    const { followers: ofAll, clock } = this.#parts;
    // Plugins first: they see the pool of the decision, and if one throws, the pool has counted nothing.
    const ofPlugins: RequestFollower[] = [];
    this.#routing.sent(scheduled, (follower) => {
      ofPlugins.push(follower);
      this.#followers = [...ofPlugins, ...ofAll];
    });
    // Count the request before it leaves, so that the next request of a burst sees it.
    const ofPool = this.#parts.pool.send(scheduled);
    this.#followers = [...ofPool, ...ofPlugins, ...ofAll];
    this.#decision = decision;
    const arrivedAtMs = clock.wallMs() - (clock.nowMs() - this.#startedMs);
    const { changed, isRenamed } = this.#routing.bodyOf(understood, scheduled, arrivedAtMs);
    return {
      kind: "routed",
      decision,
      body: changed?.body,
      headers: headerChangesOf(decision, {
        fromClient: this.#head.headers,
        changed,
        // The client's name of the model is restored in the response, which is impossible if it is compressed.
        isPlain: isRenamed && request.model !== "" && this.#showsAnswer,
      }),
    };
  }

  /** Frees the prompt, which is not needed any more: a stream may last for minutes. */
  #forgetPrompt(): void {
    this.#understood = undefined;
    if (this.#request !== undefined && this.#request.prompts.length > 0) {
      this.#request = { ...this.#request, prompts: [] };
    }
  }

  /** Ends the attempt for the pool and for plugins; the request itself goes on. */
  #endAttempt(decision: Decision, seen: ResponseHeadSeen, hasAnswered: boolean): FailedAttempt {
    const failedMs = this.#parts.clock.nowMs();
    const head = { ...unserved, httpStatus: seen.httpStatus };
    const ofAll = this.#parts.followers;
    const ofAttempt = this.#followers.filter((follower) => !ofAll.includes(follower));
    this.#tell(ofAttempt, (follower) => void follower.responseHead?.(head, failedMs));
    this.#answer = new Answer(seen, this.#head.method, this.#request);
    const record = hasAnswered
      ? this.#recordOf("complete", "unknown")
      : this.#recordOf("aborted", "engine");
    this.#answer = undefined;
    this.#followers = ofAll;
    this.#tell(ofAttempt, (follower) => follower.ended?.(record));
    const attempt = { decision, httpStatus: seen.httpStatus, hasAnswered, failedMs };
    this.#failedAttempts = [...this.#failedAttempts, attempt];
    return attempt;
  }

  #decided(outcome: Outcome): Outcome {
    this.#decidedMs = this.#parts.clock.nowMs();
    if (outcome.kind === "refused") this.#refusal = outcome.refusal;
    return outcome;
  }

  /** Handles an exception of a stage, which is a bug in the picker. */
  #failed(cause: unknown): Outcome {
    this.#report(cause);
    const message = "the request could not be scheduled";
    return { kind: "refused", refusal: { code: "internal", message } };
  }

  #report(cause: unknown): void {
    for (const follower of this.#parts.followers) follower.failed?.(this.#head, cause);
  }

  /** Tells each follower, even if one before it throws, which is a bug: the others hold counts of the request. */
  #tell(followers: readonly RequestFollower[], event: (follower: RequestFollower) => void): void {
    for (const follower of followers) {
      try {
        event(follower);
      } catch (cause) {
        this.#report(cause);
      }
    }
  }

  #lookForFirstToken(nowMs: number): void {
    if (this.#firstTokenMs !== undefined || this.#answer?.hasBegun !== true) return;
    this.#firstTokenMs = nowMs;
    this.#tell(this.#followers, (follower) => follower.firstToken?.(nowMs));
  }

  #recordOf(end: RequestEnd, endedBy: EndedBy): RequestRecord {
    const answer = this.#answer;
    return {
      head: this.#head,
      unread: this.#unread,
      request: this.#request,
      decision: this.#decision,
      refusal: this.#refusal,
      httpStatus: answer?.httpStatus,
      failure: answer?.failure,
      servedBy: answer?.servedBy,
      failedBefore: [
        ...this.#failedAttempts.map(({ decision }) => decision.targets[0].endpoint),
        ...this.#failedBefore,
      ],
      failedAttempts: this.#failedAttempts,
      keepsTargetName: answer?.keepsTargetName === true,
      usage: answer?.usage,
      answerId: answer?.id,
      responseBytes: this.#responseBytes,
      responseChunks: this.#responseChunks,
      startedMs: this.#startedMs,
      schedulingMs: this.#schedulingMs,
      decidedMs: this.#decidedMs,
      responseHeadMs: this.#responseHeadMs,
      firstTokenMs: this.#firstTokenMs,
      lastChunkMs: this.#lastChunkMs,
      endedMs: this.#parts.clock.nowMs(),
      ...(answer?.endAsRead(end, endedBy) ?? {
        end,
        endedBy: end === "aborted" ? endedBy : undefined,
      }),
    };
  }
}
