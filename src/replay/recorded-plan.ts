import { headerTable } from "../core/headers.ts";
import { blockCharacters, type RequestLine } from "../telemetry/recording/lines.ts";
import type { AskedFor, Conversation, Plan } from "./lab/conversation.ts";
import { type PromptNode, PromptTree, segmentTokensMax } from "./lab/prompt-tree.ts";
import { previousTurnsOf } from "./previous-turns.ts";

/** Tokens of an answer whose length is unknown, if no answer of the recording has one. */
const outputTokensGuess = 200;

/** Begins the name of an objective that stands for a recorded priority. */
const priorityPrefix = "recorded-priority:";

/** The priority that an objective of a plan stands for; undefined for any other. */
export function recordedPriorityOf(objective: string): number | undefined {
  if (!objective.startsWith(priorityPrefix)) return undefined;
  return Number(objective.slice(priorityPrefix.length));
}

export interface PlanOptions {
  /** Of the engines' blocks. */
  readonly blockTokens: number;
  /** False if every request comes at its recorded time. */
  readonly waits: boolean;
}

/**
 * The arrivals of a recording, each a conversation of one request; a further turn of a client comes after the one before.
 * Prompts share segments as far as their blocks are equal.
 */
export function planOfRecording(
  requests: readonly RequestLine[],
  { blockTokens, waits }: PlanOptions,
): Plan {
  const prompts = new RecordedPrompts(requests, new PromptTree(blockTokens).root());
  const adapters = new Set(
    requests.flatMap((line) => (line.adapter === true ? (modelOf(line) ?? []) : [])),
  );
  const guess = meanOutputTokens(requests);
  const previous = waits ? previousTurnsOf(requests) : [];
  const conversations = requests.map((line, number): Conversation => {
    const prompt = prompts.of(line, number);
    const outputTokens = outputTokensOf(line) ?? guess;
    const model = modelOf(line);
    const before = previous[number];
    return {
      number,
      atMs: line.atMs,
      after: before && { conversation: before.request, thinkMs: before.thinkMs },
      turns: [
        {
          prompt,
          answered: prompt.only({ key: 0, tokens: outputTokens }),
          outputTokens,
          thinkMs: 0,
        },
      ],
      adapter: model !== undefined && adapters.has(model) ? model : undefined,
      objective: line.priority === undefined ? undefined : `${priorityPrefix}${line.priority}`,
      hasSessionKey: false,
      asked: askedOf(line),
    };
  });
  return { conversations, adapters: [...adapters] };
}

function modelOf({ model, targetModel }: RequestLine): string | undefined {
  return targetModel ?? model;
}

function askedOf(line: RequestLine): AskedFor {
  const { tenant, session, sloTtftMs, sloTpotMs } = line;
  const values = [
    [headerTable.fairnessId.name, tenant],
    [headerTable.sessionId.name, session],
    [headerTable.sloTtft.name, sloTtftMs?.toString()],
    [headerTable.sloTpot.name, sloTpotMs?.toString()],
  ] as const;
  return {
    headers: values.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
    isStreaming: line.stream === true,
    outputTokensMax: line.outputTokensMax,
  };
}

/** As the engine counted them, else the pieces of a stream: engines send about one for each token. */
function outputTokensOf({ outputTokens, stream, chunks }: RequestLine): number | undefined {
  if (outputTokens !== undefined) return Math.max(1, outputTokens);
  return stream === true && chunks !== undefined ? Math.max(1, chunks) : undefined;
}

function meanOutputTokens(requests: readonly RequestLine[]): number {
  const known = requests.flatMap((line) => outputTokensOf(line) ?? []);
  if (known.length === 0) return outputTokensGuess;
  return Math.round(known.reduce((sum, tokens) => sum + tokens, 0) / known.length);
}

/** Prompts as paths of a tree, with a node only where prompts part or end. */
class RecordedPrompts {
  readonly #root: PromptNode;
  /** Blocks after which a segment ends. */
  readonly #ends: ReadonlySet<string>;
  readonly #keys = new Map<string, number>();

  constructor(requests: readonly RequestLine[], root: PromptNode) {
    this.#root = root;
    this.#ends = segmentEndsOf(requests);
  }

  of({ promptTokens = 1, blocks, blockTokens = 1 }: RequestLine, number: number): PromptNode {
    const [chain = ""] = blocks ?? [];
    let left = Math.max(1, promptTokens);
    let node = this.#root;
    let segment = { first: "", tokens: 0 };
    for (let at = 0; at < chain.length && left > 0; at += blockCharacters) {
      const block = chain.slice(at, at + blockCharacters);
      const tokens = Math.min(left, blockTokens);
      left -= tokens;
      segment = { first: segment.first || block, tokens: segment.tokens + tokens };
      const isLong = segment.tokens + blockTokens > segmentTokensMax;
      if (left > 0 && !isLong && !this.#ends.has(block)) continue;
      node = node.child({ key: this.#keyOf(segment), tokens: segment.tokens });
      segment = { first: "", tokens: 0 };
    }
    // Tokens without a block are the request's own: beyond the maximum that is matched, or never hashed.
    for (left += segment.tokens; left > 0; left -= segmentTokensMax) {
      const own = { first: `own ${number} ${left}`, tokens: Math.min(left, segmentTokensMax) };
      node = node.only({ key: this.#keyOf(own), tokens: own.tokens });
    }
    return node;
  }

  #keyOf({ first, tokens }: { readonly first: string; readonly tokens: number }): number {
    const name = `${first} ${tokens}`;
    const known = this.#keys.get(name);
    if (known !== undefined) return known;
    const key = this.#keys.size + 1;
    this.#keys.set(name, key);
    return key;
  }
}

/** Blocks that are the last of a prompt, which may not be full, or the one before it, or that different blocks follow. */
function segmentEndsOf(requests: readonly RequestLine[]): ReadonlySet<string> {
  const next = new Map<string, string>();
  const ends = new Set<string>();
  for (const { blocks } of requests) {
    const [chain = ""] = blocks ?? [];
    let before = "";
    ends.add(chain.slice(-2 * blockCharacters, -blockCharacters));
    for (let at = 0; at < chain.length; at += blockCharacters) {
      const block = chain.slice(at, at + blockCharacters);
      const known = next.get(before);
      if (known === undefined) next.set(before, block);
      else if (known !== block) ends.add(before);
      before = block;
    }
    ends.add(before);
  }
  return ends;
}
