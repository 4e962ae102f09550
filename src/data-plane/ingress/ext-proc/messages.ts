import type { ErrorResponse } from "../../../core/errors.ts";
import type { HeaderPair, HeaderValues } from "../../../core/request.ts";
import type { ResponseMetadata } from "../../../core/response-metadata.ts";

/** Mode in which a proxy sends the body of one direction; see Envoy's `ProcessingMode.BodySendMode`. */
export type BodyMode = "none" | "streamed" | "buffered" | "buffered-partial" | "full-duplex";

/** By their numbers in protobuf; an unknown mode is treated as full duplex. */
export const bodyModes: readonly BodyMode[] = [
  "none",
  "streamed",
  "buffered",
  "buffered-partial",
  "full-duplex",
];

/** Modes that the proxy announced in a stream's first message. */
export interface ProtocolConfig {
  readonly requestBody: BodyMode;
  readonly responseBody: BodyMode;
  /** True if streamed request bodies arrive before the headers are answered. */
  readonly sendsBodyAtOnce: boolean;
}

/** The configuration of most gateways, which is assumed for a proxy that announces none. */
export const defaultProtocolConfig: ProtocolConfig = {
  requestBody: "full-duplex",
  responseBody: "full-duplex",
  sendsBodyAtOnce: true,
};

/** Headers that can also be listed, in the order of the request; a `Map` satisfies it. */
export interface ListedHeaders extends HeaderValues, Iterable<HeaderPair> {}

/** True if a header is listed more than once. */
export function isListedAgain(headers: Iterable<HeaderPair>, name: string): boolean {
  let count = 0;
  for (const [key] of headers) if (key === name) count += 1;
  return count > 1;
}

/** One message from the proxy, independent of the transport. */
export type ProxyMessage =
  | {
      readonly kind: "request-headers";
      readonly headers: ListedHeaders;
      readonly endOfStream: boolean;
      readonly subset: readonly string[] | undefined;
      readonly config: ProtocolConfig | undefined;
    }
  | { readonly kind: "request-body"; readonly body: Uint8Array; readonly endOfStream: boolean }
  | { readonly kind: "request-trailers" }
  | {
      readonly kind: "response-headers";
      readonly headers: HeaderValues;
      readonly endOfStream: boolean;
      readonly servedBy: string | undefined;
    }
  | { readonly kind: "response-body"; readonly body: Uint8Array; readonly endOfStream: boolean }
  | { readonly kind: "response-trailers" };

/** A piece of a full-duplex body that the proxy is to send on in place of the original. */
export interface BodyPiece {
  readonly body: Uint8Array;
  readonly endOfStream: boolean;
}

/** Destination of a request, and the changes to its head. */
export interface RequestPick {
  /** Value of the destination header. */
  readonly destination: string;
  /** Other headers to set. */
  readonly headers: readonly HeaderPair[];
  /** Names of headers of the client to remove. */
  readonly removed: readonly string[];
  /** Length of the changed body in bytes; undefined if the body is unchanged. */
  readonly bodyBytes: number | undefined;
}

/** A whole body to send in place of the received one. */
export interface NewBody {
  readonly replaced: Uint8Array;
}

/**
 * One answer to the proxy.
 *
 * `metadata`: numbers about the response for the proxy's dynamic metadata. `pick`, in the answer to headers or to a buffered body, is the destination of the request. A body answer without a
 * `piece` leaves the body unchanged.
 */
export type ProxyAnswer =
  | { readonly kind: "request-headers"; readonly pick: RequestPick | undefined }
  | {
      readonly kind: "request-body";
      readonly piece: BodyPiece | NewBody | undefined;
      readonly pick: RequestPick | undefined;
    }
  | { readonly kind: "request-trailers" }
  | {
      readonly kind: "response-headers";
      readonly set: readonly HeaderPair[];
      readonly removed: readonly string[];
    }
  | {
      readonly kind: "response-body";
      readonly piece: BodyPiece | NewBody | undefined;
      readonly metadata?: ResponseMetadata | undefined;
    }
  | {
      readonly kind: "response-trailers";
      readonly metadata?: ResponseMetadata | undefined;
    }
  /** Asks for this time to answer the message that came last; the answer itself follows. */
  | { readonly kind: "later"; readonly timeoutMs: number }
  /** Answers the client in the engine's place and ends the stream. */
  | { readonly kind: "immediate"; readonly response: ErrorResponse };

/** A `google.protobuf.Duration`. */
export function durationOf(ms: number): { readonly seconds: number; readonly nanos: number } {
  const seconds = Math.floor(ms / 1_000);
  return { seconds, nanos: Math.round((ms - seconds * 1_000) * 1_000_000) };
}
