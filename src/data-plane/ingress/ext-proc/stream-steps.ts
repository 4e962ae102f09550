import {
  type ErrorCode,
  errorEventOf,
  errorResponseOf,
  type Refusal,
} from "../../../core/errors.ts";
import type { SeenBody } from "../../../core/parse-result.ts";
import type { EndedBy, RequestEnd } from "../../../core/request-record.ts";
import type { RequestHead } from "../../../core/request.ts";
import type { ResponseMetadata } from "../../../core/response-metadata.ts";
import { BytePieces } from "../../../std/byte-pieces.ts";
import type { ResponseHeadChange } from "../../exchange-parts.ts";
import { mayBeObject, piecesOf, withoutSmall } from "./body-pieces.ts";
import { defaultProtocolConfig, type ProtocolConfig, type ProxyMessage } from "./messages.ts";
import { headOf, seenOf } from "./heads-seen.ts";
import {
  type RequestOutcome,
  type Routed,
  routedOf,
  type ProxiedHead,
  type StreamExchange,
} from "./stream-exchange.ts";
import type { ProxyStream } from "./transport.ts";

/**
 * Maximum bytes of a streamed body that are held for a decision; beyond it, the decision is made without the body. In
 * this mode a proxy stops reading from its client once its own buffer is full (32 KiB in Envoy's advice for edges), so
 * the rest of the body would never arrive.
 */
const streamedHeldBytesMax = 30_000;

/**
 * Milliseconds that requests may wait before they are read. Beyond it, requests are refused at their heads until the wait
 * is shorter again: a refusal costs a part of a decision, so that the rest is decided in time.
 */
const arrivalDelayMsMax = 250;

export interface StreamOptions {
  readonly dataPlane: {
    begin(head: ProxiedHead, showsAnswer: boolean): StreamExchange;
    /** Time that requests wait for their decision because another thread is busy. */
    readonly delayMs?: number;
  };
  /**
   * Largest request body that is held for a decision, in bytes. A larger one is answered with 413 if it is required,
   * and otherwise passes unread.
   */
  readonly bodyBytesMax: number;
  /**
   * Time that the proxy is asked for when a request waits, in milliseconds: its `max_message_timeout`, as it ignores a longer one
   * and takes one per message. 0 if it is not asked.
   */
  readonly waitTimeoutMs: number;
}

/**
 * State of a stream.
 *
 * - `idle`: no headers of the request have arrived.
 * - `holding`: the answer to the headers waits for the whole body (full duplex).
 * - `awaiting-body`: the headers are answered; the pick goes with the answer to the buffered body.
 * - `deciding`: the request waits for admission; later messages of the request wait too.
 * - `passing`: the pick was sent; the rest of the request and the response pass.
 * - `changing-head`: the same, and the head of the response waits for its changes; the rest of the response waits too.
 * - `answered`: a response arrived before the headers of the request were answered; it passes, and no message of the
 *   request is answered any more.
 * - `over`: no message is answered any more.
 */
export type Phase =
  | "idle"
  | "holding"
  | "awaiting-body"
  | "deciding"
  | "passing"
  | "changing-head"
  | "answered"
  | "over";

export type Message<K extends ProxyMessage["kind"]> = Extract<ProxyMessage, { kind: K }>;

/** Events of a stream besides the messages of its proxy. */
interface StreamEvents {
  /** Continues a stream that waited in `phase`; `step` returns the next phase. */
  readonly settled: (phase: Phase, step: () => Phase) => void;
  /** The request is ended in favor of others. */
  readonly evicted: (refusal: Refusal) => void;
}

/** State of a stream between messages, and the steps of the transition table. */
export class Stream {
  readonly #options: StreamOptions;
  readonly #proxy: Pick<ProxyStream, "answer" | "arrivalDelayMs">;
  readonly #events: StreamEvents;
  #config: ProtocolConfig = defaultProtocolConfig;
  #exchange: StreamExchange | undefined;
  #head: RequestHead | undefined;
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  #hasRequestHead = false;
  #hasRequestEnded = false;
  #hasResponseHead = false;
  /** The content coding of an event stream; undefined for other responses, and before the head. */
  #responseEncoding: string | undefined;

