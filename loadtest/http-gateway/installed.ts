import { existsSync, lstatSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";

/** Bytes of the files in a folder, or of a file; links are not followed. */
export function bytesOf(place: string): number {
  const found = lstatSync(place);
  if (!found.isDirectory()) return found.isFile() ? found.size : 0;
  return readdirSync(place).reduce((sum, name) => sum + bytesOf(path.join(place, name)), 0);
}

/** Bytes that an installation of this package has, which is bundled; undefined if it was not built. */
export function packageBytesOf(root: string): number | undefined {
  // A file of npm, which has this shape.
  const { files } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")) as {
    readonly files: readonly string[];
  };
  const places = files.map((name) => path.join(root, name));
  if (!places.every((place) => existsSync(place))) return undefined;
  return places.reduce((sum, place) => sum + bytesOf(place), 0);
}
