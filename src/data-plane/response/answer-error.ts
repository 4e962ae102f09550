import type { AnswerFailure } from "../../core/answer-failure.ts";
import { isJsonObject, type JsonObject } from "./json-object.ts";

/** Classes of the errors that engines report in their responses; few, because each is a label of a metric. */
type ErrorClass =
  | "invalid_request"
  | "authentication"
  | "not_found"
  | "rate_limit"
  | "overloaded"
  | "timeout"
  | "aborted"
  | "server";

/** Classes that blame the client. As with statuses, a bad request or too many requests are not the engine's failure. */
const clientClasses: ReadonlySet<ErrorClass> = new Set([
  "invalid_request",
  "authentication",
  "not_found",
  "rate_limit",
]);

/**
 * Patterns for names of errors, in lower case, without `error` at the end and without `_`, `-`, `.` or spaces: types
 * and codes of OpenAI and Anthropic, Python exceptions that vLLM and SGLang use as types, and types of llama.cpp and
 * Text Generation Inference.
 */
const classByPattern: readonly (readonly [RegExp, ErrorClass])[] = [
  [
    /^(?:authentication|permission(?:denied)?|unauthorized|unauthenticated|forbidden|accessdenied|invalidapikey)$/u,
    "authentication",
  ],
  [/^(?:(?:model|imagefile)?notfound|.*doesnotexist)$/u, "not_found"],
  [
    /^(?:ratelimit(?:exceeded)?|toomanyrequests|throttl(?:ing|ed)|insufficientquota|(?:service)?quotaexceeded|billing)$/u,
    "rate_limit",
  ],
  [
    /^(?:.*overloaded|(?:service)?unavailable|resourceexhausted|queuefull|slowdown)$/u,
    "overloaded",
  ],
  [/^(?:.*timeout|deadlineexceeded)$/u, "timeout"],
  [/^(?:abort(?:ed)?|cancell?ed)$/u, "aborted"],
  [
    /^(?:invalid|unsupported|badrequest|.*validation$|value$|unprocessable|unknownparameter$)/u,
    "invalid_request",
  ],
  [/^(?:notsupported|notimplemented|unimplemented|missing|template$|tool$)/u, "invalid_request"],
  [
    /(?:content(?:filter|policy)|policyviolation|(?:above|below)m(?:ax|in)|too(?:large|long|small))/u,
    "invalid_request",
  ],
  [/(?:context(?:length|window|size)|^exceedcontext|^maxtokens)/u, "invalid_request"],
  [/^(?:imageparse|emptyimagefile|failedtodownloadimage)$/u, "invalid_request"],
  [/^(?:server|internal|api|generation|runtime|enginedead|incomplete$)/u, "server"],
];

/** Statuses with a separate class; of the others, 4xx blames the client. */
const statusClasses: ReadonlyMap<number, ErrorClass> = new Map([
  [401, "authentication"],
  [403, "authentication"],
  [404, "not_found"],
  [429, "rate_limit"],
  [501, "invalid_request"],
  [503, "overloaded"],
  [504, "timeout"],
  [505, "invalid_request"],
  [529, "overloaded"],
]);

/** Maximum length of a name that is matched, so that free text in its place costs nothing. */
const nameLengthMax = 64;

/**
 * The failure that a body reports, independent of its status; undefined if it reports none. Only places where dialects
 * report errors are read, never text of the model.
 */
export function failureIn(document: JsonObject): AnswerFailure | undefined {
  const { error, response } = document;
  if (isError(error)) return failureNamed(namesIn(error, document));
  if (document["object"] === "error" || document["type"] === "error") {
    return failureNamed(namesIn(undefined, document));
  }
  if (isJsonObject(response) && (isError(response["error"]) || response["status"] === "failed")) {
    return failureNamed(namesIn(response["error"], {}));
  }
  const isFailed = document["object"] === "response" && document["status"] === "failed";
  if (isFailed || document["type"] === "response.failed") return failureNamed([]);
  return failureInChoices(document["choices"]) ?? failureInMetaInfo(document["meta_info"]);
}

/** The failure of a response that reports one; `names` may have its type or code. */
export function failureNamed(names: readonly unknown[]): AnswerFailure {
  const classes = names.map(classOf).filter((each) => each !== undefined);
  // One name that blames the client is enough, because the other is often generic.
  const named = classes.find((each) => clientClasses.has(each)) ?? classes[0] ?? "server";
  return { code: `answer_error_${named}`, blame: clientClasses.has(named) ? "client" : "engine" };
}

/** False for `null`, `false`, `0` and empty text, which mean no error; true for `{}`. */
function isError(error: unknown): boolean {
  return error !== undefined && Boolean(error);
}

function namesIn(error: unknown, document: JsonObject): readonly unknown[] {
  if (isJsonObject(error)) {
    const { type, code, status, status_code: statusCode, http_code: httpCode } = error;
    return [type, code, status, statusCode, httpCode];
  }
  // If the error is only text, its names, if any, are next to it.
  const { type, code, error_type: errorType, status_code: statusCode, status } = document;
  return [errorType, type, code, statusCode, status, typeof error === "number" ? error : undefined];
}

function failureInChoices(choices: unknown): AnswerFailure | undefined {
  if (!Array.isArray(choices)) return undefined;
  for (const choice of choices as readonly unknown[]) {
    if (!isJsonObject(choice)) continue;
    if (isError(choice["error"])) return failureNamed(namesIn(choice["error"], {}));
    const failure = failureOfFinish(choice["finish_reason"]);
    if (failure !== undefined) return failure;
  }
  return undefined;
}

/** SGLang's native API has the finish reason as an object; an abort may have a status. */
function failureInMetaInfo(metaInfo: unknown): AnswerFailure | undefined {
  return isJsonObject(metaInfo) ? failureOfFinish(metaInfo["finish_reason"]) : undefined;
}

function failureOfFinish(reason: unknown): AnswerFailure | undefined {
  if (reason === "error") return failureNamed([]);
  if (reason === "abort") return failureNamed(["abort"]);
  if (!isJsonObject(reason) || reason["type"] !== "abort") return undefined;
  const { status_code: status, err_type: type } = reason;
  const names = [type, status].filter((name) => name !== null && name !== undefined);
  return failureNamed(names.length === 0 ? ["abort"] : names);
}

function classOf(name: unknown): ErrorClass | undefined {
  if (typeof name === "number") return classOfStatus(name);
  if (typeof name !== "string" || name.length > nameLengthMax) return undefined;
  if (/^\d{3}$/u.test(name)) return classOfStatus(Number(name));
  const bare = name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]/gu, "")
    .replace(/(?:error|exception)$/u, "");
  return classByPattern.find(([pattern]) => pattern.test(bare))?.[1];
}

function classOfStatus(status: number): ErrorClass | undefined {
  const known = statusClasses.get(status);
  if (known !== undefined) return known;
  if (status >= 400 && status < 500) return "invalid_request";
  return status >= 500 && status < 600 ? "server" : undefined;
}
