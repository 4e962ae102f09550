import type { ErrorResponse } from "../../../core/errors.ts";
import type { HeaderPair, HeaderValues } from "../../../core/request.ts";

/** How a proxy sends one direction's body; see Envoy's `ProcessingMode.BodySendMode`. */
export type BodyMode = "none" | "streamed" | "buffered" | "buffered-partial" | "full-duplex";

/** What the proxy announced in a stream's first message. */
export interface ProtocolConfig {
  readonly requestBody: BodyMode;
  readonly responseBody: BodyMode;
  /** Streamed request bodies arrive without our answer to the headers. */
  readonly sendsBodyAtOnce: boolean;
}

/** What most gateways use, and what a proxy that announces nothing gets. */
export const defaultProtocolConfig: ProtocolConfig = {
  requestBody: "full-duplex",
  responseBody: "full-duplex",
  sendsBodyAtOnce: true,
};

/** One message from the proxy, whatever the transport. */
export type ProxyMessage =
  | {
      readonly kind: "request-headers";
      readonly headers: HeaderValues;
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

/** A piece of a duplex body going back to the proxy, to be passed on in its place. */
export interface BodyPiece {
  readonly body: Uint8Array;
  readonly endOfStream: boolean;
}

/** Where the request goes, and what changes in its head. */
export interface RequestPick {
  /** Value of the destination header. */
  readonly destination: string;
  /** Headers to set beside it. */
  readonly headers: readonly HeaderPair[];
  /** Headers of the client to take away. */
  readonly removed: readonly string[];
  /** Length of the body in bytes where it was changed. */
  readonly bodyBytes: number | undefined;
}

/** A whole body in place of the one that came. */
export interface NewBody {
  readonly replaced: Uint8Array;
}

/**
 * One answer to the proxy.
 *
 * `pick` on the answer to headers or to a buffered body says where the request goes. A body answer
 * without a `piece` leaves the body as it is.
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
  | { readonly kind: "response-body"; readonly piece: BodyPiece | NewBody | undefined }
  | { readonly kind: "response-trailers" }
  /** Answers the client in the engine's place and ends the stream. */
  | { readonly kind: "immediate"; readonly response: ErrorResponse };
