import { readFileSync } from "node:fs";
import type { Random } from "../../std/random.ts";
import type { Conversation } from "./conversation.ts";
import type { PromptNode } from "./prompt-tree.ts";

/** Tokens that one id of a Mooncake trace stands for. */
export const traceBlockTokens = 512;

/** Keys from here on are of tokens that no id names. */
const ownKeysFrom = 2 ** 31;

/** Lines of a trace; a longer file is not a trace. */
const traceLinesMax = 1_000_000;

/** A request of a trace, as the file has it. */
export interface TraceLine {
  readonly timestamp: number;
  readonly input_length: number;
  readonly output_length: number;
  /** One id for each 512 tokens; equal ids at equal places are an equal prefix. */
  readonly hash_ids: readonly number[];
}

/** Reads a trace; throws an error that names the first line that is wrong. */
export function readTrace(file: string): readonly TraceLine[] {
  return parseTrace(file, readFileSync(file, "utf8"));
}

export function parseTrace(name: string, text: string): readonly TraceLine[] {
  const lines = text.split("\n");
  if (lines.length > traceLinesMax) throw new Error(`${name}: more than ${traceLinesMax} lines`);
  const requests = lines.flatMap((line, index) => {
    if (line === "") return [];
    const request = lineOf(line);
    if (request !== undefined) return request;
    const wanted = "timestamp, input_length, output_length, hash_ids";
    throw new Error(`${name}:${index + 1}: not a JSON object with ${wanted}`);
  });
  if (requests.length === 0) throw new Error(`${name}: no requests`);
  return requests.toSorted((a, b) => a.timestamp - b.timestamp);
}

function lineOf(line: string): TraceLine | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  // The members are checked one by one.
  const { timestamp, input_length, output_length, hash_ids } = (value ?? {}) as Record<
    keyof TraceLine,
    unknown
  >;
  if (!isCount(timestamp) || !isCount(input_length) || !isCount(output_length)) return undefined;
  if (!Array.isArray(hash_ids) || !hash_ids.every(isCount)) return undefined;
  return { timestamp, input_length, output_length, hash_ids };
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && value >= 0 && Number.isFinite(value);
}

interface Window {
  /** Times the speed of the trace. */
  readonly speed: number;
  readonly lengthMs: number;
  /** Chooses the window. */
  readonly random: Random;
}

/** The requests of a window of a trace, which begins anywhere and goes on at the trace's start. */
export function traceConversations(
  lines: readonly TraceLine[],
  root: PromptNode,
  { speed, lengthMs, random }: Window,
): readonly Conversation[] {
  const startMs = lines[0]?.timestamp ?? 0;
  const lastMs = lines.at(-1)?.timestamp ?? 0;
  // As long after the last request as the mean gap before it.
  const spanMs = (lastMs - startMs) * (1 + 1 / Math.max(1, lines.length - 1)) || 1;
  const windowMs = lengthMs * speed;
  const fromMs = random() * Math.max(0, spanMs - windowMs);
  const conversations: Conversation[] = [];
  for (let round = 0; round * spanMs < fromMs + windowMs; round += 1) {
    for (const line of lines) {
      const inTraceMs = line.timestamp - startMs + round * spanMs - fromMs;
      if (inTraceMs < 0 || inTraceMs >= windowMs) continue;
      const number = conversations.length;
      conversations.push(conversationOf(line, root, { number, atMs: inTraceMs / speed }));
    }
  }
  return conversations;
}

function conversationOf(
  { hash_ids, input_length, output_length }: TraceLine,
  root: PromptNode,
  { number, atMs }: { readonly number: number; readonly atMs: number },
): Conversation {
  let prompt = root;
  let left = Math.max(1, input_length);
  for (const id of hash_ids) {
    if (left === 0) break;
    const tokens = Math.min(left, traceBlockTokens);
    // A last block that is not full has an id of its own; the tokens are in the key in case it has not.
    prompt = prompt.child({
      key: id * (traceBlockTokens + 1) + (tokens % traceBlockTokens),
      tokens,
    });
    left -= tokens;
  }
  // Tokens that no id names are the request's own.
  if (left > 0) prompt = prompt.only({ key: ownKeysFrom + number, tokens: left });
  const outputTokens = Math.max(1, output_length);
  const answered = prompt.only({ key: 0, tokens: outputTokens });
  return {
    number,
    atMs,
    turns: [{ prompt, answered, outputTokens, thinkMs: 0 }],
    adapter: undefined,
    objective: undefined,
    hasSessionKey: false,
  };
}
