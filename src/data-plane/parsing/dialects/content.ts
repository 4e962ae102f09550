import type { PromptPart } from "../../../core/request.ts";
import { isJsonArray, isJsonObject, type JsonObject } from "../json/json-value.ts";
import { type Problem, within } from "../parser.ts";

/** Fields of a content part with text that the engine reads. */
const textFields = ["text", "refusal", "thinking"];

/** Kind of media by a part's `type`, or by its field if it has no `type`. */
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

/** Fields that identify an image, recording or file, in a part or in an object within it. */
const referenceFields = [
  ...mediaTypes.keys(),
  "url",
  "data",
  "file_id",
  "file_data",
  "file_url",
  "uuid",
];

/** Adds one value; returns the problem if it cannot be read. */
export type Adder = (value: unknown, into: PromptPart[]) => Problem | undefined;

/**
 * Adds a string, or parts in order, each with `addPart`. Missing content is valid: an assistant that only calls tools
 * has none.
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

/** Adds one part: text, media, or, for an unknown type, its JSON text, so that different prompts still differ. */
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

/** Adds each value of a list with `add`; a problem gets its index. */
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

/** Adds a string as text, nothing for a missing value, and any other value as JSON text. */
export function addTextOrJson(value: unknown, into: PromptPart[]): Problem | undefined {
  if (value === undefined || value === null) return undefined;
  return typeof value === "string" ? addText(value, into) : addJson(value, into);
}

/** Adds the tools that a model may call, which templates print before the first message. */
export function addTools(tools: unknown, into: PromptPart[]): Problem | undefined {
  if (isJsonArray(tools) && tools.length === 0) return undefined;
  const problem = addTextOrJson(tools, into);
  return problem && within("tools", problem);
}

/** Adds text that is not empty. Returns undefined, as an adder without a problem. */
function addText(text: string, into: PromptPart[]): undefined {
  if (text !== "") into.push({ kind: "text", text });
  return undefined;
}

function addJson(value: unknown, into: PromptPart[]): Problem | undefined {
  try {
    return addText(JSON.stringify(value), into);
  } catch {
    // JSON.stringify may recurse although JSON.parse does not, so thousands of levels exhaust the stack.
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

/** The URL, id or data of the image, recording or file of a part; "" if it has none. */
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