  constructor(
    options: StreamOptions,
    proxy: Pick<ProxyStream, "answer" | "arrivalDelayMs">,
    events: StreamEvents,
  ) {
    this.#options = options;
    this.#proxy = proxy;
    this.#events = events;
  }

  /** True if a response head has arrived and its body will not, so that a close of the stream is its regular end. */
  get isAnsweredUnseen(): boolean {
    return this.#hasResponseHead && this.#config.responseBody === "none";
  }

  /** True if no response has begun, so that a close of the stream ends the request too. */
  get isUnanswered(): boolean {
    return this.#hasRequestHead && !this.#hasResponseHead;
  }

  /**
   * Records the message; true if it is a repetition or follows its own end. A proxy expects no answer to such a
   * message, and treats one as a protocol error.
   */
  isSurplus(message: ProxyMessage): boolean {
    switch (message.kind) {
      case "request-headers": {
        const isSecond = this.#hasRequestHead;
        this.#hasRequestHead = true;
        this.#hasRequestEnded ||= message.endOfStream;
        return isSecond;
      }
      case "request-body":
      case "request-trailers": {
        const isAfterEnd = this.#hasRequestEnded;
        this.#hasRequestEnded ||= message.kind === "request-trailers" || message.endOfStream;
        return isAfterEnd;
      }
      case "response-headers":
        return this.#hasResponseHead;
      case "response-body":
      case "response-trailers":
        // The stream is over after the end of a response.
        return false;
    }
  }

