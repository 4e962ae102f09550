import { parsedJson } from "../../std/json-bytes.ts";
import { isJsonObject, type JsonObject } from "./json/json-value.ts";

/** Maximum characters of a key or id, which the client chooses; a longer one is ignored. */
const keyCharactersMax = 512;
/** Claude Code up to 2.1.77 ends `metadata.user_id` with `_session_` and the session's UUID. */
const sessionSuffix = /_session_([\w-]+)$/u;
/** A path of one stored response or conversation. Its id differs from names such as `compact` by how it begins. */
const storedPath = /\/(?:responses|conversations)\/((?:resp|conv)[^/?]*)/u;

/**
 * The client's name of the conversation; "" if the body has none. The first of these members counts: `session_id`
 * (OpenRouter), `session_params.id` (SGLang), `conversation` and `conversation_id`, the session in `metadata`,
 * `prompt_cache_key` (OpenAI). `user` and `safety_identifier` name a user, who may have many conversations, and do not
 * count.
 */
export function sessionKeyIn(body: JsonObject): string {
  return (
    keyOf(body["session_id"]) ||
    keyOf(idOf(body["session_params"])) ||
    keyOf(idOf(body["conversation"])) ||
    keyOf(body["conversation_id"]) ||
    sessionInMetadata(body["metadata"]) ||
    keyOf(body["prompt_cache_key"])
  );
}

/** The stored response or conversation that a body continues; "" if there is none. */
export function storedIdIn(body: JsonObject): string {
  return keyOf(body["previous_response_id"]) || keyOf(idOf(body["conversation"]));
}

/** The stored response or conversation that a path names, as in `GET /v1/responses/ID`; "" if there is none. */
export function storedIdInPath(path: string): string {
  return keyOf(storedPath.exec(path)?.[1]);
}

/** The session that `metadata` names; Claude Code from 2.1.78 on has it in a JSON text at `user_id`. */
function sessionInMetadata(metadata: unknown): string {
  if (!isJsonObject(metadata)) return "";
  const named = keyOf(metadata["session_id"]) || keyOf(metadata["conversation_id"]);
  const user = metadata["user_id"];
  if (named !== "" || typeof user !== "string" || user.length > keyCharactersMax) return named;
  return user.startsWith("{") ? sessionInText(user) : keyOf(sessionSuffix.exec(user)?.[1]);
}

function sessionInText(text: string): string {
  const value = parsedJson(text);
  return isJsonObject(value) ? keyOf(value["session_id"]) : "";
}

/** The id of an object that may also be given by its id alone. */
function idOf(value: unknown): unknown {
  return isJsonObject(value) ? value["id"] : value;
}

function keyOf(value: unknown): string {
  return typeof value === "string" && value.length <= keyCharactersMax ? value : "";
}
