import type { ProxyAnswer, ProxyMessage } from "./messages.ts";

/**
 * The seam between the protocol and what carries it. A transport owns sockets, TLS and the codec;
 * it knows nothing of requests. gRPC on `@grpc/grpc-js` is the one there is.
 */
export interface ProxyStream {
  /** Sends one answer; after the stream has closed it does nothing. */
  answer(answer: ProxyAnswer): void;
  /** No more answers: ends the stream in good order. */
  finish(): void;
  /** Reads no more messages until `resume`, so that a proxy stops sending. A close is still noticed. */
  pause(): void;
  resume(): void;
}

/**
 * Cause of a stream's close, as far as a transport can see it: our own time to drain, the end of the proxy's
 * connection, or neither. A proxy that resets a stream does not say why.
 */
export type ClosedBy = "drain" | "proxy" | "unknown";

/** What a transport calls for one stream, which is one HTTP request. */
interface StreamHandler {
  message(message: ProxyMessage): void;
  /** Called exactly once, whether the proxy finished, left or was cut off. */
  closed(by: ClosedBy): void;
}

export type OpenStream = (stream: ProxyStream) => StreamHandler;

export interface Transport {
  /** Starts listening and resolves to the port; rejects with a readable error if it cannot. */
  listen(address: string, port: number): Promise<number>;
  /** Streams open now. */
  readonly openStreams: number;
  /** Streams opened since the start. */
  readonly streamsTotal: number;
  /** Takes no new connection and tells proxies to open no more streams; open ones go on. */
  goAway(): void;
  /** Cuts off what is still open. */
  abort(): void;
}
