/** The body for engines: bytes can be sent again, a stream only once. */
export type SentBody = Uint8Array | AsyncIterable<Uint8Array> | undefined;

export const emptyBody = new Uint8Array(0);

/** The same bytes, with the methods of a buffer. */
export function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
