import type { BodyRules, BodyUse } from "../core/parse-result.ts";
import type { RequestHead } from "../core/request.ts";
import { targetHeaderOf } from "./model-rewrite.ts";
import { createRequestReader } from "./parsing/request-reader.ts";
import { requestParsers } from "./parsing/request-parsers.ts";

/** The use of bodies by these rules, for an ingress on a thread without a configuration. */
export function bodyUseBy({ parsers, usesModel }: BodyRules): (head: RequestHead) => BodyUse {
  const used = requestParsers.filter(({ type }) => parsers.includes(type));
  const reader = createRequestReader(used, {
    usesModel: (head) => usesModel || targetHeaderOf(head) !== undefined,
  });
  return (head) => reader.bodyUse(head);
}
