import { z } from "zod";
import { declared } from "../../core/plugin.ts";
import type { RequestParser } from "./parser.ts";
import { requestParsers } from "./request-parsers.ts";

/** All parsers as plugins: `requestHandler.parsers` lists those in use. */
export const parserPlugins = requestParsers.map((parser) =>
  declared({
    kinds: ["parser"],
    type: parser.type,
    summary: summaryOf(parser),
    params: z.strictObject({}),
    create: (): RequestParser => parser,
  }),
);

function summaryOf({ dialects }: RequestParser): string {
  if (dialects.length === 0) {
    return "Parses no body. Next to other parsers it changes nothing: requests to unknown paths are routed, and only their model is read. As the only parser, it leaves all bodies unread.";
  }
  const paths = dialects.flatMap(({ pathSuffixes }) => pathSuffixes.map((path) => `\`…${path}\``));
  return `Parses the bodies of POST requests whose path ends in ${paths.join(", ")}: the model, the prompt and whether the response streams. If several parsers match, the longest path suffix takes precedence.`;
}
