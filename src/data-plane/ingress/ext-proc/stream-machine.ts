import type { ProxyMessage } from "./messages.ts";
import type { ClosedBy } from "./transport.ts";
import { type MachineDeps, type Message, type Phase, Stream } from "./stream-steps.ts";

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
    const phase = this.#phase;
    if (phase === "over" || this.#stream.isSurplus(message)) return;
    const handler = TRANSITIONS[phase][message.kind];
    // The row was indexed by the message's own kind, so this handler is the one for its type.
    this.#phase = handler(this.#stream, message as never);
  }

  /** The stream has closed: releases everything that is still held. */
  close(by: ClosedBy): void {
    this.#phase = "over";
    const stream = this.#stream;
    if (stream.isAnsweredUnseen) stream.finish("complete");
    // Whatever befalls an engine or the proxy's patience with it becomes a response of the proxy.
    else stream.finish("aborted", by === "unknown" && stream.isUnanswered ? "client" : by);
  }
}

/** Nothing can follow an end: to end the stream first saves the proxy a reset for every request. */
const after = (message: { readonly endOfStream: boolean }, phase: Phase): Phase =>
  message.endOfStream ? "over" : phase;

/** The response may come at any time: another filter can answer before the request is complete. */
function responseThen(phase: Phase) {
  return {
    "response-headers": (stream: Stream, message: Message<"response-headers">) => {
      stream.responseHead(message);
      return after(message, phase);
    },
    "response-body": (stream: Stream, message: Message<"response-body">) => {
      stream.responseBody(message);
      return after(message, phase);
    },
    "response-trailers": (stream: Stream): Phase => {
      stream.responseTrailers();
      return "over";
    },
  };
}

/** Lets the rest of the request pass. */
function requestThen(phase: Phase) {
  return {
    "request-body": (stream: Stream, message: Message<"request-body">) => {
      stream.passRequestBody(message);
      return phase;
    },
    "request-trailers": (stream: Stream) => {
      stream.passRequestTrailers();
      return phase;
    },
  };
}

const TRANSITIONS: Readonly<Record<Exclude<Phase, "over">, Row>> = {
  idle: {
    ...responseThen("passing"),
    ...requestThen("idle"),
    "request-headers": (stream, message) => stream.open(message),
  },
  holding: {
    ...responseThen("answered"),
    "request-headers": () => "holding",
    "request-body": (stream, message) => stream.hold(message),
    // Trailers end a body whose last chunk did not say so.
    "request-trailers": (stream) => {
      const phase = stream.release(false);
      if (phase === "passing") stream.passRequestTrailers();
      return phase;
    },
  },
  "awaiting-body": {
    ...responseThen("passing"),
    ...requestThen("awaiting-body"),
    "request-headers": () => "awaiting-body",
    "request-body": (stream, message) => stream.decideAtBody(message),
  },
  passing: {
    ...responseThen("passing"),
    ...requestThen("passing"),
    "request-headers": () => "passing",
  },
  answered: {
    ...responseThen("answered"),
    "request-headers": () => "answered",
    "request-body": () => "answered",
    "request-trailers": () => "answered",
  },
};
