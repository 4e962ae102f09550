import type { Decision, Outcome } from "../core/decision.ts";
import type { Endpoint } from "../core/endpoint.ts";
import type { ErrorCode, Refusal } from "../core/errors.ts";
import type { LoadSnapshot } from "../core/load.ts";
import type { BodyUse, ParseResult, SeenBody, UnreadReason } from "../core/parse-result.ts";
import type { AnswerReader } from "../core/answer-reader.ts";
import { type AnswerFailure, failureOfStatus, truncatedCode } from "../core/answer-failure.ts";
import type { RequestFollower, ResponseHead } from "../core/request-follower.ts";
import type { EndedBy, RequestEnd, RequestRecord } from "../core/request-record.ts";
import type { HeaderPair, HeaderValues, InferenceRequest, RequestHead } from "../core/request.ts";
import type { SentRequest } from "../core/data-plane-plugin.ts";

type ParsedRequest = Extract<ParseResult, { kind: "parsed" }>;

/** A response whose body is about to be read. */
interface AnswerToRead {
  readonly headers: HeaderValues;
  readonly httpStatus: number | undefined;
  /** Undefined where the response came before the request was understood. */
  readonly request: InferenceRequest | undefined;
  /** No byte of the body is kept from us. */
  readonly showsWholeBody: boolean;
}

/** Puts the client's name of the model back into a response body as it passes. */
export interface NameRestorer {
  /** The bytes that can go on; it may hold some back. */
  push(chunk: Uint8Array): Uint8Array;
  /** What it still holds back. */
  end(): Uint8Array;
}

/** The models that an endpoint serves; undefined where it did not say. */
type ModelsOf = (endpoint: Endpoint) => ReadonlySet<string> | undefined;

/** What is known of the pool when a request asks. */
interface PoolNow {
  readonly endpoints: readonly Endpoint[];
  readonly load: LoadSnapshot;
  /** Monotonic milliseconds. */
  readonly nowMs: number;
  /** Undefined while no endpoint has said what it serves. */
  readonly modelsOf: ModelsOf | undefined;
  /** Those of the candidates that are believed to be well; all where none is. */
  readonly wellOf: (candidates: readonly Endpoint[]) => readonly Endpoint[];
}

/** What one configuration does with requests. A request keeps the routing it began with. */
export interface Routing {
  /** Use of the body for the decision. */
  readonly bodyUse: (head: RequestHead) => BodyUse;
  readonly parse: (head: RequestHead, body: SeenBody) => ParseResult;
  /** True if anything uses the model of this request. */
  readonly usesModel: (head: RequestHead) => boolean;
  readonly priorityOf: (head: RequestHead) => number;
  /** The model to ask the engine for; the same where it stays. */
  readonly targetModelOf: (head: RequestHead, model: string) => string;
  /** Why the request may not run now; undefined where it may. */
  readonly admit: (request: InferenceRequest, pool: PoolNow) => Refusal | undefined;
  readonly schedule: (
    request: InferenceRequest,
    pool: PoolNow,
  ) => ({ readonly kind: "routed" } & SentRequest) | Extract<Outcome, { kind: "refused" }>;
  /** Tells plugins that the request leaves for its endpoint. */
  readonly sent: (sent: SentRequest) => readonly RequestFollower[];
}

/** A request that counts as in flight on an endpoint until it is released; once is enough. */
interface HelperTicket {
  release(): void;
}

