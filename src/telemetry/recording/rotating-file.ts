import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { recordingFormat } from "./lines.ts";

export interface RotatingFileOptions {
  readonly path: string;
  /** Size at which a file is complete. */
  readonly fileBytesMax: number;
  /** Files that are kept, the current one included: `path`, `path.1`, which is the one before it, and so on. */
  readonly filesMax: number;
}

/** Bytes at the start of a file by which a recording is recognized. */
const recognizedBytes = 64;

const lineEnd = Buffer.from("\n");

/**
 * A file that is replaced by an empty one when it is full. Only recordings are moved or replaced: a file of another kind at `path` is an
 * error. One call at a time.
 */
export class RotatingFile {
  readonly #options: RotatingFileOptions;
  #handle: FileHandle | undefined;
  #bytes = 0;
  /** True if the last write broke off, maybe within a line. */
  #isTorn = false;

  constructor(options: RotatingFileOptions) {
    this.#options = options;
  }

  /** True if the next write begins a file, and so has to begin with a header. */
  get isNew(): boolean {
    return this.#handle === undefined || this.#bytes >= this.#options.fileBytesMax;
  }

  /**
   * Appends pieces of whole lines to one file, a new one if the current one is full. Returns the bytes; rejects if they
   * could not be written.
   */
  async write(...pieces: readonly Uint8Array[]): Promise<number> {
    if (this.isNew) await this.#begin();
    const torn = this.#isTorn ? [lineEnd] : [];
    this.#isTorn = true;
    let bytes = 0;
    for (const piece of [...torn, ...pieces]) {
      await this.#handle?.appendFile(piece);
      bytes += piece.length;
    }
    this.#isTorn = false;
    this.#bytes += bytes;
    return bytes;
  }

  async close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close();
  }

  async #begin(): Promise<void> {
    const { path, filesMax } = this.#options;
    await this.close();
    await refuseOther(path);
    await rm(pathOf(path, filesMax - 1), { force: true });
    for (let index = filesMax - 2; index >= 0; index -= 1) {
      await renameIfThere(pathOf(path, index), pathOf(path, index + 1));
    }
    // Which prompts are alike concerns the operator alone.
    this.#handle = await open(path, "wx", 0o600);
    this.#bytes = 0;
    this.#isTorn = false;
  }
}

function pathOf(path: string, index: number): string {
  return index === 0 ? path : `${path}.${index}`;
}

async function renameIfThere(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (cause) {
    if (!isMissing(cause)) throw cause;
  }
}

/** Throws if there is a file at `path` that is no recording. */
export async function refuseOther(path: string): Promise<void> {
  let handle: FileHandle;
  try {
    handle = await open(path, "r");
  } catch (cause) {
    if (isMissing(cause)) return;
    throw cause;
  }
  try {
    const { isFile, size } = await handle.stat().then((stat) => {
      return { isFile: stat.isFile(), size: stat.size };
    });
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(recognizedBytes), {
      position: 0,
    });
    const isOurs = buffer.subarray(0, bytesRead).includes(recordingFormat);
    if (!isFile || (size > 0 && !isOurs)) {
      throw new Error(`${path} is there already and is no recording`);
    }
  } finally {
    await handle.close();
  }
}

function isMissing(cause: unknown): boolean {
  return cause instanceof Error && "code" in cause && cause.code === "ENOENT";
}
