import type { Readable } from "node:stream";
import type { Dispatcher } from "undici";

/** The body for engines: bytes can be sent again, a stream only once. */
export type SentBody = Uint8Array | AsyncIterable<Uint8Array> | undefined;

export const emptyBody = new Uint8Array(0);

/** The body as undici takes it. */
export function bodyOf(body: SentBody): NonNullable<Dispatcher.DispatchOptions["body"]> | null {
  if (body === undefined) return null;
  // Undici takes any iterable of bytes; its type lists only streams.
  if (!(body instanceof Uint8Array)) return body as Readable;
  return bufferOf(body);
}

/** The same bytes, with the methods of a buffer. */
export function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
