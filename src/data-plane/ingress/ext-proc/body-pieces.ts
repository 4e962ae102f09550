import type { BodyPiece } from "./messages.ts";

/** Bytes of a piece. Some proxies limit a body message to 64 KiB; the rest is for the message around the piece. */
export const pieceBytesMax = 62_000;

/** Cuts a body into pieces without copying; an empty body is one empty piece. */
export function piecesOf(body: Uint8Array, endOfStream: boolean): readonly BodyPiece[] {
  if (body.length <= pieceBytesMax) return [{ body, endOfStream }];
  const pieces: BodyPiece[] = [];
  for (let from = 0; from < body.length; from += pieceBytesMax) {
    const to = Math.min(from + pieceBytesMax, body.length);
    pieces.push({ body: body.subarray(from, to), endOfStream: endOfStream && to === body.length });
  }
  return pieces;
}

/** Bytes of a chunk that goes on as it came; the message around it costs about as much as copying so many. */
const smallBytesMax = 8_192;

/**
 * The same bytes in fewer chunks: small ones are joined with their neighbours, up to the size of a piece. The others are
 * not copied. Of empty chunks, one stays.
 */
export function withoutSmall(chunks: readonly Uint8Array[]): readonly Uint8Array[] {
  if (chunks.length === 1) return chunks;
  const fewer: Uint8Array[] = [];
  let small: Uint8Array[] = [];
  let smallBytes = 0;
  const join = () => {
    if (smallBytes > 0) fewer.push(Buffer.concat(small, smallBytes));
    small = [];
    smallBytes = 0;
  };
  for (const chunk of chunks) {
    if (chunk.length > smallBytesMax || smallBytes + chunk.length > pieceBytesMax) join();
    if (chunk.length > smallBytesMax) fewer.push(chunk);
    else {
      small.push(chunk);
      smallBytes += chunk.length;
    }
  }
  join();
  return fewer.length === 0 ? chunks.slice(0, 1) : fewer;
}

/** First bytes of a JSON object: white space, a brace, or the first byte of a byte order mark. */
const OBJECT_STARTS = new Set([0x20, 0x09, 0x0a, 0x0d, 0x7b, 0xef]);

/** True if a body that begins with this chunk may be a JSON object, as is an empty chunk. */
export function mayBeObject([first]: Uint8Array): boolean {
  return first === undefined || OBJECT_STARTS.has(first);
}
