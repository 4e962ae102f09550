import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import path from "node:path";
import { cacheFolder } from "../../src/demo/envoy-binary.ts";

/** Where the cache keeps what is called `name`. */
export function cachedFolderOf(name: string): string {
  return path.join(cacheFolder(process.env), name);
}

/**
 * The cached folder called `name`, made by `fill` where it is not there. It is filled under another
 * name and then renamed, so that a half-filled one is never used and callers in several processes
 * do not disturb each other.
 */
export async function cachedFolder(
  name: string,
  fill: (partial: string) => Promise<void>,
): Promise<string> {
  const folder = cachedFolderOf(name);
  if (existsSync(folder)) return folder;
  await mkdir(path.dirname(folder), { recursive: true });
  const partial = await mkdtemp(`${folder}.partial-`);
  try {
    await fill(partial);
    // Somebody else may have been faster, which is as good.
    await rename(partial, folder).catch((cause: unknown) => {
      if (!existsSync(folder)) throw cause;
    });
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
  return folder;
}
