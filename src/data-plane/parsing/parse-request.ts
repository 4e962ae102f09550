import type { ParseResult } from "../../core/parse-result.ts";
import type { HeaderValues, InferenceRequest, RequestHead } from "../../core/request.ts";
import { dialectOfPath } from "./dialects.ts";
import { readJsonBody } from "./json-body.ts";
import { isJsonObject, type JsonObject } from "./json-value.ts";
import type { DialectParser } from "./parser.ts";
import { promptTokensOf } from "./token-estimate.ts";

/** What the headers say of a body: JSON, nothing, or something else that we cannot read. */
type BodyClaim = "json" | "none" | "other";

const JSON_TYPE = /^application\/(?:[^\s/;,]+\+)?json$/iu;

/** Whether a decision can profit from the body; where not, `parseRequest` does not look at it. */
export function bodyIsNeeded(head: RequestHead): boolean {
  return parserFor(head) !== undefined;
}

/**
 * Understands a request as far as its headers and body allow; `body` is undefined where nobody
 * shows it, which is not an empty one. What is no known API, has no body to see, or makes no claim
 * to be JSON and is none, passes through as dialect "passthrough" with an empty prompt.
 */
export function parseRequest(head: RequestHead, body: Uint8Array | undefined): ParseResult {
  const bodyBytes = body?.byteLength ?? 0;
  const parser = parserFor(head);
  if (parser === undefined || body === undefined) return passthrough(head, bodyBytes);

  const json = readJsonBody(body);
  if (json.kind === "not-json") {
    return claimOf(head.headers) === "json" ? refused(json.message) : passthrough(head, bodyBytes);
  }
  if (!isJsonObject(json.value)) return refused("request body must be a JSON object");
  return understood(parser, json.value, { head, bodyBytes });
}

function understood(
  parser: DialectParser,
  body: JsonObject,
  { head, bodyBytes }: Pick<InferenceRequest, "head" | "bodyBytes">,
): ParseResult {
  const model = body["model"] ?? "";
  if (typeof model !== "string") return refused("`model` must be a string");
  if (model === "" && parser.needsModel) {
    const fault = body["model"] === "" ? "empty" : "missing";
    return refused(`\`model\` is ${fault}: ${parser.noun} need the name of a model`);
  }
  const reading = parser.read(body);
  if (reading.kind === "unreadable") {
    return refused(`${reading.problem.path}: ${reading.problem.rule}`);
  }
  return {
    kind: "parsed",
    request: {
      head,
      dialect: parser.dialect,
      model,
      isStreaming: body["stream"] === true,
      prompts: reading.prompts,
      promptTokens: promptTokensOf(reading.prompts),
      outputTokensMax: reading.outputTokensMax,
      bodyBytes,
    },
  };
}

function passthrough(head: RequestHead, bodyBytes: number): ParseResult {
  return {
    kind: "parsed",
    request: {
      head,
      dialect: "passthrough",
      model: "",
      isStreaming: false,
      prompts: [],
      promptTokens: 0,
      outputTokensMax: undefined,
      bodyBytes,
    },
  };
}

function refused(message: string): ParseResult {
  return { kind: "refused", refusal: { code: "malformed_request", message } };
}

/** Only POST creates something from a prompt: `GET …/responses/ID` and the like carry none. */
function parserFor(head: RequestHead): DialectParser | undefined {
  if (head.method !== "POST" || claimOf(head.headers) === "other") return undefined;
  return dialectOfPath(head.path);
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
