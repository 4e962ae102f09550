import type { InFlightLoad } from "../../src/core/in-flight-load.ts";
import type { PrefixMatch } from "../../src/core/prefix-match.ts";

interface MatchParts {
  /** Blocks of the prompt; the same for every endpoint. */
  readonly totalBlocks: number;
  /** Blocks each endpoint holds, by slot; 0 where left out. */
  readonly matchedBlocks: readonly number[];
  readonly blockTokens?: number;
}

/** What a producer of prefix matches may find. */
export function aPrefixMatch({
  totalBlocks,
  matchedBlocks,
  blockTokens = 64,
}: MatchParts): PrefixMatch {
  return {
    totalBlocks: () => totalBlocks,
    matchedBlocks: (slot) => matchedBlocks[slot] ?? 0,
    blockTokens: () => blockTokens,
  };
}

interface LoadParts {
  /** By slot; 0 where left out. */
  readonly requests?: readonly number[];
  readonly tokens?: readonly number[];
  readonly uncachedTokens?: readonly number[];
}

/** What a producer of in-flight load may find. */
export function anInFlightLoad({
  requests = [],
  tokens = [],
  uncachedTokens = [],
}: LoadParts = {}): InFlightLoad {
  return {
    requests: (slot) => requests[slot] ?? 0,
    tokens: (slot) => tokens[slot] ?? 0,
    uncachedTokens: (slot) => uncachedTokens[slot] ?? 0,
  };
}
