import { existsSync } from "node:fs";
import path from "node:path";

/**
 * The folder `name` in the nearest folder above `start` that has one: the package's own, from sources and from a
 * build.
 */
export function folderAbove(start: string, name: string): string {
  for (let folder = start; ; folder = path.dirname(folder)) {
    const found = path.join(folder, name);
    if (existsSync(found)) return found;
    if (path.dirname(folder) === folder) throw new Error(`no folder ${name} above ${start}`);
  }
}
