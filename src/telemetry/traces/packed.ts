import { promisify } from "node:util";
import { gzip } from "node:zlib";

/** Compresses a batch with gzip, on another thread. */
export const packed: (batch: Buffer) => Promise<Buffer> = promisify(gzip);
