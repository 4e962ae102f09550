import type { Clock } from "../../../std/clock.ts";
import type { RequestHead } from "../http2/request-head.ts";
import type { ServerStream, StreamReceiver } from "../http2/server-stream.ts";
import { type CallHandler, type CallLimits, GrpcCall } from "./grpc-call.ts";
import { failureTrailers, grpcStatus, httpStatusBlock, responseHeaders } from "./status.ts";

/** Serves a call of one method. */
export type Method = (call: GrpcCall) => CallHandler;

export interface MethodsOptions {
  /** By path: `/package.Service/Method`. */
  readonly methods: ReadonlyMap<string, Method>;
  readonly limits: CallLimits;
  readonly clock: Pick<Clock, "after">;
}

const contentType = /^application\/grpc(?:$|[+;])/;

/** Receives what a client sends on a stream that was answered at once. */
const ignored: StreamReceiver = {
  data: () => undefined,
  ended: () => undefined,
  closed: () => undefined,
};

const wrongMethod = httpStatusBlock(405);
const wrongContentType = httpStatusBlock(415);

/** Serves the streams of HTTP/2 connections as calls of gRPC methods. */
export function methodsServer({ methods, limits, clock }: MethodsOptions) {
  return (stream: ServerStream, head: RequestHead): StreamReceiver => {
    const refusal = refusalOf(head);
    if (refusal !== undefined) {
      stream.finish(refusal);
      return ignored;
    }
    const method = methods.get(head.path);
    if (method === undefined) {
      const message = "the server does not implement this method";
      const trailers = failureTrailers({ code: grpcStatus.unimplemented, message });
      stream.finish(Buffer.concat([responseHeaders, trailers]));
      return ignored;
    }
    const call = new GrpcCall({ stream, head, limits, clock });
    call.attach(method(call));
    return call;
  };
}

function refusalOf(head: RequestHead): Buffer | undefined {
  if (head.method !== "POST") return wrongMethod;
  return contentType.test(head.contentType ?? "") ? undefined : wrongContentType;
}
