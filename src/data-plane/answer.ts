import {
  type AnswerFailure,
  emptyCode,
  failureOfStatus,
  truncatedCode,
} from "../core/answer-failure.ts";
import type { AnswerReader } from "../core/answer-reader.ts";
import type { EndedBy, RequestEnd, RequestRecord } from "../core/request-record.ts";
import { retryAfterMsOf } from "../std/retry-after.ts";
import type { ApiDialect, HeaderValues, InferenceRequest } from "../core/request.ts";
import { createAnswerReader } from "./response/answer-reader.ts";
import { createModelNameRestorer, type ModelNameRestorer } from "./response/model-name-restorer.ts";

/** The head of a response as an ingress sees it. */
export interface ResponseHeadSeen {
  readonly httpStatus: number | undefined;
  readonly headers: HeaderValues;
  /** `ip:port` of the endpoint that served, as the proxy reports it; undefined if it does not. */
  readonly servedBy: string | undefined;
  /** True if no endpoint answered: the head is the proxy's own, or stands for a connection that failed. */
  readonly isUnreached?: boolean;
  /** True if the ingress will get the body, and may change it. */
  readonly showsBody: boolean;
  /** True if the ingress will get the whole body. */
  readonly showsWholeBody: boolean;
}

/** A response, as far as it has been read. */
export type AnswerView = Pick<
  Answer,
  | "httpStatus"
  | "servedBy"
  | "isUnreached"
  | "retryAfterMs"
  | "keepsTargetName"
  | "changesLength"
  | "isEventStream"
  | "hasBegun"
  | "marker"
  | "usage"
  | "id"
  | "failure"
  | "read"
  | "restored"
  | "rest"
  | "close"
  | "endAsRead"
>;

/** The parts of a request that the reading of its response needs. */
export type AnsweredRequest = Pick<
  InferenceRequest,
  "dialect" | "isStreaming" | "model" | "targetModel"
>;

/** The response to one request: reads it as it passes, and restores the client's name of the model. */
export class Answer {
  readonly #seen: ResponseHeadSeen;
  readonly #method: string;
  readonly #reader: AnswerReader | undefined;
  readonly #restorer: ModelNameRestorer | undefined;
  readonly #promisesMarker: boolean;
  #isClosed = false;
  #hasBytes = false;
  #isEmpty = false;
  readonly #hasContent: boolean;
  /** True if the model was rewritten but the body is compressed, so that it keeps the engine's name of the model. */
  readonly keepsTargetName: boolean;

  /** `request`: undefined if the response came before the request was understood. */
  constructor(seen: ResponseHeadSeen, method: string, request: AnsweredRequest | undefined) {
    this.#seen = seen;
    this.#method = method;
    this.#promisesMarker = request !== undefined && promisesMarker(request);
    this.#hasContent = seen.showsWholeBody && request !== undefined && hasContent(request);
    this.#reader = seen.showsBody ? readerOf(seen, request) : undefined;
    const restorer =
      seen.showsBody && request !== undefined ? restorerOf(seen, request) : undefined;
    this.keepsTargetName = restorer === "compressed";
    this.#restorer = restorer === "compressed" ? undefined : restorer;
  }

  get httpStatus(): number | undefined {
    return this.#seen.httpStatus;
  }

  get servedBy(): string | undefined {
    return this.#seen.servedBy;
  }

  /** True if no endpoint answered. */
  get isUnreached(): boolean {
    return this.#seen.isUnreached === true;
  }

