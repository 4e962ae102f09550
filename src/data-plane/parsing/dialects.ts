import { chat } from "./chat.ts";
import { completions } from "./completions.ts";
import { conversations } from "./conversations.ts";
import { embeddings } from "./embeddings.ts";
import type { DialectParser } from "./parser.ts";
import { responses } from "./responses.ts";

/** Every API we understand. A further one is a file beside this and a line here. */
export const DIALECTS: readonly DialectParser[] = [
  chat,
  completions,
  embeddings,
  responses,
  conversations,
];

/** Longest first, so that the first match is the most specific one. */
const SUFFIXES = DIALECTS.flatMap((parser) =>
  parser.pathSuffixes.map((suffix) => ({ suffix, parser })),
).toSorted((a, b) => b.suffix.length - a.suffix.length);

/**
 * The dialect a path speaks, by its longest known end in whole segments, whatever prefix, query
 * and trailing slashes the gateway leaves; undefined for a path we do not know.
 */
export function dialectOfPath(path: string): DialectParser | undefined {
  const end = endOfPath(path);
  const bare = end === path.length ? path : path.slice(0, end);
  for (const { suffix, parser } of SUFFIXES) {
    if (bare.endsWith(suffix)) return parser;
  }
  return undefined;
}

/** Index after the last character before the query, the fragment and trailing slashes. */
function endOfPath(path: string): number {
  const queryAt = path.search(/[?#]/u);
  let end = queryAt === -1 ? path.length : queryAt;
  while (end > 0 && path[end - 1] === "/") end -= 1;
  return end;
}
