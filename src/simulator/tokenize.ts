import { isRecord, jsonTextOf } from "./json.ts";

/** Bytes of UTF-8 text per token: close to common tokenizers on English text. */
const bytesPerToken = 4;

/** A prompt as an engine's cache sees it. */
export interface Prompt {
  readonly promptTokens: number;
  /** One hash per full block, each chained to the one before it. */
  readonly promptBlocks: readonly number[];
  /** The chain continued over the answer, whose text is known: one hash per full block. */
  readonly outputBlocks?: readonly number[] | undefined;
}

export interface PromptScope {
  readonly blockTokens: number;
  /** Prompts share blocks only under equal seeds: the adapter or model name and a cache salt. */
  readonly seed: string;
}

/**
 * Tokens and block hashes of a text; equal leading bytes give equal leading blocks. With the `answer` that
 * the text will get, the blocks are those of a later prompt that begins with both.
 */
export function promptOfText(text: string, scope: PromptScope, answer = ""): Prompt {
  const textBytes = Buffer.byteLength(text);
  // At least the token that starts every sequence.
  const promptTokens = Math.max(1, Math.ceil(textBytes / bytesPerToken));
  if (answer === "") {
    const words = new Uint32Array(promptTokens);
    Buffer.from(words.buffer).write(text);
    return promptOfWords(words, scope);
  }
  const bytes = Buffer.from(text + answer);
  const words = new Uint32Array(Math.floor(bytes.length / bytesPerToken));
  bytes.copy(Buffer.from(words.buffer));
  const chain = promptOfWords(words, scope).promptBlocks;
  const promptBlocks = chain.slice(0, Math.floor(promptTokens / scope.blockTokens));
  return { promptTokens, promptBlocks, outputBlocks: chain.slice(promptBlocks.length) };
}

/** Tokens and block hashes of a prompt of token ids, each of them one token. */
export function promptOfTokenIds(ids: readonly number[], scope: PromptScope): Prompt {
  return promptOfWords(Uint32Array.from(ids.length === 0 ? [0] : ids), scope);
}

/**
 * The text that a chat request is computed as: its tools, then each message under its role.
 *
 * A message appended to a conversation leaves all text before it unchanged, so that turns of one
 * conversation share their prefix. Ids of tool calls are left out, as most chat templates do.
 */
export function chatTextOf(messages: readonly unknown[], tools: unknown): string {
  const parts = tools === undefined || tools === null ? [] : [`<tools>${jsonTextOf(tools)}\n`];
  for (const message of messages) {
    if (!isRecord(message)) continue;
    const { role, content, tool_calls: calls, tool_call_id: _, ...rest } = message;
    const said = `${contentTextOf(content)}${Array.isArray(calls) ? calls.map(callTextOf).join("") : ""}`;
    const given = Object.entries(rest).filter(([, value]) => value !== null);
    const more = given.length === 0 ? "" : jsonTextOf(Object.fromEntries(given));
    parts.push(`<${String(role)}>${said}${more}\n`);
  }
  parts.push("<assistant>");
  return parts.join("");
}

/** The text of a tool call within its message. `argumentsText`: JSON. */
export function toolCallTextOf(name: string, argumentsText: string): string {
  return `<tool_call>${name}${argumentsText}`;
}

function callTextOf(call: unknown): string {
  const called = isRecord(call) ? call["function"] : undefined;
  if (!isRecord(called)) return jsonTextOf(call);
  return toolCallTextOf(String(called["name"]), String(called["arguments"]));
}

function contentTextOf(content: unknown): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content.map((part: unknown) => contentPartTextOf(part)).join("");
}

function contentPartTextOf(part: unknown): string {
  if (isRecord(part) && typeof part["text"] === "string") return part["text"];
  // The bytes of an image or a sound are not prompt text; a digest distinguishes them.
  const [digest = 0] = promptOfText(jsonTextOf(part), {
    blockTokens: 1,
    seed: "",
  }).promptBlocks.slice(-1);
  return `<part:${digest.toString(16).padStart(14, "0")}>`;
}

/**
 * A chained hash of each block: two 32-bit multiply-xor lanes, 53 bits of which make a number
 * that JavaScript holds exactly.
 */
function promptOfWords(words: Uint32Array, { blockTokens, seed }: PromptScope): Prompt {
  let low = 0x811c9dc5;
  let high = 0x9e3779b9;
  const mix = (word: number) => {
    low = Math.imul(low ^ word, 0x01000193);
    low ^= low >>> 15;
    high = Math.imul(high ^ word, 0x85ebca6b);
    high ^= high >>> 13;
  };
  for (let index = 0; index < seed.length; index += 1) mix(seed.charCodeAt(index));
  const promptBlocks: number[] = [];
  let tokensInBlock = 0;
  for (const word of words) {
    mix(word);
    tokensInBlock += 1;
    if (tokensInBlock < blockTokens) continue;
    tokensInBlock = 0;
    promptBlocks.push((high >>> 11) * 4_294_967_296 + (low >>> 0));
  }
  return { promptTokens: words.length, promptBlocks };
}
