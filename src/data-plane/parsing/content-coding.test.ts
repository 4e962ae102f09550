import {
  brotliCompressSync,
  deflateRawSync,
  deflateSync,
  gzipSync,
  zstdCompressSync,
} from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BytePieces } from "../../std/byte-pieces.ts";
import { decodedBody, decodersOf } from "./content-coding.ts";

const mib = 1_024 * 1_024;

/** The decoded body as text, or the reason that it was not decoded. */
function decoded(coding: string | undefined, body: Uint8Array, bytesMax = 64 * mib): string {
  const decoders = decodersOf(coding);
  if (decoders === undefined) return "not supported";
  const result = decodedBody(BytePieces.of(body), decoders, bytesMax);
  return result.kind === "decoded" ? result.body.text() : result.reason;
}

const codings: [string, (body: Uint8Array) => Buffer][] = [
  ["gzip", (body) => gzipSync(body)],
  ["x-gzip", (body) => gzipSync(body)],
  [" GZip ", (body) => gzipSync(body)],
  ["deflate", (body) => deflateSync(body)],
  ["deflate", (body) => deflateRawSync(body)],
  ["br", (body) => brotliCompressSync(body)],
  ["zstd", (body) => zstdCompressSync(body)],
  ["identity", (body) => Buffer.from(body)],
  ["", (body) => Buffer.from(body)],
  ["deflate, gzip", (body) => gzipSync(deflateSync(body))],
  ["identity, br", (body) => brotliCompressSync(body)],
];

describe.each(codings)("a body in the coding %j", (coding, encode) => {
  it("is decoded as it was", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        expect(decoded(coding, encode(Buffer.from(text)))).toBe(text);
      }),
      { numRuns: 30 },
    );
  });
});

describe.each(["gzip", "deflate", "br", "zstd"])("bytes that are not %s", (coding) => {
  it("are not read, and throw nothing", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (body) => {
        expect(decoded(coding, body)).toEqual(expect.any(String));
      }),
      { numRuns: 100 },
    );
    expect(decoded(coding, Buffer.from("hello"))).toBe("encoding");
    expect(decoded(coding, Buffer.alloc(0))).toBe("encoding");
  });
});

describe("the limit of decoding", () => {
  const spaces = Buffer.alloc(8 * mib, 0x20);

  it.each(codings.filter(([coding]) => decodersOf(coding)?.length === 1))(
    "holds for %j and any body",
    (coding, encode) => {
      const body = encode(spaces.subarray(0, mib));
      expect(decoded(coding, body, mib)).toHaveLength(mib);
      expect(decoded(coding, body, mib - 1)).toBe("too_long");
    },
  );

  it("is lower for small bodies than for large ones", () => {
    // 4 MiB, or 256 bytes per compressed byte: 8 MiB of spaces are about 8 KB in gzip, 20 bytes in Brotli.
    expect(decoded("gzip", gzipSync(spaces))).toBe("too_long");
    expect(decoded("br", brotliCompressSync(spaces))).toBe("too_long");
    expect(decoded("gzip", gzipSync(spaces, { level: 0 }))).toHaveLength(8 * mib);
  });

  it.each(["compress", "aws-chunked", "gzip, gzip, gzip", "gzip;q=1", "none"])(
    "is not needed for the coding %j, which is not supported",
    (coding) => {
      expect(decodersOf(coding)).toBeUndefined();
    },
  );
});
