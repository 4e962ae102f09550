import type { ErrorResponse } from "../../../core/errors.ts";
import type { HeaderPair } from "../../../core/request.ts";
import type { ResponseMetadata } from "../../../core/response-metadata.ts";
import type { Outgoing } from "../http2/server-stream.ts";
import { BackwardWriter } from "../../../std/backward-writer.ts";
import {
  type BodyPiece,
  durationOf,
  type NewBody,
  type ProxyAnswer,
  type RequestPick,
} from "./messages.ts";
import { protocolNames } from "./protocol-names.ts";

/** The tag of a field of bytes, and of a field that is a number. */
const bytesTag = (field: number) => (field << 3) | 2;
const doubleTag = (field: number) => (field << 3) | 1;
const varintTag = (field: number) => field << 3;

/** Tags of the fields that answers have, by message. */
const tags = {
  /** `ProcessingResponse`; each kind of answer is a field. */
  requestHeaders: bytesTag(1),
  responseHeaders: bytesTag(2),
  requestBody: bytesTag(3),
  responseBody: bytesTag(4),
  requestTrailers: bytesTag(5),
  responseTrailers: bytesTag(6),
  immediate: bytesTag(7),
  dynamicMetadata: bytesTag(8),
  overrideTimeout: bytesTag(10),
  /** `Duration` */
  seconds: varintTag(1),
  nanos: varintTag(2),
  /** `HeadersResponse`, `BodyResponse` */
  response: bytesTag(1),
  /** `CommonResponse` */
  headerMutation: bytesTag(2),
  bodyMutation: bytesTag(3),
  clearRouteCache: varintTag(5),
  /** `HeaderMutation` */
  setHeaders: bytesTag(1),
  removeHeaders: bytesTag(2),
  /** `HeaderValueOption` */
  header: bytesTag(1),
  appendAction: varintTag(3),
  /** `HeaderValue` */
  key: bytesTag(1),
  rawValue: bytesTag(3),
  /** `BodyMutation` */
  newBody: bytesTag(1),
  streamedResponse: bytesTag(3),
  /** `StreamedBodyResponse` */
  streamedBody: bytesTag(1),
  endOfStream: varintTag(2),
  /** `ImmediateResponse`, `HttpStatus` */
  status: bytesTag(1),
  immediateHeaders: bytesTag(2),
  immediateBody: bytesTag(3),
  code: varintTag(1),
  /** `Struct`, entries of its map, `Value` */
  fields: bytesTag(1),
  mapKey: bytesTag(1),
  mapValue: bytesTag(2),
  numberValue: doubleTag(2),
  stringValue: bytesTag(3),
  structValue: bytesTag(5),
} as const;

/** `HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD`: a client's copy of a header never survives. */
const overwrite = 2;

const lengthHeader = "content-length";
const noBytes = new Uint8Array(0);

/**
 * Writes answers as gRPC messages of `ProcessingResponse`, with their prefix. The next answer overwrites the bytes of the
 * last one, but for its tail, which is the body of the answer itself.
 *
 * Fields are written from the last to the first. A body is the last field of all the messages around it, so that all of
 * these begin to be written at length 0.
 */
export class AnswerEncoder {
  readonly #writer = new BackwardWriter();

  encode(answer: ProxyAnswer): Outgoing {
    const writer = this.#writer;
    writer.begin(bodyOf(answer));
    this.#answer(answer);
    writer.prefix();
    return writer;
  }