  /** Milliseconds after which its `Retry-After` invites another request; undefined without one. */
  get retryAfterMs(): number | undefined {
    return retryAfterMsIn(this.#seen);
  }

  /** True if the length of the body will differ from the one in the head. */
  get changesLength(): boolean {
    return this.#restorer !== undefined;
  }

  /** True if the body is a readable event stream, so that the first token is visible. */
  get isEventStream(): boolean {
    return this.#reader?.isEventStream === true;
  }

  get hasBegun(): boolean {
    return this.#reader?.hasBegun === true;
  }

  /**
   * The completion marker: `awaited` if the API promises one that has not come; `arrived` if only the end of the body is
   * missing; `none` if nothing shows whether the body is whole.
   */
  get marker(): "awaited" | "arrived" | "none" {
    if (this.#reader?.isComplete === true) return "arrived";
    return this.#promisesMarker && this.isEventStream ? "awaited" : "none";
  }

  get usage(): RequestRecord["usage"] {
    return this.#reader?.usage;
  }

  get id(): string | undefined {
    return this.#reader?.id;
  }

  /**
   * The failure of the response, by its status, else by its body. Only bodies of POST count: a GET returns a stored
   * object, whose error is not an error of this response.
   */
  get failure(): AnswerFailure | undefined {
    const told = this.#method === "POST" ? this.#reader?.failure : undefined;
    const empty = this.#isEmpty && told === undefined ? emptyAnswer : told;
    return failureOfStatus(this.#seen.httpStatus) ?? empty;
  }

  /** Reads the next bytes of the body, at least one. */
  read(chunk: Uint8Array): void {
    this.#hasBytes = true;
    this.#reader?.push(chunk);
  }

  /** Returns the bytes to send in place of these; undefined if they pass unchanged. */
  restored(chunk: Uint8Array, isLast: boolean): Uint8Array | undefined {
    if (this.#restorer === undefined) return undefined;
    const passed = this.#restorer.push(chunk);
    return isLast ? Buffer.concat([passed, this.#restorer.end()]) : passed;
  }

  /** Returns the bytes held back so far, for an end of the body that comes without a chunk. */
  rest(): Uint8Array | undefined {
    const rest = this.#restorer?.end();
    return rest === undefined || rest.length === 0 ? undefined : rest;
  }

  /** Ends the reading, once. `isWhole`: the body was transferred to its end. */
  close(isWhole: boolean): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#reader?.end(isWhole);
    const isGood = this.#seen.httpStatus === 200 && this.#method === "POST";
    this.#isEmpty = isWhole && isGood && this.#hasContent && !this.#hasBytes;
  }

  /** Corrects the end that the ingress saw by what the body shows. */
  endAsRead(end: RequestEnd, endedBy: EndedBy): Pick<RequestRecord, "end" | "endedBy"> {
    if (end === "complete" && this.failure?.code === truncatedCode) {
      // The body ended without its completion marker.
      return { end: "aborted", endedBy: "engine" };
    }
    if (end === "aborted") {
      // A connection that speaks another protocol ends only by a close, by either side.
      const isClosed = this.#seen.httpStatus === 101 && endedBy === "unknown";
      if (!isClosed && this.#reader?.isComplete !== true) return { end, endedBy };
    }
    return { end: end === "refused" ? end : "complete", endedBy: undefined };
  }
}

/** A date counts from that of the answer, since clocks differ. */
export function retryAfterMsIn({ headers }: Pick<ResponseHeadSeen, "headers">): number | undefined {
  const text = headers.get("retry-after");
  return text === undefined
    ? undefined
    : retryAfterMsOf(text, Date.parse(headers.get("date") ?? ""));
}

function readerOf(
  { headers, showsWholeBody }: ResponseHeadSeen,
  request: AnsweredRequest | undefined,
): AnswerReader {
  return createAnswerReader({
    contentType: headers.get("content-type"),
    contentEncoding: headers.get("content-encoding"),
    promisesMarker: showsWholeBody && request !== undefined && promisesMarker(request),
  });
}

function restorerOf({ headers }: ResponseHeadSeen, { model, targetModel }: AnsweredRequest) {
  // The client named no model, so there is no name to restore.
  if (model === "" || model === targetModel) return undefined;
  return createModelNameRestorer({
    contentType: headers.get("content-type"),
    contentEncoding: headers.get("content-encoding"),
    target: targetModel,
    client: model,
  });
}

const emptyAnswer: AnswerFailure = { code: emptyCode, blame: "engine" };

/** Any answer of a known API says something. */
function hasContent({ dialect }: AnsweredRequest): boolean {
  return dialect !== "passthrough";
}

/** APIs whose streams end with a completion marker: `[DONE]`, `message_stop` or an event that ends the response. */
const markedApis: ReadonlySet<ApiDialect> = new Set<ApiDialect>([
  "chat",
  "completions",
  "messages",
  "responses",
  "sglang-generate",
]);

function promisesMarker({ dialect, isStreaming }: AnsweredRequest): boolean {
  return isStreaming && markedApis.has(dialect);
}
