import { literalField } from "../http2/hpack/literal.ts";

/** Codes of gRPC that calls end with. */
export const grpcStatus = {
  ok: 0,
  deadlineExceeded: 4,
  notFound: 5,
  resourceExhausted: 8,
  unimplemented: 12,
  internal: 13,
} as const;

/** End of a call that failed. */
export interface Failure {
  readonly code: number;
  /** For developers; printable ASCII. */
  readonly message: string;
  /** Encodings of messages that would be taken; told if one was refused. */
  readonly acceptEncoding?: string;
}

/** `:status` by its index in the static table, with a literal value. */
const statusIndexBytes = [0x08, 0x03];

/** `:status: 200`, which the static table has. */
const status200 = Buffer.from([0x88]);

/** Block of headers before the first answer. */
export const responseHeaders = Buffer.concat([
  status200,
  literalField("content-type", "application/grpc"),
]);

/** Block of headers after the last answer of a call that succeeded. */
export const okTrailers = literalField("grpc-status", "0");

/** Block of headers after the last answer of a call that failed. */
export function failureTrailers({ code, message, acceptEncoding }: Failure): Buffer {
  return Buffer.concat([
    literalField("grpc-status", String(code)),
    // The value is percent-encoded.
    literalField("grpc-message", encodeURI(message)),
    ...(acceptEncoding === undefined ? [] : [literalField("grpc-accept-encoding", acceptEncoding)]),
  ]);
}

/** Answer to a request that is no call of gRPC: an HTTP status and nothing else. */
export function httpStatusBlock(httpStatus: number): Buffer {
  return Buffer.from([...statusIndexBytes, ...Buffer.from(String(httpStatus))]);
}
