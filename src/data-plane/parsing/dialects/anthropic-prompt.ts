import type { PromptPart } from "../../../core/request.ts";
import { addContent, addContentPart, addTextOrJson, addTools, referenceOf } from "./content.ts";
import { isJsonObject, type JsonObject } from "../json/json-value.ts";
import { addMessages, addRoleAndContent, type MessagePrompt } from "./message-list.ts";
import { type Problem, within } from "../parser.ts";

/**
 * Claude Code begins `system` with a block with this prefix, which has a different hash in each request. Engines drop
 * the block (vLLM, `anthropic/serving.py`), because otherwise no two prompts would share a prefix.
 */
const attribution = "x-anthropic-billing-header";

/** Adds tools and `system`, then the role and the content blocks of each message, in order. */
export function addAnthropicPrompt(body: JsonObject, prompt: MessagePrompt): Problem | undefined {
  const problem = addTools(body["tools"], prompt.parts) ?? addSystem(body["system"], prompt.parts);
  return problem ?? addMessages(body["messages"], prompt, addMessage);
}

function addSystem(system: unknown, into: PromptPart[]): Problem | undefined {
  const problem = addContent(system, into, addSystemBlock);
  return problem && within("system", problem);
}

function addSystemBlock(block: unknown, into: PromptPart[]): Problem | undefined {
  const text = isJsonObject(block) ? block["text"] : undefined;
  if (typeof text === "string" && text.startsWith(attribution)) return undefined;
  return addBlock(block, into);
}

function addMessage(message: unknown, into: PromptPart[]): Problem | undefined {
  if (!isJsonObject(message)) return { path: "", rule: "must be an object" };
  return addRoleAndContent(message, into, addBlock);
}

function addBlock(block: unknown, into: PromptPart[]): Problem | undefined {
  if (!isJsonObject(block)) return addContentPart(block, into);
  switch (block["type"]) {
    case "tool_use":
      return addToolUse(block, into);
    case "tool_result":
      return addToolResult(block, into);
    default:
      return addResultBlock(block, into);
  }
}

function addToolUse(block: JsonObject, into: PromptPart[]): Problem | undefined {
  return (
    addField(block, "id", into) ?? addField(block, "name", into) ?? addField(block, "input", into)
  );
}

function addToolResult(block: JsonObject, into: PromptPart[]): Problem | undefined {
  const idProblem = addField(block, "tool_use_id", into);
  if (idProblem !== undefined) return idProblem;
  const problem = addContent(block["content"], into, addResultBlock);
  return problem && within("content", problem);
}

/** Adds a block that may be in a tool result or a message. */
function addResultBlock(block: unknown, into: PromptPart[]): Problem | undefined {
  if (!isJsonObject(block)) return addContentPart(block, into);
  switch (block["type"]) {
    case "redacted_thinking":
      return addField(block, "data", into);
    case "document":
      return addDocument(block, into);
    default:
      return addDocumentBlock(block, into);
  }
}

/** Adds a document: a file, or its text and images. */
function addDocument(block: JsonObject, into: PromptPart[]): Problem | undefined {
  const about = addField(block, "title", into) ?? addField(block, "context", into);
  if (about !== undefined) return about;
  const source = block["source"];
  if (!isJsonObject(source)) return addField(block, "source", into);
  if (source["type"] === "text") {
    const problem = addField(source, "data", into);
    return problem && within("source", problem);
  }
  if (source["type"] === "content") {
    const problem = addContent(source["content"], into, addDocumentBlock);
    return problem && within("source.content", problem);
  }
  into.push({ kind: "media", mediaType: "file", reference: referenceOf(source) });
  return undefined;
}

/**
 * Adds a block that may also be in a document. Such blocks have no further blocks, so nesting cannot exhaust the stack.
 */
function addDocumentBlock(block: unknown, into: PromptPart[]): Problem | undefined {
  if (!isJsonObject(block) || block["type"] !== "image" || !isJsonObject(block["source"])) {
    return addContentPart(block, into);
  }
  into.push({ kind: "media", mediaType: "image", reference: referenceOf(block["source"]) });
  return undefined;
}

function addField(block: JsonObject, field: string, into: PromptPart[]): Problem | undefined {
  const problem = addTextOrJson(block[field], into);
  return problem && within(field, problem);
}
