import { type ErrorCode, errorEventOf, type Refusal } from "../../../core/errors.ts";
import type { EndedBy } from "../../../core/request-record.ts";
import type { Exchange } from "../../exchange.ts";
import type { EngineHead } from "./answer-headers.ts";
import type { Client, HeaderLine } from "./client.ts";
import type { Passage } from "./entry/passage.ts";
import type { ClientHead } from "./request-head.ts";

interface RelayParts {
  readonly client: Pick<Client, "head" | "flushHead" | "write" | "onDrain" | "end" | "breakOff">;
  readonly exchange: Pick<
    Exchange,
    "responseHead" | "responseChunk" | "responseRest" | "marker" | "end"
  >;
  readonly head: Pick<ClientHead, "id" | "path">;
  /** Adds headers to the answer, and keeps the pace of the client. */
  readonly passage: Pick<Passage, "answerHeaders" | "answerStalls" | "answerFlows">;
  /** Lets the engine send again after `chunk` has returned false. */
  readonly resume: () => void;
}

/**
 * Passes one answer to the client as it comes. The head waits for the end of the turn of the event loop, so that the
 * bytes that came with it leave in one write. Bytes that pass unchanged are read for the exchange once they have left.
 */
export class Relay {
  readonly #parts: RelayParts;
  #engineHead: EngineHead | undefined;
  #first: Uint8Array | undefined;
  /** True if the exchange changes no byte. */
  #isUnchanged = false;
  /** The first bytes until the exchange has read them. */
  #unread: Uint8Array | undefined;
  #pendingHead: string[] | undefined;
  /** Undefined until the answer is whole. */
  #trailers: readonly HeaderLine[] | undefined;

  constructor(parts: RelayParts) {
    this.#parts = parts;
  }

  /** True once bytes of the answer may have left. */
  get hasBegun(): boolean {
    return this.#engineHead !== undefined;
  }

  /** True once the whole answer has come, which waits for `sendEnd`. */
  get isWhole(): boolean {
    return this.#trailers !== undefined;
  }

  begin(engineHead: EngineHead, servedBy: string): void {
    const { exchange, head } = this.#parts;
    const { httpStatus, headers } = engineHead;
    const whole = { servedBy, showsBody: true, showsWholeBody: true };
    const change = exchange.responseHead({ httpStatus, headers, ...whole });
    this.#engineHead = engineHead;
    this.#isUnchanged = !change.changesLength;
    this.#pendingHead = engineHead.linesFor(change, head.id);
    this.#pendingHead.push(...this.#parts.passage.answerHeaders());
    queueMicrotask(() => this.#flushBegun());
  }

  /** Returns false if the buffer of the client is full. */
  chunk(chunk: Uint8Array): boolean {
    const isFirst = this.#pendingHead !== undefined && this.#first === undefined;
    const bytes = this.#isUnchanged ? chunk : this.#read(chunk);
    if (isFirst) {
      this.#first = bytes;
      if (this.#isUnchanged) this.#unread = chunk;
      return true;
    }
    this.#flush();
    const hasRoom = this.#write(bytes);
    if (this.#isUnchanged) this.#read(chunk);
    return hasRoom;
  }

  /** The answer is whole, and waits for `sendEnd` and then `settle`. Returns false if it was cut, and has ended as broken. */
  ended(trailers: readonly HeaderLine[]): boolean {
    if (this.#isCut) {
      this.broken("the model server ended its answer early");
      return false;
    }
    this.#trailers = trailers;
    return true;
  }

  /** Sends what is left of a whole answer. */
  sendEnd(): void {
    const { exchange, client } = this.#parts;
    const trailers = this.#trailers;
    const rest = exchange.responseRest();
    if (this.#pendingHead === undefined) client.end(rest, trailers);
    else {
      this.#sendHead();
      if (rest !== undefined && this.#first !== undefined) {
        client.write(this.#first);
        client.end(rest, trailers);
      } else client.end(rest ?? this.#first, trailers);
    }
  }

  /** Lets the exchange read and count a whole answer. */
  settle(): void {
    this.#readFirst();
    this.#parts.exchange.end("complete");
  }

  /** Ends an answer that breaks off: as an error, never as complete. */
  broken(message: string, by: EndedBy = "engine", code: ErrorCode = "upstream_broken"): void {
    const { exchange, client, head } = this.#parts;
    this.#readFirst();
    if (exchange.marker === "arrived") return this.#endAfterMarker();
    this.#flush();
    client.breakOff(this.#errorEvent({ code, message }, head));
    exchange.end("aborted", by);
  }

  /** True if an answer has ended without the marker that it promised. */
  get #isCut(): boolean {
    if (this.#engineHead?.endsWithConnection !== true) return false;
    this.#readFirst();
    return this.#parts.exchange.marker === "awaited";
  }

  /** Shows bytes to the exchange; returns those to send. */
  #read(chunk: Uint8Array): Uint8Array {
    return this.#parts.exchange.responseChunk(chunk, false) ?? chunk;
  }

  #readFirst(): void {
    const unread = this.#unread;
    this.#unread = undefined;
    if (unread !== undefined) this.#read(unread);
  }

  /** The answer is whole; only its end is missing. */
  #endAfterMarker(): void {
    const { exchange, client } = this.#parts;
    this.#flush();
    client.end(exchange.responseRest());
    exchange.end("complete");
  }

  /** An event stream ends with an error that clients can read; other answers have no place for it. */
  #errorEvent(refusal: Refusal, head: RelayParts["head"]): Uint8Array | undefined {
    const { headers, isEventStream = false } = this.#engineHead ?? {};
    const isPlain = (headers?.get("content-encoding") ?? "identity") === "identity";
    return isPlain && isEventStream ? Buffer.from(errorEventOf(refusal, head)) : undefined;
  }

  /** The head of a whole answer leaves with its end. */
  #flushBegun(): void {
    if (!this.isWhole) this.#flush();
  }

  #flush(): void {
    if (this.#pendingHead === undefined) return;
    this.#sendHead();
    const first = this.#first;
    this.#first = undefined;
    if (first !== undefined) this.#write(first);
    else this.#parts.client.flushHead();
    this.#readFirst();
  }

  #sendHead(): void {
    const engineHead = this.#engineHead;
    const rawHeaders = this.#pendingHead;
    if (engineHead === undefined || rawHeaders === undefined) return;
    this.#pendingHead = undefined;
    const { httpStatus, reason } = engineHead;
    try {
      this.#parts.client.head({ httpStatus, reason, rawHeaders });
    } catch {
      // A header that Node.js does not send on.
      this.#parts.client.breakOff(undefined);
    }
  }

  #write(chunk: Uint8Array): boolean {
    const { client, passage, resume } = this.#parts;
    if (client.write(chunk)) return true;
    passage.answerStalls();
    client.onDrain(() => {
      passage.answerFlows();
      resume();
    });
    return false;
  }
}
