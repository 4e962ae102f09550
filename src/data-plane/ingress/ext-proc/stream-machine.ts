import { randomUUID } from "node:crypto";
import type { Outcome } from "../../../core/decision.ts";
import { errorResponseOf, type Refusal } from "../../../core/errors.ts";
import type { RequestEnd } from "../../../core/request-record.ts";
import type { HeaderValues, RequestHead } from "../../../core/request.ts";
import { piecesOf } from "./body-pieces.ts";
import {
  defaultProtocolConfig,
  type ProtocolConfig,
  type ProxyAnswer,
  type ProxyMessage,
} from "./messages.ts";

/**
 * Bytes of a streamed body that may wait for a decision. A proxy in this mode stops reading from its
 * client once its own buffer is full (32 KiB in Envoy's advice for edges), and would never send the
 * rest: beyond this the decision is made without the body.
 */
const streamedHeldBytesMax = 30_000;

/** One request's life as this machine drives it; `Exchange` of the pipeline is one. */
export interface MachineExchange {
  readonly bodyIsNeeded: boolean;
  decide(body: Uint8Array | undefined): Outcome;
  refuse(code: "body_too_large", message: string): Outcome;
  responseHead(httpStatus: number | undefined, headers: HeaderValues, servedBy?: string): void;
  responseChunk(chunk: Uint8Array): void;
  end(end: RequestEnd): void;
}

export interface MachineDeps {
  readonly begin: (head: RequestHead) => MachineExchange;
  readonly answer: (answer: ProxyAnswer) => void;
  /** Largest request body that is held for a decision; a larger one is answered with 413. */
  readonly bodyBytesMax: number;
}

/**
 * Where a stream stands.
 *
 * - `idle`: nothing seen.
 * - `holding`: the answer to the headers waits for the whole body (full duplex).
 * - `awaiting-body`: the headers are answered, the pick goes with the buffered body.
 * - `passing`: the pick is out; the rest of the request and the response pass by.
 * - `over`: nothing more is answered.
 */
type Phase = "idle" | "holding" | "awaiting-body" | "passing" | "over";

type Message<K extends ProxyMessage["kind"]> = Extract<ProxyMessage, { kind: K }>;
type Handler<K extends ProxyMessage["kind"]> = (machine: Stream, message: Message<K>) => Phase;
type Row = { readonly [K in ProxyMessage["kind"]]: Handler<K> };

/** One ext_proc stream, which is one HTTP request, from its first message to its end. */
export class StreamMachine {
  readonly #stream: Stream;
  #phase: Phase = "idle";

  constructor(deps: MachineDeps) {
    this.#stream = new Stream(deps);
  }

  get isOver(): boolean {
    return this.#phase === "over";
  }

  receive(message: ProxyMessage): void {
    const handler = TRANSITIONS[this.#phase][message.kind];
    // The row was indexed by the message's own kind, so this handler is the one for its type.
    this.#phase = handler(this.#stream, message as never);
  }

  /** The stream has closed, for whatever reason: releases everything that is still held. */
  close(): void {
    this.#phase = "over";
    this.#stream.finish(this.#stream.isAnsweredUnseen ? "complete" : "aborted");
  }
}

/** What a stream carries from message to message, and the steps that the table is made of. */
class Stream {
  readonly #deps: MachineDeps;
  #config: ProtocolConfig = defaultProtocolConfig;
  #exchange: MachineExchange | undefined;
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  #hasResponseHead = false;

  constructor(deps: MachineDeps) {
    this.#deps = deps;
  }

  /** The proxy shows no response body, so a stream that closes after the head has no other end. */
  get isAnsweredUnseen(): boolean {
    return this.#hasResponseHead && this.#config.responseBody === "none";
  }

