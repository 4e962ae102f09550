import { type EngineRequest, lengthText, UnwritableRequest } from "./engine-request.ts";

/** The side of a connection that takes a body in pieces. */
export interface BodyWriter {
  readonly isClosed: boolean;
  /** Returns false if the engine has to read before more is written. */
  write(bytes: string | Uint8Array): boolean;
  /** Resolves once the engine has read, or the connection is closed. */
  drained(): Promise<void>;
}

/**
 * Writes a body as the client sends it. The head leaves with the first piece. Throws if the client's body breaks off, or
 * is longer or shorter than announced: an engine must never take a cut body as whole.
 */
export async function writeStreamed(
  writer: BodyWriter,
  head: string,
  { body, announcedBytes, method }: EngineRequest,
): Promise<void> {
  let sentBytes = 0;
  const isChunked = announcedBytes === undefined;
  const framing = isChunked
    ? "transfer-encoding: chunked\r\n\r\n"
    : lengthText(method, announcedBytes);
  // Undefined and bytes are bodies that are not streamed.
  const pieces = body as AsyncIterable<Uint8Array>;
  for await (const piece of pieces) {
    if (writer.isClosed) return;
    if (piece.length === 0) continue;
    const isFirst = sentBytes === 0;
    sentBytes += piece.length;
    if (!isChunked && sentBytes > announcedBytes) throw new UnwritableRequest("the body is longer");
    let before = isFirst ? `${head}${framing}` : "";
    if (isChunked) before += `${isFirst ? "" : "\r\n"}${piece.length.toString(16)}\r\n`;
    if (before !== "") writer.write(before);
    if (!writer.write(piece)) await writer.drained();
  }
  if (writer.isClosed) return;
  if (!isChunked && sentBytes < announcedBytes) throw new UnwritableRequest("the body is shorter");
  if (sentBytes === 0) writer.write(`${head}${lengthText(method, 0)}`);
  else if (isChunked) writer.write("\r\n0\r\n\r\n");
}
