import type { Decision, HeaderChange, Outcome, Target } from "../core/decision.ts";
import type { Endpoint } from "../core/endpoint.ts";
import type { ErrorCode, Refusal } from "../core/errors.ts";
import { pickersHeaders } from "../core/headers.ts";
import type { BodyUse, ChangedBody, SeenBody, UnreadReason } from "../core/parse-result.ts";
import type { PoolSnapshot } from "../core/pool-snapshot.ts";
import type { RequestFollower, ResponseHead } from "../core/request-follower.ts";
import type { EndedBy, RequestEnd, RequestRecord } from "../core/request-record.ts";
import type { HeaderPair, InferenceRequest, RequestHead } from "../core/request.ts";
import type { Clock } from "../std/clock.ts";
import type { Admitted } from "./admission/admission.ts";
import { Answer, type ResponseHeadSeen } from "./answer.ts";
import type { PoolView } from "./pool-view.ts";
import type { Routing, Understood } from "./routing.ts";

/** Changes to the head of a response. */
export interface ResponseHeadChange {
  readonly set: readonly HeaderPair[];
  /** True if the length of the body will differ from the one in the head. */
  readonly changesLength: boolean;
}

export interface ExchangeParts {
  readonly clock: Pick<Clock, "nowMs">;
  readonly pool: PoolView;
  /** The routing in force. */
  readonly routing: () => Routing;
  /** Followers of every request, including refused ones. */
  readonly followers: readonly RequestFollower[];
  /** Runs with 1 when a request begins to wait for admission, with -1 when it stops. */
  readonly onWait: (change: 1 | -1) => void;
}

type UnderstoodRequest = Extract<Understood, { kind: "understood" }>;

/** Asks the engine for an uncompressed response. */
const plainAnswer: HeaderPair = ["accept-encoding", "identity"];

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
   * `end` and `responseHead` end the wait, and the outcome is then `gone`. Never rejects.
   */
  decide(body: SeenBody): Outcome | Promise<Outcome> {
    // Anything counted now would stay counted.
    if (this.#hasEnded) return { kind: "gone" };
    try {
      const understood = this.#routing.understand(this.#head, body);
      if (understood.kind === "refused") return this.#decided(understood);
      this.#unread = understood.unread;
      this.#request = understood.request;
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

  /** Refuses the request for a reason that the ingress found. */
  refuse(code: ErrorCode, message: string): Extract<Outcome, { kind: "refused" }> {
    const refusal = { code, message };
    this.#refusal = refusal;
    return { kind: "refused", refusal };
  }

  responseHead(seen: ResponseHeadSeen): ResponseHeadChange {
    if (this.#hasEnded) return { set: [], changesLength: false };
    // Another filter has answered the client, so the request will not be sent.
    this.#wait?.abort();
    const atMs = this.#parts.clock.nowMs();
    this.#responseHeadMs = atMs;
    const answer = new Answer(seen, this.#head.method, this.#request);
    this.#answer = answer;
    const { httpStatus, servedBy } = seen;
    const { isEventStream } = answer;
    const head = { httpStatus, servedBy, ...this.#servedAs(servedBy), isEventStream };
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
      const result = await Promise.race([admitted, gone(signal)]);
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

    const { decision } = scheduled;
    const ofAll = this.#parts.followers;
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
    this.#tell(ofAll, (follower) => follower.routed?.(request, decision));
    // Free the prompt, which is not needed any more: a stream may last for minutes.
    this.#request = { ...request, prompts: [] };
    const changed = understood.changedBody();
    return {
      kind: "routed",
      decision,
      body: changed?.body,
      headers: this.#headerChanges(decision, request, changed),
    };
  }

  /** Changes to the request's headers, one for each target. */
  #headerChanges(
    { targets }: Decision,
    { model }: InferenceRequest,
    changed: ChangedBody | undefined,
  ): readonly [HeaderChange, ...HeaderChange[]] {
    // The client's name of the model is restored in the response, which is impossible if it is compressed.
    const isPlain = changed !== undefined && model !== "" && this.#showsAnswer;
    const fromClient = pickersHeaders.filter((name) => this.#head.headers.get(name) !== undefined);
    const changeFor = ({ requestHeaders }: Target): HeaderChange => ({
      set: isPlain ? [...requestHeaders, plainAnswer] : requestHeaders,
      removed: [
        ...fromClient.filter((name) => requestHeaders.every(([set]) => set !== name)),
        ...(changed?.removedHeaders ?? []),
      ],
    });
    const [first, ...others] = targets;
    return [changeFor(first), ...others.map(changeFor)];
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

  /** The proxy tries targets in order, so all those before the one that served have failed. */
  #servedAs(servedBy: string | undefined): Pick<ResponseHead, "served" | "failedBefore"> {
    if (servedBy === undefined) return { served: undefined, failedBefore: [] };
    const { pool } = this.#parts;
    const targets = this.#decision?.targets ?? [];
    const index = targets.findIndex(({ hostPort }) => hostPort === servedBy);
    const target = targets[index];
    return target === undefined
      ? { served: pool.endpointAt(servedBy), failedBefore: [] }
      : {
          // It may have left since the decision.
          served: pool.current(target.endpoint),
          failedBefore: targets.slice(0, index).map(({ endpoint }) => endpoint),
        };
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
      failedBefore: this.#failedBefore,
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

function gone(signal: AbortSignal): Promise<"gone"> {
  if (signal.aborted) return Promise.resolve("gone");
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve("gone"), { once: true });
  });
}