  open(message: Message<"request-headers">): Phase {
    this.#config = message.config ?? defaultProtocolConfig;
    const exchange = this.#deps.begin(headOf(message));
    this.#exchange = exchange;

    if (message.endOfStream) return this.#decide(new Uint8Array(0));
    if (!exchange.bodyIsNeeded) return this.#decide(undefined);
    if (Number(message.headers.get("content-length")) > this.#deps.bodyBytesMax) {
      return this.#refuseTooLarge();
    }
    switch (this.#config.requestBody) {
      case "full-duplex":
        return "holding";
      case "streamed":
        // Without `sendsBodyAtOnce` the proxy shows no body before the headers are answered.
        return this.#config.sendsBodyAtOnce ? "holding" : this.#decide(undefined);
      case "buffered":
      case "buffered-partial":
        this.#deps.answer({ kind: "request-headers", destination: undefined });
        return "awaiting-body";
      case "none":
        return this.#decide(undefined);
    }
  }

  hold({ body, endOfStream }: Message<"request-body">): Phase {
    if (this.#heldBytes + body.length > this.#deps.bodyBytesMax) return this.#refuseTooLarge();
    this.#held.push(body);
    this.#heldBytes += body.length;
    if (endOfStream) return this.release(true);
    const isTooMuchToHold =
      this.#config.requestBody === "streamed" && this.#heldBytes > streamedHeldBytesMax;
    return isTooMuchToHold ? this.#releaseUnread() : "holding";
  }

  /** The body is complete: decides and answers headers and body, in this order. */
  release(endOfStream: boolean): Phase {
    const body = joined(this.#held, this.#heldBytes);
    if (this.#decide(body) === "over") return "over";
    if (this.#config.requestBody !== "full-duplex") return this.#answerHeld();
    // A body without a message has nothing to answer: its end came with the trailers.
    if (this.#held.length > 0) this.#answerPieces(body, endOfStream);
    this.#held = [];
    return "passing";
  }

  /** `body` is all there will be, except from a proxy that buffers a part and then lets go. */
  decideAtBody({ body, endOfStream }: Message<"request-body">): Phase {
    if (body.length > this.#deps.bodyBytesMax) return this.#refuseTooLarge();
    const isCut = this.#config.requestBody === "buffered-partial" && !endOfStream;
    const destination = this.#destinationFor(isCut ? undefined : body);
    if (destination === undefined) return "over";
    this.#deps.answer({ kind: "request-body", piece: undefined, destination });
    return "passing";
  }

  passRequestBody({ body, endOfStream }: Message<"request-body">): Phase {
    if (this.#config.requestBody === "full-duplex") this.#answerPieces(body, endOfStream);
    else this.#deps.answer({ kind: "request-body", piece: undefined, destination: undefined });
    return "passing";
  }

  passRequestTrailers(phase: Phase): Phase {
    this.#deps.answer({ kind: "request-trailers" });
    return phase;
  }

  responseHead({ headers, endOfStream, servedBy }: Message<"response-headers">): Phase {
    this.#hasResponseHead = true;
    const status = Number(headers.get(":status"));
    this.#exchange?.responseHead(Number.isNaN(status) ? undefined : status, headers, servedBy);
    this.#deps.answer({ kind: "response-headers" });
    return endOfStream ? this.#complete() : "passing";
  }

  responseBody({ body, endOfStream }: Message<"response-body">): Phase {
    this.#exchange?.responseChunk(body);
    if (this.#config.responseBody === "full-duplex") {
      for (const piece of piecesOf(body, endOfStream)) {
        this.#deps.answer({ kind: "response-body", piece });
      }
    } else {
      this.#deps.answer({ kind: "response-body", piece: undefined });
    }
    return endOfStream ? this.#complete() : "passing";
  }

  responseTrailers(): Phase {
    this.#deps.answer({ kind: "response-trailers" });
    return this.#complete();
  }

  /** Nothing can follow: ending the stream first saves the proxy a reset for every request. */
  #complete(): Phase {
    this.finish("complete");
    return "over";
  }

  finish(end: RequestEnd): void {
    this.#held = [];
    this.#exchange?.end(end);
  }

  #releaseUnread(): Phase {
    return this.#decide(undefined) === "over" ? "over" : this.#answerHeld();
  }

  /** Lets every held chunk pass as it came. */
  #answerHeld(): Phase {
    for (const _ of this.#held) {
      this.#deps.answer({ kind: "request-body", piece: undefined, destination: undefined });
    }
    this.#held = [];
    return "passing";
  }

  #answerPieces(body: Uint8Array, endOfStream: boolean): void {
    for (const piece of piecesOf(body, endOfStream)) {
      this.#deps.answer({ kind: "request-body", piece, destination: undefined });
    }
  }

  /** Decides and answers the headers with the pick, or the client with the refusal. */
  #decide(body: Uint8Array | undefined): Phase {
    const destination = this.#destinationFor(body);
    if (destination === undefined) return "over";
    this.#deps.answer({ kind: "request-headers", destination });
    return "passing";
  }

  /** The destination header's value; undefined when the request was refused, which it answers. */
  #destinationFor(body: Uint8Array | undefined): string | undefined {
    const outcome = this.#exchange?.decide(body);
    if (outcome?.kind === "routed") {
      return outcome.decision.endpoints.map(({ hostPort }) => hostPort).join(",");
    }
    if (outcome !== undefined) this.#answerRefusal(outcome.refusal);
    return undefined;
  }

  #refuseTooLarge(): Phase {
    const outcome = this.#exchange?.refuse(
      "body_too_large",
      `request body is larger than ${this.#deps.bodyBytesMax} bytes`,
    );
    if (outcome?.kind === "refused") this.#answerRefusal(outcome.refusal);
    return "over";
  }

