/** Answers of a picker, as its codec would write them: fields in the order of their numbers. */
export const pickerAnswers = {
  requestHeaders: Buffer.from([0, 0, 0, 0, 4, 0x0a, 2, 0x0a, 0]),
  requestBody: Buffer.from([0, 0, 0, 0, 6, 0x1a, 4, 0x0a, 2, 0x10, 0x01]),
  requestPiece: Buffer.from([0, 0, 0, 0, 6, 0x1a, 4, 0x0a, 2, 0x0a, 0x00]),
  responseHeaders: Buffer.from([0, 0, 0, 0, 2, 0x12, 0]),
  responseBody: Buffer.from([0, 0, 0, 0, 6, 0x22, 4, 0x0a, 2, 0x10, 0x01]),
  responsePiece: Buffer.from([0, 0, 0, 0, 6, 0x22, 4, 0x0a, 2, 0x0a, 0x00]),
  // immediate_response { status { code: 503 } }: 503 is 0xf7 0x03 as a varint.
  refusal: Buffer.from([0, 0, 0, 0, 7, 0x3a, 5, 0x0a, 3, 0x08, 0xf7, 0x03]),
};
