/**
 * The leading blocks of a prompt that at least one endpoint holds, evenly sampled: parallel columns, from the start of
 * the prompt on. Valid as long as the match that they are from.
 */
export interface HeldBlocks {
  /** Samples; the columns may be longer. */
  readonly count: number;
  /** Number of the block in the prompt, from 0. */
  readonly positions: Uint32Array;
  /** Endpoints that hold it. */
  readonly holders: Uint32Array;
  /** Prompts with this block per second, over the last minute. */
  readonly usesPerSecond: Float64Array;
  /** Blocks that each sample stands for. */
  readonly blocksEach: number;
}

/** Numbers of a match by `Endpoint.slot`, for loops over many endpoints. */
export interface MatchColumns {
  readonly matchedBlocks: Uint32Array;
  readonly blockTokens: Float64Array;
}

/** The blocks of a request's prompts. It stays valid; nothing may change it. */
export interface PromptBlocks {
  readonly blockTokens: number;
  /** Blocks over all prompts, partial last ones included. */
  readonly totalBlocks: number;
  /**
   * One chain for each prompt: two words per block, the low half of its hash first. The hash of a block depends on the
   * model, the salt and all blocks before it, so that equal hashes mean equal prefixes.
   */
  readonly chains: readonly Uint32Array[];
}

/**
 * Part of a request's prompts that each endpoint is estimated to have cached, by `Endpoint.slot`, in
 * blocks of that endpoint's own size. Valid until the end of the decision that it was made for.
 */
export interface PrefixMatch {
  /** Blocks of all prompts, partial last ones included; 0 without a prompt. */
  totalBlocks(slot: number): number;
  /** Leading blocks that the endpoint has cached without a gap, over all prompts. */
  matchedBlocks(slot: number): number;
  /** Tokens per block of this endpoint. */
  blockTokens(slot: number): number;
  /** The two above in columns, if the producer keeps them so; see `matchColumnsOf`. */
  readonly columns?: MatchColumns;
  /** The prompts in blocks of this endpoint's size; undefined if there are none, or the producer does not hash them. */
  promptBlocks?(slot: number): PromptBlocks | undefined;
  /** Blocks held by endpoints with this one's block size; undefined if none, or unknown. */
  heldBlocks?(slot: number): HeldBlocks | undefined;
  /**
   * Milliseconds since the last use of the block that the endpoint evicts next; undefined if its cache has room, or is
   * unknown.
   */
  evictionAgeMs?(slot: number): number | undefined;
  /** The same in a column by slot, -1 in place of undefined; undefined if it is in no column. */
  evictionAges?(): Float64Array | undefined;
}
