import type { ParseResult } from "../../core/parse-result.ts";
import type { HeaderValues, InferenceRequest, RequestHead } from "../../core/request.ts";
import { promptTokensOf } from "../../core/token-estimate.ts";
import { dialectsByPath } from "./dialect-paths.ts";
import { readJsonBody } from "./json-body.ts";
import { isJsonArray, isJsonObject, type JsonObject } from "./json-value.ts";
import type { DialectParser, RequestParser } from "./parser.ts";

export interface RequestReader {
  /** Whether a decision can profit from the body; where not, `parse` does not look at it. */
  readonly bodyIsNeeded: (head: RequestHead) => boolean;
  /**
   * Understands a request as far as its headers and body allow; `body` is undefined where nobody
   * shows it, which is not an empty one. What is no known API, has no body to see, or makes no
   * claim to be JSON and is none, passes through as dialect "passthrough" with an empty prompt.
   */
  readonly parse: (head: RequestHead, body: Uint8Array | undefined) => ParseResult;
}

export interface RequestReaderOptions {
  /** Whether a request that names no model gets one later on, so that it is not refused for it. */
  readonly suppliesModel?: (head: RequestHead) => boolean;
}

/** What the headers say of a body: JSON, nothing, or something else that we cannot read. */
type BodyClaim = "json" | "none" | "other";

const JSON_TYPE = /^application\/(?:[^\s/;,]+\+)?json$/iu;

/** Members that keep a prompt's cached prefix apart: vLLM's and SGLang's, and another of SGLang's. */
const SALT_MEMBERS = ["cache_salt", "extra_key"];

/**
 * A reader for the dialects of `parsers`. Their order does not matter, and a request whose path
 * none of them knows passes through also where no passthrough parser is among them: it can still
 * be routed, and the engine is the one to say what it does not know.
 */
export function createRequestReader(
  parsers: readonly RequestParser[],
  { suppliesModel = () => false }: RequestReaderOptions = {},
): RequestReader {
  const dialectOf = dialectsByPath(parsers.flatMap(({ dialects }) => dialects));

  /** Only POST creates something from a prompt: `GET …/responses/ID` and the like carry none. */
  function dialectFor(head: RequestHead): DialectParser | undefined {
    if (head.method !== "POST" || claimOf(head.headers) === "other") return undefined;
    return dialectOf(head.path);
  }

  return {
    bodyIsNeeded: (head) => dialectFor(head) !== undefined,
    parse(head, body) {
      const sized = { head, bodyBytes: body?.byteLength ?? 0 };
      const dialect = dialectFor(head);
      if (dialect === undefined || body === undefined) return passthrough(sized);

      const json = readJsonBody(body);
      if (json.kind === "not-json") {
        return claimOf(head.headers) === "json" ? refused(json.message) : passthrough(sized);
      }
      if (!isJsonObject(json.value)) return refused("request body must be a JSON object");
      const nameless = namelessFault(dialect, json.value);
      if (nameless !== undefined && !suppliesModel(head)) return refused(nameless);
      return understood(dialect, json.value, sized);
    },
  };
}

type Sized = Pick<InferenceRequest, "head" | "bodyBytes">;

function understood(dialect: DialectParser, body: JsonObject, sized: Sized): ParseResult {
  const named = body["model"] ?? "";
  if (typeof named !== "string") return refused("`model` must be a string");
  const reading = dialect.read(body);
  if (reading.kind === "unreadable") {
    return refused(`${reading.problem.path}: ${reading.problem.rule}`);
  }
  const { prompts, outputTokensMax, model = named } = reading;
  return {
    kind: "parsed",
    request: {
      ...sized,
      dialect: dialect.dialect,
      model,
      targetModel: model,
      cacheSalt: cacheSaltOf(body),
      isStreaming: body["stream"] === true,
      priority: 0,
      prompts,
      promptTokens: reading.promptTokens ?? promptTokensOf(prompts),
      outputTokensMax,
    },
  };
}

/** What is wrong with a body that names no model where its API needs one. */
function namelessFault({ needsModel, noun }: DialectParser, body: JsonObject): string | undefined {
  const model = body["model"] ?? undefined;
  if (!needsModel || (model !== "" && model !== undefined)) return undefined;
  return `\`model\` is ${model === "" ? "empty" : "missing"}: ${noun} need the name of a model`;
}

function passthrough(sized: Sized): ParseResult {
  return {
    kind: "parsed",
    request: {
      ...sized,
      dialect: "passthrough",
      model: "",
      targetModel: "",
      cacheSalt: "",
      isStreaming: false,
      priority: 0,
      prompts: [],
      promptTokens: 0,
      outputTokensMax: undefined,
    },
  };
}

function refused(message: string): ParseResult {
  return { kind: "refused", refusal: { code: "malformed_request", message } };
}

/** The salts of a batch are taken together: what shares all of them may share a prefix. */
function cacheSaltOf(body: JsonObject): string {
  return SALT_MEMBERS.flatMap((member) =>
    isJsonArray(body[member]) ? body[member] : [body[member]],
  )
    .filter((salt) => typeof salt === "string" && salt !== "")
    .join("\n");
}

function claimOf(headers: HeaderValues): BodyClaim {
  // A compressed body says nothing until it is unpacked, which is the engine's work.
  const encoding = headers.get("content-encoding")?.trim().toLowerCase() ?? "";
  if (encoding !== "" && encoding !== "identity") return "other";
  const contentType = headers.get("content-type") ?? "";
  if (contentType === "application/json") return "json";
  const [mediaType = ""] = contentType.split(/[;,]/u, 1);
  if (mediaType.trim() === "") return "none";
  return JSON_TYPE.test(mediaType.trim()) ? "json" : "other";
}
