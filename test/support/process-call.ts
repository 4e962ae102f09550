import type { ClientHttp2Session, OutgoingHttpHeaders } from "node:http2";

interface ProcessCall {
  readonly headers?: OutgoingHttpHeaders;
  /** Messages, framed for gRPC. */
  readonly body?: Buffer;
}

/**
 * One call of ext_proc's method over plain HTTP/2, where a gRPC client would not say what a test
 * wants said; resolves to the `grpc-status` that it ends with, rejects if it is cut off.
 */
export function callProcess(session: ClientHttp2Session, call: ProcessCall = {}): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ":method": "POST",
      ":path": "/envoy.service.ext_proc.v3.ExternalProcessor/Process",
      "content-type": "application/grpc",
      te: "trailers",
      ...call.headers,
    });
    stream.on("error", reject);
    // Where nothing but the status comes, it is in what would be the headers.
    stream.on("response", ({ "grpc-status": status }) => {
      if (status !== undefined) resolve(status);
    });
    stream.on("trailers", ({ "grpc-status": status }) => resolve(status));
    stream.on("close", () => reject(new Error("cut off")));
    stream.resume().end(call.body);
  });
}
