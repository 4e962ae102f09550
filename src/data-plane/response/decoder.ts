import {
  constants,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createInflateRaw,
  createZstdDecompress,
} from "node:zlib";
import type { BodyEncoding } from "./body-kind.ts";

/** Decompresses a body chunk by chunk, synchronously. */
export interface Decoder {
  /** Decompresses the next bytes; undefined from the first error on. */
  push(chunk: Uint8Array): Uint8Array | undefined;
  /** Releases its memory. */
  close(): void;
}

/** Encodings that can be decompressed. */
export type ReadEncoding = Exclude<BodyEncoding, "identity" | "unknown">;

/**
 * Maximum size of one decompressed chunk, in bytes. Text compresses to a tenth, and a chunk has about 64 KiB at most.
 * Output beyond this limit is not a real response, and decompressing it would delay decisions.
 */
export const decodedBytesMax = 4 * 1_024 * 1_024;

/** Maximum window as a power of 2: RFC 9659 allows 8 MiB over HTTP; zstd itself has no limit. */
const zstdWindowBitsMax = 23;

const noBytes = new Uint8Array(0);

/**
 * Members of a Node.js decompression stream that work synchronously. Node keeps `_processChunk` for packages that
 * depend on it, such as npm's own. It treats each chunk as a whole body and closes the handle after it, so the handle's
 * `close` is replaced by a no-op.
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

/** A decoder for the encoding; undefined if this version of Node.js has none. */
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
  // Both members are optional in this type, and are checked before use.
  const sync = stream as unknown as SyncStream;
  const handle = sync[handleOf];
  if (handle === undefined || handle === null || sync[processChunk] === undefined) return undefined;
  const closeHandle = handle.close.bind(handle);
  handle.close = nothing;
  // `_processChunk` throws the same error.
  stream.on("error", nothing);
  let isBroken = false;
  return {
    push(chunk) {
      if (isBroken) return undefined;
      try {
        return sync[processChunk]?.(chunk, flush) ?? noBytes;
      } catch {
        // The client gets the body unchanged; only usage and failures are unknown.
        isBroken = true;
        return undefined;
      } finally {
        sync[handleOf] = handle;
        // Each call adds an error listener.
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

/** Decodes `deflate`. That is the zlib format, but some bodies have no zlib header: the first byte shows which. */
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
