import type { PortListener } from "../../../listening/port-listener.ts";
import type { Clock } from "../../../std/clock.ts";
import type { HealthService } from "../grpc/health.ts";
import type { ProxyAnswer, ProxyMessage } from "./messages.ts";

export interface TransportOptions {
  /** Owns the port and TLS. */
  readonly listener: PortListener;
  readonly clock: Clock;
  /** Maximum size of a received gRPC message, in bytes. */
  readonly receivedBytesMax: number;
  /** Maximum size of a sent gRPC message, in bytes; undefined for no limit. */
  readonly sentBytesMax: number | undefined;
  /** Also served on this port, for gateways that check the health of a cluster on its traffic port. */
  readonly health: HealthService | undefined;
}

/**
 * Interface between the protocol and its transport. A transport owns sockets, TLS and the codec; it knows nothing about
 * requests.
 */
export interface ProxyStream {
  /** Milliseconds that the proxy's bytes wait before they are read; undefined if that is not measured. */
  readonly arrivalDelayMs?: number;
  /** Sends one answer; does nothing after the stream has closed. */
  answer(answer: ProxyAnswer): void;
  /** Ends the stream without an error, after the last answer. */
  finish(): void;
  /** Stops reading messages until `resume`, so that the proxy stops sending. A close is still reported. */
  pause(): void;
  resume(): void;
}

/**
 * Cause of a stream's close, as far as a transport can see it: the end of our time to drain, the end of the proxy's
 * connection, or neither. A proxy that resets a stream gives no reason.
 */
export type ClosedBy = "drain" | "proxy" | "unknown";

/** Callbacks of a transport for one stream, which is one HTTP request. */
export interface StreamHandler {
  receive(message: ProxyMessage): void;
  /**
   * The proxy has sent its last message. True if the stream may close; false if an answer is on its way, after which the
   * handler finishes the stream.
   */
  ends?(): boolean;
  /** Called exactly once, when the stream was finished, closed or cut off. */
  close(by: ClosedBy): void;
}

export type OpenStream = (stream: ProxyStream) => StreamHandler;
