import type { PromptPart } from "../../../core/request.ts";
import { isJsonArray, isJsonObject, type JsonObject } from "../json/json-value.ts";
import { type Problem, within } from "../parser.ts";

/** Fields of a content part that hold text which the engine reads. */
const textFields = ["text", "refusal", "thinking"];

/** A part's `type`, or the field it stands in where a part has no type, -> the kind of media. */
const mediaTypes: ReadonlyMap<string, string> = new Map([
  ["image_url", "image"],
  ["input_image", "image"],
  ["image_embeds", "image"],
  ["image", "image"],
  ["input_audio", "audio"],
  ["audio_url", "audio"],
  ["audio_embeds", "audio"],
  ["audio", "audio"],
  ["video_url", "video"],
  ["input_video", "video"],
  ["video", "video"],
  ["file", "file"],
  ["input_file", "file"],
]);

/** Fields that say which image, recording or file it is, in a part or one object further in. */
const referenceFields = [
  ...mediaTypes.keys(),
  "url",
  "data",
  "file_id",
  "file_data",
  "file_url",
  "uuid",
];

/** Adds one value, or says what is wrong with it. */
export type Adder = (value: unknown, into: PromptPart[]) => Problem | undefined;

/**
 * Adds a string, or parts in order, each with `addPart`. Nothing is content too: an assistant that
 * only called tools.
 */
export function addContent(
  content: unknown,
  into: PromptPart[],
  addPart: Adder = addContentPart,
): Problem | undefined {
  if (content === undefined || content === null) return undefined;
  if (typeof content === "string") return addText(content, into);
  if (!isJsonArray(content)) return { path: "", rule: "must be a string or an array" };
  return addEach(content, into, addPart);
}

/** Adds one part: text, media, or, so that it still tells prompts apart, its JSON text. */
export function addContentPart(part: unknown, into: PromptPart[]): Problem | undefined {
  if (typeof part === "string") return addText(part, into);
  if (!isJsonObject(part)) return { path: "", rule: "must be an object" };
  for (const field of textFields) {
    const text = part[field];
    if (typeof text === "string") return addText(text, into);
  }
  const mediaType = mediaTypeOf(part);
  if (mediaType === undefined) return addJson(part, into);
  into.push({ kind: "media", mediaType, reference: referenceOf(part) });
  return undefined;
}

/** Adds each of a list with `add`; a problem gets the index it is at. */
export function addEach(
  list: readonly unknown[],
  into: PromptPart[],
  add: Adder,
): Problem | undefined {
  for (const [index, value] of list.entries()) {
    const problem = add(value, into);
    if (problem !== undefined) return within(`[${index}]`, problem);
  }
  return undefined;
}

/** Adds a string as text, nothing for a missing value, and the JSON text of anything else. */
export function addTextOrJson(value: unknown, into: PromptPart[]): Problem | undefined {
  if (value === undefined || value === null) return undefined;
  return typeof value === "string" ? addText(value, into) : addJson(value, into);
}

/** Adds the tools a model may call: templates print them before the first message. */
export function addTools(tools: unknown, into: PromptPart[]): Problem | undefined {
  if (isJsonArray(tools) && tools.length === 0) return undefined;
  const problem = addTextOrJson(tools, into);
  return problem && within("tools", problem);
}

/** Text that says nothing is left out. Never a problem: the result suits the other adders. */
function addText(text: string, into: PromptPart[]): undefined {
  if (text !== "") into.push({ kind: "text", text });
  return undefined;
}

function addJson(value: unknown, into: PromptPart[]): Problem | undefined {
  try {
    return addText(JSON.stringify(value), into);
  } catch {
    // JSON.stringify may recurse where JSON.parse does not: thousands of levels exhaust the stack.
    return { path: "", rule: "must be nested less deeply" };
  }
}

function mediaTypeOf(part: JsonObject): string | undefined {
  const type = part["type"];
  if (typeof type === "string") return mediaTypes.get(type);
  for (const [field, mediaType] of mediaTypes) {
    if (part[field] !== undefined) return mediaType;
  }
  return undefined;
}

/** Which image, recording or file a part is about; "" where it does not say. */
export function referenceOf(part: JsonObject): string {
  for (const field of referenceFields) {
    const value = part[field];
    const reference = isJsonObject(value) ? stringIn(value) : value;
    if (typeof reference === "string") return reference;
  }
  return "";
}

function stringIn(holder: JsonObject): string | undefined {
  for (const field of referenceFields) {
    const value = holder[field];
    if (typeof value === "string") return value;
  }
  return undefined;
}
