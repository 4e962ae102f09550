import { existsSync, lstatSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";

/** Bytes of the files in a folder, or of a file; links are not followed. */
export function bytesOf(place: string): number {
  const found = lstatSync(place);
  if (!found.isDirectory()) return found.isFile() ? found.size : 0;
  return readdirSync(place).reduce((sum, name) => sum + bytesOf(path.join(place, name)), 0);
}

/** Bytes that an installation of this package has: its own files and those that it depends on. */
export function productionBytesOf(root: string): number {
  // Files of npm and of this package, which have these shapes.
  const lock = JSON.parse(readFileSync(path.join(root, "package-lock.json"), "utf8")) as {
    readonly packages: Readonly<Record<string, { readonly dev?: boolean }>>;
  };
  const { files } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")) as {
    readonly files: readonly string[];
  };
  // A nested package lies in the folder of another one, which counts it already.
  const packages = Object.entries(lock.packages).flatMap(([place, { dev = false }]) =>
    place === "" || dev || place.lastIndexOf("node_modules") > 0 ? [] : [place],
  );
  const own = files.filter((name) => existsSync(path.join(root, name)));
  return [...own, ...packages]
    .map((place) => path.join(root, place))
    .filter((place) => existsSync(place))
    .reduce((sum, place) => sum + bytesOf(place), 0);
}
