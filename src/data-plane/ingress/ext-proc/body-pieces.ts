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
