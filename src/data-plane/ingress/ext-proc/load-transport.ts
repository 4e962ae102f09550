import type { Ingress } from "../ingress.ts";
import { Http2Transport } from "./http2-transport.ts";
import type { OpenStream, TransportOptions } from "./transport.ts";

/** Implementations of gRPC for the ext_proc port. */
export type TransportKind = "http2" | "grpc-js";

type TransportClass = new (options: TransportOptions, open: OpenStream) => Ingress;

/** Loads grpc-js only if it is chosen, because that takes long. */
export async function loadTransport(kind: TransportKind): Promise<TransportClass> {
  if (kind === "http2") return Http2Transport;
  return (await import("./grpc-transport.ts")).GrpcTransport;
}
