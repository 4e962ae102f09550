import type { Ingress } from "../ingress.ts";
import { GrpcTransport } from "./grpc-transport.ts";
import { Http2Transport } from "./http2-transport.ts";
import type { OpenStream, TransportOptions } from "./transport.ts";

/** Implementations of gRPC for the ext_proc port. */
export type TransportKind = "http2" | "grpc-js";

export function createTransport(
  kind: TransportKind,
  options: TransportOptions,
  open: OpenStream,
): Ingress {
  return kind === "http2" ? new Http2Transport(options, open) : new GrpcTransport(options, open);
}
