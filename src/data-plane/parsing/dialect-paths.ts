import type { DialectParser } from "./parser.ts";

/**
 * Returns a function that finds the dialect of a path by its longest known suffix in whole segments. It ignores any
 * prefix, the query and trailing slashes. Undefined if no dialect matches. If two dialects have the same suffix, the
 * first is used.
 */
export function dialectsByPath(
  dialects: readonly DialectParser[],
): (path: string) => DialectParser | undefined {
  // Longest first, so that the first match is the most specific one. The sort is stable.
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

/** A path without query, fragment and trailing slashes. */
export function barePathOf(path: string): string {
  const queryAt = path.search(/[?#]/u);
  let end = queryAt === -1 ? path.length : queryAt;
  while (end > 0 && path[end - 1] === "/") end -= 1;
  return end === path.length ? path : path.slice(0, end);
}