  #answer(answer: ProxyAnswer): void {
    const writer = this.#writer;
    switch (answer.kind) {
      case "request-headers":
        this.#pick(answer.pick);
        return this.#end(tags.requestHeaders, answer.pick);
      case "request-body":
        this.#body(answer.piece);
        this.#pick(answer.pick);
        return this.#end(tags.requestBody, answer.pick);
      case "response-headers":
        if (answer.set.length > 0 || answer.removed.length > 0) {
          this.#remove(answer.removed);
          this.#set(answer.set);
          writer.close(tags.headerMutation, 0);
        }
        return this.#end(tags.responseHeaders, undefined);
      case "response-body":
        this.#body(answer.piece);
        this.#end(tags.responseBody, undefined);
        return this.#numbers(answer.metadata);
      case "request-trailers":
        return writer.close(tags.requestTrailers, 0);
      case "response-trailers":
        writer.close(tags.responseTrailers, 0);
        return this.#numbers(answer.metadata);
      case "later":
        return this.#later(answer.timeoutMs);
      case "immediate":
        return this.#immediate(answer.response);
    }
  }

  /** Ends a `CommonResponse` in the answer of a kind. */
  #end(kind: number, pick: RequestPick | undefined): void {
    const writer = this.#writer;
    writer.close(tags.response, 0);
    writer.close(kind, 0);
    if (pick !== undefined) this.#metadata(pick.destination);
  }

  #body(piece: BodyPiece | NewBody | undefined): void {
    const writer = this.#writer;
    if (piece === undefined) return;
    if ("replaced" in piece) writer.close(tags.newBody, 0);
    else {
      writer.close(tags.streamedBody, 0);
      if (piece.endOfStream) this.#number(tags.endOfStream, 1);
      writer.close(tags.streamedResponse, 0);
    }
    writer.close(tags.bodyMutation, 0);
  }

  #pick(pick: RequestPick | undefined): void {
    if (pick === undefined) return;
    const writer = this.#writer;
    this.#number(tags.clearRouteCache, 1);
    const before = writer.length;
    this.#remove(pick.removed);
    if (pick.bodyBytes !== undefined) this.#header(lengthHeader, String(pick.bodyBytes));
    this.#set(pick.headers);
    this.#header(protocolNames.destination, pick.destination);
    writer.close(tags.headerMutation, before);
  }

  #set(headers: readonly HeaderPair[]): void {
    for (let index = headers.length - 1; index >= 0; index -= 1) {
      const pair = headers[index];
      if (pair !== undefined) this.#header(pair[0], pair[1]);
    }
  }

  #remove(names: readonly string[]): void {
    for (let index = names.length - 1; index >= 0; index -= 1) {
      this.#writer.text(tags.removeHeaders, names[index] ?? "");
    }
  }

  /** Sets a header. */
  #header(key: string, value: string): void {
    const writer = this.#writer;
    const before = writer.length;
    this.#number(tags.appendAction, overwrite);
    const beforeHeader = writer.length;
    writer.text(tags.rawValue, value);
    writer.text(tags.key, key);
    writer.close(tags.header, beforeHeader);
    writer.close(tags.setHeaders, before);
  }

  /** The protocol requires the destination both as a header and, with the same value, as metadata. */
  #metadata(destination: string): void {
    const writer = this.#writer;
    const before = writer.length;
    writer.text(tags.stringValue, destination);
    writer.close(tags.mapValue, before);
    writer.text(tags.mapKey, protocolNames.destination);
    writer.close(tags.fields, before);
    writer.close(tags.structValue, before);
    writer.close(tags.mapValue, before);
    writer.text(tags.mapKey, protocolNames.lbNamespace);
    writer.close(tags.fields, before);
    writer.close(tags.dynamicMetadata, before);
  }

  /** Numbers as metadata. */
  #numbers(metadata: ResponseMetadata | undefined): void {
    if (metadata === undefined) return;
    const writer = this.#writer;
    const before = writer.length;
    for (const [namespace, numbers] of metadata) {
      const beforeNamespace = writer.length;
      for (const [name, value] of numbers) {
        const beforeNumber = writer.length;
        writer.double(tags.numberValue, value);
        writer.close(tags.mapValue, beforeNumber);
        writer.text(tags.mapKey, name);
        writer.close(tags.fields, beforeNumber);
      }
      writer.close(tags.structValue, beforeNamespace);
      writer.close(tags.mapValue, beforeNamespace);
      writer.text(tags.mapKey, namespace);
      writer.close(tags.fields, beforeNamespace);
    }
    writer.close(tags.dynamicMetadata, before);
  }

  #later(timeoutMs: number): void {
    const { seconds, nanos } = durationOf(timeoutMs);
    if (nanos > 0) this.#number(tags.nanos, nanos);
    if (seconds > 0) this.#number(tags.seconds, seconds);
    this.#writer.close(tags.overrideTimeout, 0);
  }

  #immediate({ httpStatus, headers }: ErrorResponse): void {
    const writer = this.#writer;
    writer.close(tags.immediateBody, 0);
    const beforeHeaders = writer.length;
    this.#set(headers);
    writer.close(tags.immediateHeaders, beforeHeaders);
    const beforeStatus = writer.length;
    this.#number(tags.code, httpStatus);
    writer.close(tags.status, beforeStatus);
    writer.close(tags.immediate, 0);
  }

  #number(tag: number, value: number): void {
    this.#writer.varint(value);
    this.#writer.byte(tag);
  }
}

/** The body of an answer. */
function bodyOf(answer: ProxyAnswer): Uint8Array {
  if (answer.kind === "immediate") return Buffer.from(answer.response.body);
  if (answer.kind !== "request-body" && answer.kind !== "response-body") return noBytes;
  if (answer.piece === undefined) return noBytes;
  return "replaced" in answer.piece ? answer.piece.replaced : answer.piece.body;
}
