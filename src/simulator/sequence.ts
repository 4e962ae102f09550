import type { EngineRequest } from "./engine-contract.ts";
import type { BlockHash } from "./kv-cache.ts";
import type { Waiting } from "./waiting-queues.ts";

/** A request inside the engine model, waiting or running. */
export interface Sequence extends Waiting<Sequence> {
  readonly request: EngineRequest;
  isRunning: boolean;
  /** One hash per full block of prompt and output, as far as the request has them. */
  readonly chain: readonly BlockHash[];
  blocks: number[];
  /** Number of leading blocks that are full and can be hit. */
  publishedBlocks: number;
  /** Computed tokens from which on it needs another block, or another of its blocks is full. */
  growsAtTokens: number;
  computedTokens: number;
  /** Prompt and output so far: tokens to compute before the next one can be generated. */
  contextTokens: number;
  outputTokens: number;
  /** Output tokens below which the next one makes no event; 0 until the first one. */
  quietUntilTokens: number;
  /** Tokens the step under way computes for it; 0 if it has no part in the step. */
  stepTokens: number;
  /** Undefined until it is first admitted. */
  cachedTokens: number | undefined;
  /** Free blocks that its last failed admission lacked, and the first hash of its chain that was not cached. */
  shortage: { readonly freeBlocksMin: number; readonly missing: BlockHash | undefined } | undefined;
}

export function sequenceOf(request: EngineRequest, order: number, blockTokens: number): Sequence {
  return {
    previous: undefined,
    next: undefined,
    request,
    order,
    priority: request.priority ?? 0,
    adapter: request.adapter,
    isRunning: false,
    chain: chainOf(request, blockTokens),
    blocks: [],
    publishedBlocks: 0,
    growsAtTokens: 0,
    computedTokens: 0,
    // At least the token that starts every sequence.
    contextTokens: Math.max(1, request.promptTokens),
    outputTokens: 0,
    quietUntilTokens: 0,
    stepTokens: 0,
    cachedTokens: undefined,
    shortage: undefined,
  };
}

function chainOf(request: EngineRequest, blockTokens: number): readonly BlockHash[] {
  const { promptTokens, promptBlocks, outputBlocks = [] } = request;
  const fullBlocks = Math.floor(promptTokens / blockTokens);
  if (
    promptBlocks.length < fullBlocks ||
    (promptBlocks.length === fullBlocks && outputBlocks.length === 0)
  ) {
    return promptBlocks;
  }
  return [...promptBlocks.slice(0, fullBlocks), ...outputBlocks];
}

/** True if the next step generates a token from the last one alone. */
export function isDecoding({ outputTokens, contextTokens, computedTokens }: Sequence): boolean {
  return outputTokens > 0 && contextTokens - computedTokens === 1;
}

/** Tokens to compute before each of the sequences generates its next token. */
export function prefillTokensOf(sequences: readonly Sequence[]): number {
  let tokens = 0;
  for (const sequence of sequences) {
    if (!isDecoding(sequence)) tokens += sequence.contextTokens - sequence.computedTokens;
  }
  return tokens;
}
