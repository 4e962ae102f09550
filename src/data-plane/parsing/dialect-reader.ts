import type { ParseResult } from "../../core/parse-result.ts";
import type { RequestHead } from "../../core/request.ts";
import { promptTokensOf } from "../../core/token-estimate.ts";
import { sessionKeyIn, storedIdIn, storedIdInPath } from "./client-keys.ts";
import { readJsonBody } from "./json/json-body.ts";
import { isJsonArray, isJsonObject, type JsonObject } from "./json/json-value.ts";
import { type BodyToRead, passthrough, refused } from "./parsed.ts";
import type { DialectParser } from "./parser.ts";
import { withFields } from "./json/with-fields.ts";
import { withModel } from "./json/with-model.ts";

interface DialectOptions {
  readonly claimsJson: boolean;
  readonly refusesNameless: (head: RequestHead) => boolean;
}

/** Members that separate cached prefixes: `cache_salt` of vLLM and SGLang, `extra_key` of SGLang. */
const saltMembers = ["cache_salt", "extra_key"];

/** Reads a body of a known API; refuses one whose prompt cannot be read. */
export function readDialectRequest(
  toRead: BodyToRead,
  dialect: DialectParser,
  { claimsJson, refusesNameless }: DialectOptions,
): ParseResult {
  const json = readJsonBody(toRead.body);
  if (json.kind === "not-json") {
    return claimsJson ? refused(json.message) : passthrough(toRead);
  }
  if (!isJsonObject(json.value)) return refused("request body must be a JSON object");
  const nameless = namelessFault(dialect, json.value);
  if (nameless !== undefined && refusesNameless(toRead.head)) return refused(nameless);
  return understood(toRead, dialect, json.value);
}

function understood(toRead: BodyToRead, dialect: DialectParser, body: JsonObject): ParseResult {
  const reading = dialect.read(body);
  if (reading.kind === "unreadable") {
    return refused(`${reading.problem.path}: ${reading.problem.rule}`);
  }
  const member = body["model"] ?? "";
  const { prompts, outputTokensMax, model = typeof member === "string" ? member : "" } = reading;
  const storedId = storedIdIn(body);
  // Leave a name that is not a string unchanged, so that the engine can refuse it.
  const hasPlace = typeof member === "string" || reading.model !== undefined;
  return {
    kind: "parsed",
    request: {
      head: toRead.head,
      bodyBytes: toRead.sentBytes,
      dialect: dialect.dialect,
      model,
      targetModel: model,
      cacheSalt: cacheSaltOf(body),
      sessionKey: sessionKeyIn(body),
      storedId: storedId === "" ? storedIdInPath(toRead.head.path) : storedId,
      isStreaming: body["stream"] === true,
      priority: 0,
      prompts,
      openingParts: reading.openingParts ?? 0,
      promptTokens: reading.promptTokens ?? promptTokensOf(prompts),
      outputTokensMax,
    },
    withModel: hasPlace
      ? (target) => ({
          body: withModel(toRead.body.whole, target, dialect.dialect) ?? toRead.body.whole,
          removedHeaders: toRead.removedHeaders,
        })
      : undefined,
    withFields: (fields, changed) => ({
      body: withFields(changed?.body ?? toRead.body.whole, fields),
      removedHeaders: toRead.removedHeaders,
    }),
    unread: undefined,
  };
}

/** The mistake in a body that names no model although its API needs one; undefined if there is none. */
function namelessFault({ needsModel, noun }: DialectParser, body: JsonObject): string | undefined {
  const model = body["model"] ?? undefined;
  if (!needsModel || (model !== "" && model !== undefined)) return undefined;
  return `\`model\` is ${model === "" ? "empty" : "missing"}: ${noun} need the name of a model`;
}

/** All salts of a body, joined: only requests with the same salts may share a prefix. */
function cacheSaltOf(body: JsonObject): string {
  // Hardly any request has one.
  if (saltMembers.every((member) => body[member] === undefined)) return "";
  return saltMembers
    .flatMap((member) => (isJsonArray(body[member]) ? body[member] : [body[member]]))
    .filter((salt) => typeof salt === "string" && salt !== "")
    .join("\n");
}
