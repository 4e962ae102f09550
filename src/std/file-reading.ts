import { hash } from "node:crypto";
import { open, stat } from "node:fs/promises";

/** The peer's limit; 1 MiB is several thousand endpoints. */
const fileBytesMax = 2 ** 20;

export type FileReading =
  | { readonly kind: "read"; readonly text: string; readonly hash: string }
  /** Why there is no text: `hash` still tells one state of the file from another. */
  | { readonly kind: "unreadable"; readonly mistake: string; readonly hash: string }
  | { readonly kind: "vanished" };

/** Reads a whole UTF-8 file of at most 1 MiB, through any symlinks. */
export async function readTextFile(path: string): Promise<FileReading> {
  try {
    await using file = await open(path, "r");
    const stats = await file.stat();
    if (!stats.isFile()) return unreadable("it is not a regular file");
    const buffer = Buffer.allocUnsafe(fileBytesMax + 1);
    const bytes = buffer.subarray(0, await readFully(file, buffer));
    if (bytes.length > fileBytesMax) return unreadable(`it is larger than ${fileBytesMax} bytes`);
    return textOf(bytes);
  } catch (error) {
    const code = errorCodeOf(error);
    return code === "ENOENT" ? { kind: "vanished" } : unreadable(`it cannot be read: ${code}`);
  }
}

/**
 * A string that changes whenever the file behind `path` does: by a write, by a rename over it, or by
 * a symlink on the path with a new target. "" if there is no such file.
 */
export async function fingerprintOf(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return [dev, ino, size, mtimeNs, ctimeNs].join(" ");
  } catch (error) {
    const code = errorCodeOf(error);
    return code === "ENOENT" ? "" : code;
  }
}

/** The `code` of a system error, such as ENOENT. */
export function errorCodeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}

function textOf(bytes: Buffer): FileReading {
  const contentHash = hash("sha256", bytes);
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return { kind: "read", text, hash: contentHash };
  } catch {
    return { kind: "unreadable", mistake: "it is not UTF-8 text", hash: contentHash };
  }
}

function unreadable(mistake: string): FileReading {
  return { kind: "unreadable", mistake, hash: mistake };
}

interface PositionedReader {
  read(buffer: Buffer, offset: number, length: number): Promise<{ readonly bytesRead: number }>;
}

async function readFully(file: PositionedReader, buffer: Buffer): Promise<number> {
  let length = 0;
  for (;;) {
    // Each read starts where the last one ended.
    const { bytesRead } = await file.read(buffer, length, buffer.length - length);
    if (bytesRead === 0) return length;
    length += bytesRead;
  }
}
