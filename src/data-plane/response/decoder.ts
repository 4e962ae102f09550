import {
  constants,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createInflateRaw,
  createZstdDecompress,
} from "node:zlib";
import type { BodyEncoding } from "./body-kind.ts";

/** Decompresses a body piece by piece, each within the call that brings it. */
export interface Decoder {
  /** The next bytes, decompressed; undefined once and for all where that cannot go on. */
  push(chunk: Uint8Array): Uint8Array | undefined;
  /** Gives its memory back. */
  close(): void;
}

/** The encodings that can be decompressed. */
export type ReadEncoding = Exclude<BodyEncoding, "identity" | "unknown">;

/**
 * Bytes that one chunk of a body may decompress to. Text shrinks to a tenth, and a chunk has some
 * 64 KiB at most: what grows beyond this is no answer, and to decompress it would hold up decisions.
 */
export const decodedBytesMax = 4 * 1_024 * 1_024;

/** As a power of 2: RFC 9659 allows a window of 8 MiB over HTTP, where zstd itself has no limit. */
const zstdWindowBitsMax = 23;

const noBytes = new Uint8Array(0);

/**
 * The members of a decompressing stream of Node.js that work within a call. The first is kept for
 * packages that depend on it, npm's own among them. It takes each chunk for a whole body, and closes
 * the handle after it: one whose `close` does nothing goes on.
 */
const processChunk = "_processChunk";
const handleOf = "_handle";

interface SyncStream {
  [processChunk]?(chunk: Uint8Array, flush: number): Uint8Array | null | undefined;
  [handleOf]?: { close(): void } | null;
}

type ZlibStream = ReturnType<typeof createGunzip> | ReturnType<typeof createZstdDecompress>;

const limits = { maxOutputLength: decodedBytesMax };
const zstdLimits = {
  ...limits,
  params: { [constants.ZSTD_d_windowLogMax]: zstdWindowBitsMax },
};

/** A decoder of a body in the encoding; undefined if this Node.js has none. */
export function decoderOf(encoding: ReadEncoding): Decoder | undefined {
  switch (encoding) {
    case "gzip":
      return streamDecoder(createGunzip(limits), constants.Z_SYNC_FLUSH);
    case "deflate":
      return new DeflateDecoder();
    case "br":
      return streamDecoder(createBrotliDecompress(limits), constants.BROTLI_OPERATION_FLUSH);
    case "zstd":
      return streamDecoder(createZstdDecompress(zstdLimits), constants.ZSTD_e_flush);
  }
}

function streamDecoder(stream: ZlibStream, flush: number): Decoder | undefined {
  // Both members may be missing to this type, and are asked for before they are used.
  const sync = stream as unknown as SyncStream;
  const handle = sync[handleOf];
  if (handle === undefined || handle === null || sync[processChunk] === undefined) return undefined;
  const closeHandle = handle.close.bind(handle);
  handle.close = nothing;
  // The exception says it already.
  stream.on("error", nothing);
  let isBroken = false;
  return {
    push(chunk) {
      if (isBroken) return undefined;
      try {
        return sync[processChunk]?.(chunk, flush) ?? noBytes;
      } catch {
        // The client gets what the engine sent; only the readings are missing.
        isBroken = true;
        return undefined;
      } finally {
        sync[handleOf] = handle;
        // Each call adds one of its own.
        stream.removeAllListeners("error").on("error", nothing);
      }
    },
    close() {
      isBroken = true;
      closeHandle();
    },
  };
}

function nothing(): undefined {
  return undefined;
}

/** Bodies in `deflate` are to be in the format zlib, and some are bare: the first byte tells. */
class DeflateDecoder implements Decoder {
  #decoder: Decoder | undefined;

  push(chunk: Uint8Array): Uint8Array | undefined {
    const [first] = chunk;
    if (first === undefined) return noBytes;
    this.#decoder ??= streamDecoder(
      (first & 0x0f) === 8 ? createInflate(limits) : createInflateRaw(limits),
      constants.Z_SYNC_FLUSH,
    );
    return this.#decoder?.push(chunk);
  }

  close(): void {
    this.#decoder?.close();
  }
}
