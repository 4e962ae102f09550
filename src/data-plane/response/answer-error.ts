import type { AnswerFailure } from "../../core/answer-failure.ts";
import { isJsonObject, type JsonObject } from "./json-object.ts";

/** The classes of errors that engines name in their answers; few, because each is a metric's label. */
type ErrorClass =
  | "invalid_request"
  | "authentication"
  | "not_found"
  | "rate_limit"
  | "overloaded"
  | "timeout"
  | "aborted"
  | "server";

/** As with statuses, what the client sent or sent too often is not the engine's failure. */
const clientClasses: ReadonlySet<ErrorClass> = new Set([
  "invalid_request",
  "authentication",
  "not_found",
  "rate_limit",
]);

/**
 * Names of errors, in lower case, without `error` at the end and without `_`, `-`, `.` or spaces:
 * OpenAI's and Anthropic's types and codes, Python exceptions that vLLM and SGLang use as types, the
 * types of llama.cpp and of Text Generation Inference.
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

/** Statuses that have a class of their own; of the others 4xx is the client's. */
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

/** Longest name that is looked at: an engine's free text at that place must cost nothing. */
const nameLengthMax = 64;

/**
 * The failure that an answer names, whatever its status says; undefined where it names none. Every
 * dialect has its place for it, and a text of the model stands at none of them.
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

/** The failure of an answer that says that it failed, and maybe by `names` why. */
export function failureNamed(names: readonly unknown[]): AnswerFailure {
  const classes = names.map(classOf).filter((each) => each !== undefined);
  // A type or a code is enough to say that it is the client's; the other is often a general one.
  const named = classes.find((each) => clientClasses.has(each)) ?? classes[0] ?? "server";
  return { code: `answer_error_${named}`, blame: clientClasses.has(named) ? "client" : "engine" };
}

/** `null`, `false`, `0` and empty text stand for no error; `{}` does not. */
function isError(error: unknown): boolean {
  return error !== undefined && Boolean(error);
}

function namesIn(error: unknown, document: JsonObject): readonly unknown[] {
  if (isJsonObject(error)) {
    const { type, code, status, status_code: statusCode, http_code: httpCode } = error;
    return [type, code, status, statusCode, httpCode];
  }
  // An error that is only text has its names, if any, beside it.
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

/** SGLang's own API says why it stopped in an object; an abort may carry a status. */
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
