import type { ProxyMessage } from "./messages.ts";
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