/** The stages a request passes, handed in by the composition root. */
export interface Stages {
  readonly nowMs: () => number;
  /** The routing in force. */
  readonly routing: () => Routing;
  readonly endpoints: () => readonly Endpoint[];
  readonly load: (nowMs: number) => LoadSnapshot;
  /** Counts a request as sent to its first endpoint, and returns the parts that follow it there. */
  readonly send: (decision: Decision, request: InferenceRequest) => readonly RequestFollower[];
  /** Counts a request as sent to an endpoint that only helps with the prompt; its answer is not seen here. */
  readonly sendHelper: (endpoint: Endpoint, request: InferenceRequest) => HelperTicket;
  readonly modelsOf: () => ModelsOf | undefined;
  /** Those of the candidates that are believed to be well; all where none is. */
  readonly wellOf: (candidates: readonly Endpoint[], nowMs: number) => readonly Endpoint[];
  /** The endpoint of the pool at an `ip:port`. */
  readonly endpointAt: (hostPort: string) => Endpoint | undefined;
  readonly readAnswer: (answer: AnswerToRead) => AnswerReader;
  /** Undefined where the response has no name; `compressed` where it cannot be put back. */
  readonly restoreName: (
    head: HeaderValues,
    names: { readonly target: string; readonly client: string },
  ) => NameRestorer | "compressed" | undefined;
  readonly observer: RequestObserver;
}

/** Is told what happens to requests; must not throw. */
export interface RequestObserver {
  routed(request: InferenceRequest, decision: Decision): void;
  /** Called exactly once for each request that started. */
  ended(record: RequestRecord): void;
  /** A stage threw: a defect of ours. The client gets a 500. */
  failed(head: RequestHead, cause: unknown): void;
}

/** What the proxy shall change in a response's head. */
export interface ResponseHeadChange {
  readonly set: readonly HeaderPair[];
  /** The body will have another length than its head says. */
  readonly changesLength: boolean;
}

/** A response's head as an ingress sees it. */
export interface ResponseHeadSeen {
  readonly httpStatus: number | undefined;
  readonly headers: HeaderValues;
  /** The endpoint the proxy says it used, where it says so. */
  readonly servedBy: string | undefined;
  /** Whether the body will be shown, and may be changed. */
  readonly showsBody: boolean;
  /** True if all of the body will be shown. */
  readonly showsWholeBody: boolean;
}

/**
 * One request's life. An ingress adapter makes one per request and calls, in this order, `decide`,
 * `responseHead`, `responseChunk` and `end`; it may leave at any point with `end`, which releases
 * everything and does nothing the second time.
 */
export class Exchange {
  readonly bodyUse: BodyUse;
  readonly #head: RequestHead;
  readonly #stages: Stages;
  readonly #routing: Routing;
  readonly #startedMs: number;
  #request: InferenceRequest | undefined;
  #decision: Decision | undefined;
  #refusal: Refusal | undefined;
  #unread: UnreadReason | undefined;
  /** Empty until the request is routed. */
  #followers: readonly RequestFollower[] = [];
  #reader: AnswerReader | undefined;
  #restorer: NameRestorer | undefined;
  #keepsTargetName = false;
  #httpStatus: number | undefined;
  #servedBy: string | undefined;
  #failedBefore: readonly Endpoint[] = [];
  #responseBytes = 0;
  #responseChunks = 0;
  #schedulingMs: number | undefined;
  #decidedMs: number | undefined;
  #responseHeadMs: number | undefined;
  #firstTokenMs: number | undefined;
  #lastChunkMs: number | undefined;
  #hasEnded = false;

  constructor(head: RequestHead, stages: Stages) {
    this.#head = head;
    this.#stages = stages;
    this.#routing = stages.routing();
    this.#startedMs = stages.nowMs();
    this.bodyUse = this.#routing.bodyUse(head);
  }

  /** Parses and schedules. */
  decide(body: SeenBody): Outcome {
    let outcome: Outcome;
    try {
      outcome = this.#decide(body);
    } catch (cause) {
      this.#stages.observer.failed(this.#head, cause);
      outcome = refused("internal", "the request could not be scheduled");
    }
    this.#decidedMs = this.#stages.nowMs();
    if (outcome.kind === "refused") this.#refusal = outcome.refusal;
    return outcome;
  }

  /** Refuses the request for a reason the ingress found itself. */
  refuse(code: ErrorCode, message: string): Outcome {
    const outcome = refused(code, message);
    this.#refusal = outcome.refusal;
    return outcome;
  }

