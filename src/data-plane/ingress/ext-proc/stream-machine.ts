import type { Refusal } from "../../../core/errors.ts";
import type { ProxyMessage } from "./messages.ts";
import { type Message, type Phase, Stream, type StreamOptions } from "./stream-steps.ts";
import type { ClosedBy, OpenStream, ProxyStream, StreamHandler } from "./transport.ts";

type Handler<K extends ProxyMessage["kind"]> = (machine: Stream, message: Message<K>) => Phase;
type Row = { readonly [K in ProxyMessage["kind"]]: Handler<K> };

/**
 * Maximum bytes of a request that are buffered while its decision is pending, besides the body that the decision uses.
 * Beyond it, reading from the proxy pauses.
 */
const deferredBytesMax = 64 * 1_024;

/** Creates one machine for each stream of a transport. */
export function streamsOf(options: StreamOptions): OpenStream {
  return (proxy) => new StreamMachine(options, proxy);
}

/** One ext_proc stream, which is one HTTP request, from its first message to its end. */
export class StreamMachine implements StreamHandler {
  readonly #stream: Stream;
  readonly #proxy: ProxyStream;
  readonly #waitTimeoutMs: number;
  #phase: Phase = "idle";
  /** Messages of the request that arrived while it waits, or of the response while its head waits. */
  #deferred: ProxyMessage[] = [];
  #deferredBytes = 0;
  #isPaused = false;
  /** True if the proxy sends no more, and the stream ends with the answer that it waits for. */
  #isLast = false;

  constructor(options: StreamOptions, proxy: ProxyStream) {
    this.#proxy = proxy;
    this.#waitTimeoutMs = options.waitTimeoutMs;
    this.#stream = new Stream(options, proxy, {
      settled: (phase, step) => this.#settled(phase, step),
      evicted: (refusal) => this.#evicted(refusal),
    });
  }

  get isOver(): boolean {
    return this.#phase === "over";
  }

  receive(message: ProxyMessage): void {
    if (this.#phase === "over" || this.#stream.isSurplus(message)) return;
    const waits =
      (this.#phase === "deciding" && isRestOfRequest(message)) ||
      (this.#phase === "changing-head" && isRestOfResponse(message));
    if (waits) this.#defer(message);
    else this.#handle(message);
  }

  ends(): boolean {
    const waits = this.#phase === "deciding" || this.#phase === "changing-head";
    this.#isLast = waits && this.#stream.leave();
    return !this.#isLast;
  }

  /** Handles the close of the stream: releases everything that is still held. */
  close(by: ClosedBy): void {
    this.#phase = "over";
    this.#deferred = [];
    const stream = this.#stream;
    if (stream.isAnsweredUnseen) stream.finish("complete");
    // Failures of an engine and timeouts of the proxy arrive as a response, so an unexplained close before any response
    // is the client's.
    else stream.finish("aborted", by === "unknown" && stream.isUnanswered ? "client" : by);
  }

  #handle(message: ProxyMessage): void {
    if (this.#phase === "over") return;
    const handler = transitions[this.#phase][message.kind];
    // The handler was looked up by the message's own kind, so it takes this type.
    this.#enter(handler(this.#stream, message as never));
  }

  #enter(phase: Phase): void {
    this.#phase = phase;
    const timeoutMs = this.#waitTimeoutMs;
    if (phase === "deciding" && timeoutMs > 0) this.#proxy.answer({ kind: "later", timeoutMs });
    const waits = phase === "deciding" || phase === "changing-head";
    // Dropped unless `#settled` hands them on: another filter has answered the client.
    if (!waits && this.#deferred.length > 0) {
      this.#deferred = [];
      this.#deferredBytes = 0;
    }
    if (!waits && this.#isPaused) {
      this.#isPaused = false;
      this.#proxy.resume();
    }
    if (phase === "over") this.#proxy.finish();
  }

  #defer(message: ProxyMessage): void {
    this.#deferred.push(message);
    this.#deferredBytes += "body" in message ? message.body.length : 0;
    if (this.#deferredBytes <= deferredBytesMax || this.#isPaused) return;
    this.#isPaused = true;
    this.#proxy.pause();
  }

  #evicted(refusal: Refusal): void {
    if (this.#phase !== "over") this.#enter(this.#stream.evict(refusal));
  }

  #settled(phase: Phase, step: () => Phase): void {
    // In any other phase, the stream has closed or another filter has answered the client.
    if (this.#phase !== phase) return;
    const deferred = this.#deferred;
    this.#enter(step());
    for (const message of deferred) this.#handle(message);
    if (this.#isLast) this.#proxy.finish();
  }
}

function isRestOfRequest({ kind }: ProxyMessage): boolean {
  return kind === "request-body" || kind === "request-trailers";
}

function isRestOfResponse({ kind }: ProxyMessage): boolean {
  return kind === "response-body" || kind === "response-trailers";
}

/** Nothing follows an end. Ending the stream first saves the proxy a reset for every request. */
const after = (message: { readonly endOfStream: boolean }, phase: Phase): Phase =>
  message.endOfStream ? "over" : phase;

/** The response may arrive at any time: another filter can answer before the request is complete. */
function responseThen(phase: Phase) {
  return {
    "response-headers": (stream: Stream, message: Message<"response-headers">) =>
      stream.responseHead(message, phase),
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

const transitions: Readonly<Record<Exclude<Phase, "over">, Row>> = {
  idle: {
    ...responseThen("passing"),
    ...requestThen("idle"),
    "request-headers": (stream, message) => stream.open(message),
  },
  holding: {
    ...responseThen("answered"),
    "request-headers": () => "holding",
    "request-body": (stream, message) => stream.hold(message),
    "request-trailers": (stream) => stream.release(false),
  },
  "awaiting-body": {
    ...responseThen("passing"),
    ...requestThen("awaiting-body"),
    "request-headers": () => "awaiting-body",
    "request-body": (stream, message) => stream.decideAtBody(message),
  },
  deciding: {
    ...responseThen("answered"),
    "request-headers": () => "deciding",
    // `StreamMachine` defers these until the decision, so they never arrive here.
    "request-body": () => "deciding",
    "request-trailers": () => "deciding",
  },
  passing: {
    ...responseThen("passing"),
    ...requestThen("passing"),
    "request-headers": () => "passing",
  },
  "changing-head": {
    // `StreamMachine` defers the rest of the response until the change, so it never arrives here.
    "response-headers": () => "changing-head",
    "response-body": () => "changing-head",
    "response-trailers": () => "changing-head",
    ...requestThen("changing-head"),
    "request-headers": () => "changing-head",
  },
  answered: {
    ...responseThen("answered"),
    "request-headers": () => "answered",
    "request-body": () => "answered",
    "request-trailers": () => "answered",
  },
};
