import { type AnswerFailure, failureOfStatus, truncatedCode } from "../core/answer-failure.ts";
import type { AnswerReader } from "../core/answer-reader.ts";
import type { EndedBy, RequestEnd, RequestRecord } from "../core/request-record.ts";
import type { ApiDialect, HeaderValues, InferenceRequest } from "../core/request.ts";
import { createAnswerReader } from "./response/answer-reader.ts";
import { createModelNameRestorer, type ModelNameRestorer } from "./response/model-name-restorer.ts";

/** The head of a response as an ingress sees it. */
export interface ResponseHeadSeen {
  readonly httpStatus: number | undefined;
  readonly headers: HeaderValues;
  /** `ip:port` of the endpoint that the proxy says it used; undefined if it does not say. */
  readonly servedBy: string | undefined;
  /** The body will be shown, and may be changed. */
  readonly showsBody: boolean;
  /** All of the body will be shown. */
  readonly showsWholeBody: boolean;
}

/** The response to one request: reads along, and puts the client's name of the model back. */
export class Answer {
  readonly #seen: ResponseHeadSeen;
  readonly #method: string;
  readonly #reader: AnswerReader | undefined;
  readonly #restorer: ModelNameRestorer | undefined;
  /** The body is compressed, so the name of a rewritten model in it stays the engine's. */
  readonly keepsTargetName: boolean;
  bytes = 0;
  chunks = 0;

  /** `request`: undefined if the response came before the request was understood. */
  constructor(seen: ResponseHeadSeen, method: string, request: InferenceRequest | undefined) {
    this.#seen = seen;
    this.#method = method;
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

  /** The body will have another length than its head says. */
  get changesLength(): boolean {
    return this.#restorer !== undefined;
  }

  /** The body is a stream of events, in which the first token shows. */
  get isEventStream(): boolean {
    return this.#reader?.isEventStream === true;
  }

  get hasBegun(): boolean {
    return this.#reader?.hasBegun === true;
  }

  get usage(): RequestRecord["usage"] {
    return this.#reader?.usage;
  }

  /** An answer to another method than POST shows a stored object, whose error is not the answer's. */
  get failure(): AnswerFailure | undefined {
    const told = this.#method === "POST" ? this.#reader?.failure : undefined;
    return failureOfStatus(this.#seen.httpStatus) ?? told;
  }

  /** Reads the next bytes. Not empty. */
  read(chunk: Uint8Array): void {
    this.bytes += chunk.length;
    this.chunks += 1;
    this.#reader?.push(chunk);
  }

  /** The bytes to send in place of these; undefined if they pass unchanged. */
  restored(chunk: Uint8Array, isLast: boolean): Uint8Array | undefined {
    if (this.#restorer === undefined) return undefined;
    const passed = this.#restorer.push(chunk);
    return isLast ? Buffer.concat([passed, this.#restorer.end()]) : passed;
  }

  /** Bytes held back until now, if the end comes without a chunk. */
  rest(): Uint8Array | undefined {
    const rest = this.#restorer?.end();
    return rest === undefined || rest.length === 0 ? undefined : rest;
  }

  /** Nothing more comes. */
  close(isWhole: boolean): void {
    this.#reader?.end(isWhole);
  }

  /** The end of the request according to the body, given the one that the ingress saw. */
  endAsRead(end: RequestEnd, endedBy: EndedBy): Pick<RequestRecord, "end" | "endedBy"> {
    if (end === "complete" && this.failure?.code === truncatedCode) {
      // The proxy saw the end of a body that the API had not ended.
      return { end: "aborted", endedBy: "engine" };
    }
    if (end === "aborted") {
      // A connection that speaks another protocol has no end but its close, by either side.
      const isClosed = this.#seen.httpStatus === 101 && endedBy === "unknown";
      if (!isClosed && this.#reader?.isComplete !== true) return { end, endedBy };
    }
    return { end: end === "refused" ? end : "complete", endedBy: undefined };
  }
}

function readerOf(
  { headers, showsWholeBody }: ResponseHeadSeen,
  request: InferenceRequest | undefined,
): AnswerReader {
  return createAnswerReader({
    contentType: headers.get("content-type"),
    contentEncoding: headers.get("content-encoding"),
    promisesMarker: showsWholeBody && request !== undefined && promisesMarker(request),
  });
}

function restorerOf({ headers }: ResponseHeadSeen, { model, targetModel }: InferenceRequest) {
  // A client that named no model has none to be shown.
  if (model === "" || model === targetModel) return undefined;
  return createModelNameRestorer({
    contentType: headers.get("content-type"),
    contentEncoding: headers.get("content-encoding"),
    target: targetModel,
    client: model,
  });
}

/** APIs whose streams end with `[DONE]`, `message_stop` or an event that ends the response. */
const markedApis: ReadonlySet<ApiDialect> = new Set<ApiDialect>([
  "chat",
  "completions",
  "messages",
  "responses",
  "sglang-generate",
]);

function promisesMarker({ dialect, isStreaming }: InferenceRequest): boolean {
  return isStreaming && markedApis.has(dialect);
}