  responseHead(seen: ResponseHeadSeen): ResponseHeadChange {
    const { httpStatus, headers, servedBy, showsBody, showsWholeBody } = seen;
    this.#responseHeadMs = this.#stages.nowMs();
    this.#httpStatus = httpStatus;
    this.#servedBy = servedBy;
    const request = this.#request;
    if (showsBody) {
      this.#reader = this.#stages.readAnswer({ headers, httpStatus, request, showsWholeBody });
    }
    const { model, targetModel } = this.#request ?? { model: "", targetModel: "" };
    // A client that named no model has none to be shown.
    if (showsBody && model !== "" && model !== targetModel) {
      const restorer = this.#stages.restoreName(headers, { target: targetModel, client: model });
      this.#keepsTargetName = restorer === "compressed";
      this.#restorer = restorer === "compressed" ? undefined : restorer;
    }
    const head = {
      httpStatus,
      servedBy,
      ...this.#servedAs(servedBy),
      isEventStream: this.#reader?.isEventStream === true,
    };
    this.#failedBefore = head.failedBefore;
    const atMs = this.#responseHeadMs;
    const set = this.#followers.flatMap((each) => each.responseHead?.(head, atMs) ?? []);
    return { set, changesLength: this.#restorer !== undefined };
  }

  /** The bytes to send in place of these; undefined where they pass as they are. */
  responseChunk(chunk: Uint8Array, isLast: boolean): Uint8Array | undefined {
    if (chunk.length > 0) {
      const nowMs = this.#stages.nowMs();
      this.#lastChunkMs = nowMs;
      this.#responseBytes += chunk.length;
      this.#responseChunks += 1;
      this.#reader?.push(chunk);
      this.#lookForFirstToken(nowMs);
    }
    if (this.#restorer === undefined) return undefined;
    const passed = this.#restorer.push(chunk);
    return isLast ? Buffer.concat([passed, this.#restorer.end()]) : passed;
  }

  /** Bytes of the response held back until now, where its end comes without a chunk. */
  responseRest(): Uint8Array | undefined {
    const rest = this.#restorer?.end();
    return rest === undefined || rest.length === 0 ? undefined : rest;
  }

  /** `endedBy`: who broke the response off, where `end` is `aborted`. */
  end(end: RequestEnd, endedBy: EndedBy = "unknown"): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#reader?.end(end === "complete");
    // The last event may have had no line of its own yet.
    this.#lookForFirstToken(this.#stages.nowMs());
    const record = this.#recordOf(this.#endAsRead(end, endedBy));
    for (const follower of this.#followers) follower.ended?.(record);
    this.#stages.observer.ended(record);
  }

  #decide(body: SeenBody): Outcome {
    const parsed = this.#routing.parse(this.#head, body);
    if (parsed.kind === "refused") return parsed;
    if (parsed.unread !== undefined && this.#routing.usesModel(this.#head)) {
      this.#unread = parsed.unread;
    }
    const request = this.#understood(parsed);
    this.#request = request;

    const startedMs = this.#stages.nowMs();
    const pool = {
      endpoints: this.#stages.endpoints(),
      load: this.#stages.load(startedMs),
      nowMs: startedMs,
      modelsOf: this.#stages.modelsOf(),
      wellOf: (candidates: readonly Endpoint[]) => this.#stages.wellOf(candidates, startedMs),
    };
    // An empty pool is not a full one: where nobody is ready, scheduling says so.
    const refusal = pool.endpoints.length > 0 ? this.#routing.admit(request, pool) : undefined;
    if (refusal !== undefined) return { kind: "refused", refusal };
    const scheduled = this.#routing.schedule(request, pool);
    this.#schedulingMs = this.#stages.nowMs() - startedMs;
    if (scheduled.kind === "refused") return scheduled;

    const { decision } = scheduled;
    // Counted before the answer leaves: a burst must see itself.
    this.#followers = [
      ...this.#stages.send(decision, request),
      ...decision.helpers.map((helper) => helperFollower(this.#stages.sendHelper(helper, request))),
      ...this.#routing.sent(scheduled),
    ];
    this.#decision = decision;
    this.#stages.observer.routed(request, decision);
    // A stream may last for minutes: its prompt is not needed any more.
    this.#request = { ...request, prompts: [] };
    const { model, targetModel } = request;
    const changed = targetModel === model ? undefined : parsed.withModel?.(targetModel);
    return {
      kind: "routed",
      decision,
      body: changed?.body,
      headersRemoved: changed?.removedHeaders ?? [],
      wantsPlainAnswer: changed !== undefined && request.model !== "",
    };
  }

  /** The request as parsed, with what its headers and the configuration add. */
  #understood({ request, withModel }: ParsedRequest): InferenceRequest {
    const priority = this.#routing.priorityOf(this.#head);
    // A body that cannot name a model cannot be given another one.
    const targetModel =
      withModel === undefined
        ? request.targetModel
        : this.#routing.targetModelOf(this.#head, request.model);
    return priority === request.priority && targetModel === request.targetModel
      ? request
      : { ...request, priority, targetModel };
  }

  #lookForFirstToken(nowMs: number): void {
    if (this.#firstTokenMs !== undefined || this.#reader?.hasBegun !== true) return;
    this.#firstTokenMs = nowMs;
    for (const follower of this.#followers) follower.firstToken?.(nowMs);
  }

  /** A list of endpoints is tried in its order, so those before the one that served have failed. */
  #servedAs(servedBy: string | undefined): Pick<ResponseHead, "served" | "failedBefore"> {
    if (servedBy === undefined) return { served: undefined, failedBefore: [] };
    const listed = this.#decision?.endpoints ?? [];
    // Destinations stand in the order of the endpoints, and are what the proxy was given.
    const index = this.#decision?.destination.split(",").indexOf(servedBy) ?? -1;
    return index === -1
      ? { served: this.#stages.endpointAt(servedBy), failedBefore: [] }
      : { served: listed[index], failedBefore: listed.slice(0, index) };
  }

  /** In an answer to another method, an error belongs to a stored object, such as a response. */
  get #failure(): AnswerFailure | undefined {
    const isAnswer = this.#head.method === "POST";
    return failureOfStatus(this.#httpStatus) ?? (isAnswer ? this.#reader?.failure : undefined);
  }

  /** End of the request, once its body has been read. */
  #endAsRead(end: RequestEnd, endedBy: EndedBy): Pick<RequestRecord, "end" | "endedBy"> {
    if (end === "complete" && this.#failure?.code === truncatedCode) {
      // The proxy saw the end of a body that the API had not ended.
      return { end: "aborted", endedBy: "engine" };
    }
    if (end === "aborted") {
      // A connection that speaks another protocol has no end but its close, by either side.
      const isClosed = this.#httpStatus === 101 && endedBy === "unknown";
      if (!isClosed && this.#reader?.isComplete !== true) return { end, endedBy };
    }
    return { end: end === "refused" ? end : "complete", endedBy: undefined };
  }

  #recordOf(end: Pick<RequestRecord, "end" | "endedBy">): RequestRecord {
    return {
      head: this.#head,
      unread: this.#unread,
      request: this.#request,
      decision: this.#decision,
      refusal: this.#refusal,
      httpStatus: this.#httpStatus,
      failure: this.#failure,
      servedBy: this.#servedBy,
      failedBefore: this.#failedBefore,
      keepsTargetName: this.#keepsTargetName,
      usage: this.#reader?.usage,
      responseBytes: this.#responseBytes,
      responseChunks: this.#responseChunks,
      startedMs: this.#startedMs,
      schedulingMs: this.#schedulingMs,
      decidedMs: this.#decidedMs,
      responseHeadMs: this.#responseHeadMs,
      firstTokenMs: this.#firstTokenMs,
      lastChunkMs: this.#lastChunkMs,
      endedMs: this.#stages.nowMs(),
      ...end,
    };
  }
}

/** A helper is done with the prompt when the answer begins. */
function helperFollower(ticket: HelperTicket): RequestFollower {
  return { firstToken: () => ticket.release(), ended: () => ticket.release() };
}

function refused(code: ErrorCode, message: string) {
  return { kind: "refused", refusal: { code, message } } as const satisfies Outcome;
}
