/** A message as a gRPC frame. */
function framed(...bytes: readonly number[]): Buffer {
  return Buffer.from([0, 0, 0, 0, bytes.length, ...bytes]);
}

/** `response { body_mutation { streamed_response { end_of_stream } } }` of a body. */
const bodyEnd = [0x0a, 6, 0x1a, 4, 0x1a, 2, 0x10, 0x01] as const;

/** The same with `body`, which is empty, in the place of its end. */
const bodyPiece = [0x0a, 6, 0x1a, 4, 0x1a, 2, 0x0a, 0x00] as const;

/** Answers of a picker as protobuf. */
export const pickerAnswers = {
  requestHeaders: framed(0x0a, 2, 0x0a, 0),
  requestPiece: framed(0x1a, 8, ...bodyPiece),
  requestBody: framed(0x1a, 8, ...bodyEnd),
  responseHeaders: framed(0x12, 0),
  responsePiece: framed(0x22, 8, ...bodyPiece),
  responseBody: framed(0x22, 8, ...bodyEnd),
  // The same fields in another order, which protobuf allows: `end_of_stream` before `body`.
  backwards: framed(0x1a, 10, 0x0a, 8, 0x1a, 6, 0x1a, 4, 0x10, 0x01, 0x0a, 0x00),
  // dynamic_metadata (8) before request_headers.
  withMetadata: framed(0x42, 1, 7, 0x0a, 2, 0x0a, 0),
  // immediate_response { status { code: 503 } }: 503 is 0xf7 0x03 as a varint.
  refusal: framed(0x3a, 5, 0x0a, 3, 0x08, 0xf7, 0x03),
};
