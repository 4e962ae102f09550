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
}
