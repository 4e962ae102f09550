import { isJsonObject, type JsonObject } from "./json-object.ts";

/** Maximum characters of an id. Those of vLLM and OpenAI have fewer than 80. */
const idCharactersMax = 512;
/** Values of `object` that name what an engine may store. */
const storedObjects: ReadonlySet<unknown> = new Set(["response", "conversation"]);

/** The id of the response or conversation in a JSON body, or in an event of the Responses API; undefined if none. */
export function answerIdOf(document: JsonObject): string | undefined {
  const { response } = document;
  const holder = isJsonObject(response) ? response : document;
  const { id, object } = holder;
  if (!storedObjects.has(object) || typeof id !== "string") return undefined;
  return id === "" || id.length > idCharactersMax ? undefined : id;
}
