import {
  brotliDecompressSync,
  gunzipSync,
  inflateRawSync,
  inflateSync,
  zstdDecompressSync,
} from "node:zlib";
import { BytePieces } from "../../std/byte-pieces.ts";

type Decode = (body: Uint8Array, options: { maxOutputLength: number }) => Buffer;

const decoderByCoding: ReadonlyMap<string, Decode> = new Map<string, Decode>([
  ["gzip", (body, options) => gunzipSync(body, options)],
  ["x-gzip", (body, options) => gunzipSync(body, options)],
  ["deflate", inflated],
  ["br", (body, options) => brotliDecompressSync(body, options)],
  ["zstd", (body, options) => zstdDecompressSync(body, options)],
]);

/** Maximum number of codings of one body; each costs one pass. */
const codingsMax = 2;

/**
 * Decoding blocks the event loop for about 1 ms per MiB of output. A few hundred bytes must not cost as much as a body
 * of the full limit, so beyond a floor the limit is proportional to the size of the compressed body. Typical JSON
 * compresses to a fifth, and rarely to a hundredth.
 */
const floorBytes = 4 * 1_024 * 1_024;
const growthMax = 256;

/** Decoders of a body's codings in the order of decoding: the last coding first. */
export type Decoders = readonly Decode[];

const noDecoders: Decoders = [];

export type DecodedBody =
  | { readonly kind: "decoded"; readonly body: BytePieces }
  | { readonly kind: "unread"; readonly reason: "encoding" | "too_long" };

/** The decoders for a `content-encoding`; undefined if one of its codings is not supported. */
export function decodersOf(contentEncoding: string | undefined): Decoders | undefined {
  if (contentEncoding === undefined) return noDecoders;
  const codings = contentEncoding
    .split(",")
    .map((coding) => coding.trim().toLowerCase())
    .filter((coding) => coding !== "" && coding !== "identity");
  const decoders = codings.toReversed().flatMap((coding) => decoderByCoding.get(coding) ?? []);
  return decoders.length === codings.length && codings.length <= codingsMax ? decoders : undefined;
}

/** Decodes a body. No step writes more than `bytesMax`, or a lower limit for a short body. */
export function decodedBody(body: BytePieces, decoders: Decoders, bytesMax: number): DecodedBody {
  if (decoders.length === 0) return { kind: "decoded", body };
  const maxOutputLength = Math.min(bytesMax, floorBytes + growthMax * body.byteLength);
  let decoded = body.whole;
  try {
    for (const decode of decoders) decoded = decode(decoded, { maxOutputLength });
  } catch (cause) {
    const isTooLong = cause instanceof RangeError;
    return { kind: "unread", reason: isTooLong ? "too_long" : "encoding" };
  }
  return { kind: "decoded", body: BytePieces.of(decoded) };
}

/** Decodes `deflate`. That is the zlib format, but some clients send it without its header. */
function inflated(body: Uint8Array, options: { maxOutputLength: number }): Buffer {
  const hasZlibHeader =
    ((body[0] ?? 0) & 0x0f) === 8 && ((body[0] ?? 0) * 256 + (body[1] ?? 0)) % 31 === 0;
  return hasZlibHeader ? inflateSync(body, options) : inflateRawSync(body, options);
}