  #answerRefusal(refusal: Refusal): void {
    this.#deps.answer({ kind: "immediate", response: errorResponseOf(refusal) });
    this.finish("refused");
  }
}

function headOf({ headers, subset }: Message<"request-headers">): RequestHead {
  return {
    id: headers.get("x-request-id") ?? randomUUID(),
    method: headers.get(":method") ?? "",
    path: headers.get(":path") ?? "",
    headers,
    subset,
  };
}

function joined(chunks: readonly Uint8Array[], bytes: number): Uint8Array {
  const [only] = chunks;
  return chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks, bytes);
}

/** The response may come at any time: another filter can answer before the request is complete. */
const whateverTheRequest = {
  "response-headers": (stream: Stream, message: Message<"response-headers">) =>
    stream.responseHead(message),
  "response-body": (stream: Stream, message: Message<"response-body">) =>
    stream.responseBody(message),
  "response-trailers": (stream: Stream) => stream.responseTrailers(),
};

const TRANSITIONS: Readonly<Record<Phase, Row>> = {
  idle: {
    ...whateverTheRequest,
    "request-headers": (stream, message) => stream.open(message),
    "request-body": (stream, message) => (stream.passRequestBody(message), "idle"),
    "request-trailers": (stream) => stream.passRequestTrailers("idle"),
  },
  holding: {
    ...whateverTheRequest,
    "request-headers": () => "holding",
    "request-body": (stream, message) => stream.hold(message),
    // Trailers end a body whose last chunk did not say so.
    "request-trailers": (stream) => {
      const phase = stream.release(false);
      return phase === "passing" ? stream.passRequestTrailers(phase) : phase;
    },
  },
  "awaiting-body": {
    ...whateverTheRequest,
    "request-headers": () => "awaiting-body",
    "request-body": (stream, message) => stream.decideAtBody(message),
    "request-trailers": (stream) => stream.passRequestTrailers("awaiting-body"),
  },
  passing: {
    ...whateverTheRequest,
    "request-headers": () => "passing",
    "request-body": (stream, message) => stream.passRequestBody(message),
    "request-trailers": (stream) => stream.passRequestTrailers("passing"),
  },
  over: {
    "request-headers": () => "over",
    "request-body": () => "over",
    "request-trailers": () => "over",
    "response-headers": () => "over",
    "response-body": () => "over",
    "response-trailers": () => "over",
  },
};
