import type { DialectParser } from "./parser.ts";

/**
 * Tells the dialect a path speaks by its longest known end in whole segments, whatever prefix,
 * query and trailing slashes the gateway leaves; undefined for a path that no dialect knows. Of two
 * dialects with the same end the first counts.
 */
export function dialectsByPath(
  dialects: readonly DialectParser[],
): (path: string) => DialectParser | undefined {
  // Longest first, so that the first match is the most specific one; the sort keeps equals in order.
  const suffixes = dialects
    .flatMap((dialect) => dialect.pathSuffixes.map((suffix) => ({ suffix, dialect })))
    .toSorted((a, b) => b.suffix.length - a.suffix.length);
  return (path) => {
    const bare = barePathOf(path);
    for (const { suffix, dialect } of suffixes) {
      if (bare.endsWith(suffix)) return dialect;
    }
    return undefined;
  };
}

/** A path without its query, its fragment and trailing slashes. */
export function barePathOf(path: string): string {
  const queryAt = path.search(/[?#]/u);
  let end = queryAt === -1 ? path.length : queryAt;
  while (end > 0 && path[end - 1] === "/") end -= 1;
  return end === path.length ? path : path.slice(0, end);
}
