import { existsSync } from "node:fs";
import path from "node:path";

/**
 * The file or folder `name` in the nearest folder from `start` upwards that has one: that of the package, from sources
 * and from a build.
 */
export function placeAbove(start: string, name: string): string {
  for (let folder = start; ; folder = path.dirname(folder)) {
    const found = path.join(folder, name);
    if (existsSync(found)) return found;
    if (path.dirname(folder) === folder) throw new Error(`no ${name} above ${start}`);
  }
}