  open(message: Message<"request-headers">): Phase {
    this.#config = message.config ?? defaultProtocolConfig;
    const head = (this.#head = headOf(message));
    const exchange = this.#options.dataPlane.begin(head, this.#config.responseBody !== "none");
    this.#exchange = exchange;
    exchange.onEvict = this.#events.evicted;

    const { dataPlane } = this.#options;
    if (Math.max(this.#proxy.arrivalDelayMs ?? 0, dataPlane.delayMs ?? 0) > arrivalDelayMsMax) {
      return this.#refuse("overloaded", "the endpoint picker has more requests than it can decide");
    }
    if (message.endOfStream) return this.#decide(new Uint8Array(0));
    if (exchange.bodyUse === "none") return this.#decide("not_wanted");
    if (Number(message.headers.get("content-length")) > this.#options.bodyBytesMax) {
      return this.#isRequired ? this.#refuseTooLarge() : this.#decide("too_long");
    }
    switch (this.#config.requestBody) {
      case "full-duplex":
        return "holding";
      case "streamed":
        // Without `sendsBodyAtOnce`, the proxy sends no body before the headers are answered.
        return this.#config.sendsBodyAtOnce ? "holding" : this.#decide("not_shown");
      case "buffered":
      case "buffered-partial":
        this.#proxy.answer({ kind: "request-headers", pick: undefined });
        return "awaiting-body";
      case "none":
        return this.#decide("not_shown");
    }
  }

  hold({ body, endOfStream }: Message<"request-body">): Phase {
    const isBeyondLimit = this.#heldBytes + body.length > this.#options.bodyBytesMax;
    if (isBeyondLimit && this.#isRequired) return this.#refuseTooLarge();
    const isNoObject =
      this.#exchange?.bodyUse === "if-object" && this.#heldBytes === 0 && !mayBeObject(body);
    this.#held.push(body);
    this.#heldBytes += body.length;
    if (isNoObject) return this.#releaseUnread("not_wanted", endOfStream);
    if (isBeyondLimit) return this.#releaseUnread("too_long", endOfStream);
    if (endOfStream) return this.release(true);
    const isTooMuchToHold =
      this.#config.requestBody === "streamed" && this.#heldBytes > streamedHeldBytesMax;
    return isTooMuchToHold ? this.#releaseUnread("too_long", false) : "holding";
  }

  /** Decides on the complete body, and answers headers and body, in this order. */
  release(endOfStream: boolean): Phase {
    return this.#decideThen(new BytePieces(this.#held, this.#heldBytes), (routed) => {
      this.#proxy.answer({ kind: "request-headers", pick: routed.pick });
      if (this.#config.requestBody !== "full-duplex") this.#answerHeld(routed.body);
      else if (routed.body !== undefined) this.#answerPieces(routed.body, endOfStream);
      else this.#passHeld(endOfStream);
      this.#held = [];
      // Trailers ended the body if its last chunk did not.
      if (!endOfStream) this.passRequestTrailers();
      return "passing";
    });
  }

  /** Decides on a buffered body. `body` is whole, except from a proxy that buffers only a part. */
  decideAtBody({ body, endOfStream }: Message<"request-body">): Phase {
    const isBeyondLimit = body.length > this.#options.bodyBytesMax;
    if (isBeyondLimit && this.#isRequired) return this.#refuseTooLarge();
    const isCut = this.#config.requestBody === "buffered-partial" && !endOfStream;
    return this.#decideThen(isCut || isBeyondLimit ? "too_long" : body, (routed) => {
      const piece = routed.body && { replaced: routed.body };
      this.#proxy.answer({ kind: "request-body", piece, pick: routed.pick });
      return "passing";
    });
  }

  passRequestBody({ body, endOfStream }: Message<"request-body">): void {
    if (this.#config.requestBody === "full-duplex") this.#answerPieces(body, endOfStream);
    else this.#proxy.answer({ kind: "request-body", piece: undefined, pick: undefined });
  }

  passRequestTrailers(): void {
    this.#proxy.answer({ kind: "request-trailers" });
  }

  /** Answers the head of a response. `phase`: the one that follows. */
  responseHead(message: Message<"response-headers">, phase: Phase): Phase {
    const { headers } = message;
    this.#hasResponseHead = true;
    if (headers.get("content-type")?.startsWith("text/event-stream") === true) {
      this.#responseEncoding = headers.get("content-encoding") ?? "identity";
    }
    const change = this.#exchange?.responseHead(seenOf(message, this.#config.responseBody));
    if (!(change instanceof Promise)) return this.#answerHead(message, change, phase);
    void change.then((settled) =>
      this.#events.settled("changing-head", () => this.#answerHead(message, settled, phase)),
    );
    return "changing-head";
  }

  responseBody({ body, endOfStream }: Message<"response-body">): void {
    const changed = this.#exchange?.responseChunk(body, endOfStream);
    const metadata = endOfStream ? this.#exchange?.responseMetadata?.() : undefined;
    if (this.#config.responseBody === "full-duplex") {
      this.#answerResponsePieces(changed ?? body, endOfStream, metadata);
    } else {
      const piece = changed && { replaced: changed };
      this.#proxy.answer({ kind: "response-body", piece, ...(metadata && { metadata }) });
    }
    if (endOfStream) this.finish("complete");
  }

  responseTrailers(): void {
    const rest = this.#exchange?.responseRest();
    // Only this mode allows a body message that answers no message.
    if (rest !== undefined && this.#config.responseBody === "full-duplex") {
      this.#answerResponsePieces(rest, false);
    }
    const metadata = this.#exchange?.responseMetadata?.();
    this.#proxy.answer({ kind: "response-trailers", ...(metadata && { metadata }) });
    this.finish("complete");
  }

  /** Ends an evicted request with the error: as an answer, as the last event of a stream, or by a reset. */
  evict(refusal: Refusal): Phase {
    const head = this.#head ?? { id: "", path: "" };
    const isPlain = this.#responseEncoding === "identity";
    // Of the modes that show a stream, only this one allows to end it.
    if (isPlain && this.#config.responseBody === "full-duplex") {
      this.#answerResponsePieces(Buffer.from(errorEventOf(refusal, head)), true);
    } else this.#proxy.answer({ kind: "immediate", response: errorResponseOf(refusal, head) });
    this.finish("aborted", "eviction");
    return "over";
  }

  /** Ends the request; further calls do nothing. */
  finish(end: RequestEnd, endedBy?: EndedBy): void {
    this.#held = [];
    const exchange = this.#exchange;
    this.#exchange = undefined;
    exchange?.end(end, endedBy);
  }

  #answerHead(
    { endOfStream }: Message<"response-headers">,
    change: ResponseHeadChange | undefined,
    phase: Phase,
  ): Phase {
    this.#proxy.answer({
      kind: "response-headers",
      set: change?.set ?? [],
      removed: change?.changesLength === true ? ["content-length"] : [],
    });
    if (!endOfStream) return phase;
    this.finish("complete");
    return "over";
  }

  /** Handles a proxy that sends no more while an answer is pending; true if the answer comes all the same. */
  leave(): boolean {
    return this.#exchange?.leave?.() === true;
  }

  get #isRequired(): boolean {
    return this.#exchange?.bodyUse === "required";
  }

  /** Decides without the body, and passes the held part of it on. */
  #releaseUnread(reason: "not_wanted" | "too_long", endOfStream: boolean): Phase {
    return this.#decideThen(reason, ({ pick }) => {
      this.#proxy.answer({ kind: "request-headers", pick });
      if (this.#config.requestBody === "full-duplex") this.#passHeld(endOfStream);
      else this.#answerHeld(undefined);
      this.#held = [];
      return "passing";
    });
  }

  /** Passes the held chunks on; there are none if trailers ended an empty body. */
  #passHeld(endOfStream: boolean): void {
    const chunks = withoutSmall(this.#held);
    const last = chunks.at(-1);
    for (const chunk of chunks) this.#answerPieces(chunk, endOfStream && chunk === last);
  }

  /** Answers every held chunk: unchanged, or with the changed body for the first and nothing for the rest. */
  #answerHeld(changed: Uint8Array | undefined): void {
    for (const [index] of this.#held.entries()) {
      const replaced = index === 0 ? changed : new Uint8Array(0);
      const piece = changed && replaced && { replaced };
      this.#proxy.answer({ kind: "request-body", piece, pick: undefined });
    }
  }

  #answerPieces(body: Uint8Array, endOfStream: boolean): void {
    for (const piece of piecesOf(body, endOfStream)) {
      this.#proxy.answer({ kind: "request-body", piece, pick: undefined });
    }
  }

  /** `metadata` goes with the last piece. */
  #answerResponsePieces(body: Uint8Array, endOfStream: boolean, metadata?: ResponseMetadata): void {
    for (const piece of piecesOf(body, endOfStream)) {
      const isLast = metadata !== undefined && piece.endOfStream;
      this.#proxy.answer({ kind: "response-body", piece, ...(isLast && { metadata }) });
    }
  }

  /** Decides, and answers the headers with the pick or the client with the refusal. */
  #decide(body: SeenBody): Phase {
    return this.#decideThen(body, ({ pick }) => {
      this.#proxy.answer({ kind: "request-headers", pick });
      return "passing";
    });
  }

  /** Runs `pass` once the request has a target: now, or later if it waits for admission. */
  #decideThen(body: SeenBody, pass: (routed: Routed) => Phase): Phase {
    const outcome = this.#exchange?.decide(body);
    if (!(outcome instanceof Promise)) return this.#passed(outcome, pass);
    void outcome.then((settled) =>
      this.#events.settled("deciding", () => this.#passed(settled, pass)),
    );
    return "deciding";
  }

  #passed(outcome: RequestOutcome | undefined, pass: (routed: Routed) => Phase): Phase {
    if (outcome?.kind === "routed") return pass(routedOf(outcome));
    if (outcome?.kind === "refused") this.#answerRefusal(outcome.refusal);
    return "over";
  }

  #refuseTooLarge(): Phase {
    const message = `request body is larger than ${this.#options.bodyBytesMax} bytes (--request-body-limit)`;
    return this.#refuse("body_too_large", message);
  }

  #refuse(code: ErrorCode, message: string): Phase {
    const outcome = this.#exchange?.refuse(code, message);
    if (outcome !== undefined) this.#answerRefusal(outcome.refusal);
    return "over";
  }

  #answerRefusal(refusal: Refusal): void {
    const response = errorResponseOf(refusal, this.#head ?? { id: "", path: "" });
    this.#proxy.answer({ kind: "immediate", response });
    this.finish("refused");
  }
}
