import type { PromptPart } from "../../core/request.ts";
import { bytesPerToken } from "../../core/token-estimate.ts";

/** Characters that begin a segment's text and distinguish it. */
const markCharacters = 16;
/** The text after the mark: every segment's is a slice of it, so that it costs no memory. */
const filler = "lorem ipsum dolor sit amet ".repeat(40_000);

/** Tokens of one segment, which the filler bounds. */
export const segmentTokensMax = Math.floor(filler.length / bytesPerToken);

/**
 * The prompts of a plan as a tree: a prompt is the path from the root to a node, and each node adds a segment of text.
 * Two prompts share their beginning as far as they share nodes, so an engine's block hashes are numbers of the tree and
 * nothing has to be hashed.
 */
export class PromptTree {
  readonly blockTokens: number;
  /** Numbers of the blocks that have been given out. */
  blocks = 0;
  /** The blocks that a node was asked for last. */
  lastBlocks: { readonly node: PromptNode; readonly blocks: readonly number[] } | undefined;

  constructor(blockTokens: number) {
    this.blockTokens = blockTokens;
  }

  /** A beginning that shares no block with another. */
  root(): PromptNode {
    return new PromptNode(this, undefined, { key: 0, tokens: 0 });
  }
}

interface Segment {
  /** Distinguishes the segment from others after the same prompt. */
  readonly key: number;
  readonly tokens: number;
}

export class PromptNode {
  readonly parent: PromptNode | undefined;
  readonly tokens: number;
  /** Number of `parts`. */
  readonly partCount: number;
  readonly #tree: PromptTree;
  readonly #key: number;
  readonly #segmentTokens: number;
  readonly #firstBlock: number;
  readonly #blocks: number;
  readonly #children = new Map<number, PromptNode>();
  #parts: readonly PromptPart[] | undefined;

  constructor(tree: PromptTree, parent: PromptNode | undefined, { key, tokens }: Segment) {
    this.#tree = tree;
    this.parent = parent;
    this.#key = key;
    this.#segmentTokens = tokens;
    this.tokens = (parent?.tokens ?? 0) + tokens;
    this.partCount = (parent?.partCount ?? 0) + partCountOf(tokens);
    this.#firstBlock = tree.blocks;
    this.#blocks = this.#blocksAt(this.tokens) - this.#blocksAt(parent?.tokens ?? 0);
    tree.blocks += this.#blocks;
  }

  /** Tokens of the blocks that `blocks` numbers. */
  get blockTokens(): number {
    return this.#tree.blockTokens;
  }

  /** This prompt with a segment more; the same node for the same key, whose tokens must be the same. */
  child(segment: Segment): PromptNode {
    const known = this.#children.get(segment.key);
    if (known !== undefined) return known;
    const child = this.only(segment);
    this.#children.set(segment.key, child);
    return child;
  }

  /** This prompt with a segment that no other prompt has. */
  only(segment: Segment): PromptNode {
    return new PromptNode(this.#tree, this, segment);
  }

  /** The full blocks that end in this segment. */
  ownBlocks(): number[] {
    return Array.from({ length: this.#blocks }, (_, index) => this.#firstBlock + index);
  }

  /** The full blocks of the whole prompt, as hashes for an engine. */
  blocks(): readonly number[] {
    // One decision asks for the same prompt once for each engine.
    const known = this.#tree.lastBlocks;
    if (known?.node === this) return known.blocks;
    const all: number[] = [];
    for (const node of this.#path()) {
      for (let index = 0; index < node.#blocks; index += 1) all.push(node.#firstBlock + index);
    }
    this.#tree.lastBlocks = { node: this, blocks: all };
    return all;
  }

  /** The text of the whole prompt, four bytes a token, as the picker's parser hands it on. */
  parts(): PromptPart[] {
    const all: PromptPart[] = [];
    for (const node of this.#path()) {
      node.#parts ??= partsOf(node.#key, node.#segmentTokens);
      for (const part of node.#parts) all.push(part);
    }
    return all;
  }

  /** A number for the first `tokens` of the prompt: prompts that agree so far have the same. */
  beginningKey(tokens: number): number {
    let left = tokens;
    let hash = 0x811c9dc5;
    for (const node of this.#path()) {
      const ofNode = node.#segmentTokens;
      if (left <= 0) break;
      if (ofNode === 0) continue;
      hash = mixed(mixed(hash, node.#key), Math.min(left, ofNode));
      left -= ofNode;
    }
    return hash;
  }

  /** The nodes from the root to this one. */
  #path(path: PromptNode[] = []): readonly PromptNode[] {
    if (this.parent !== undefined) this.parent.#path(path);
    path.push(this);
    return path;
  }

  #blocksAt(tokens: number): number {
    return Math.floor(tokens / this.#tree.blockTokens);
  }
}

function partCountOf(tokens: number): number {
  if (tokens === 0) return 0;
  return tokens * bytesPerToken <= markCharacters ? 1 : 2;
}

function partsOf(key: number, tokens: number): readonly PromptPart[] {
  if (tokens === 0) return [];
  const characters = tokens * bytesPerToken;
  const mark = { kind: "text", text: markOf(key).slice(0, characters) } as const;
  if (characters <= markCharacters) return [mark];
  return [mark, { kind: "text", text: filler.slice(0, characters - markCharacters) }];
}

/** Sixteen characters of which already the first four differ from key to key. */
function markOf(key: number): string {
  // Multiplicative hashes, so that neighbours differ everywhere.
  const high = Math.imul(key + 1, 0x9e3779b1) >>> 0;
  const low = Math.imul(key ^ 0x5bd1e995, 0x85ebca6b) >>> 0;
  const digits = `${high.toString(36)}${low.toString(36)}${key.toString(36)}`;
  return digits.padEnd(markCharacters, "-").slice(0, markCharacters);
}

/** One round of a 32-bit hash. */
export function mixed(hash: number, word: number): number {
  let value = Math.imul(hash ^ word, 0x9e3779b1);
  value ^= value >>> 15;
  value = Math.imul(value, 0x85ebca6b);
  return (value ^ (value >>> 13)) >>> 0;
}
