/**
 * How much of a request's prompts each endpoint is believed to hold, by `Endpoint.slot`, in blocks of
 * that endpoint's own size. Holds until the decision it was made for is over.
 */
export interface PrefixMatch {
  /** Blocks of all prompts, partial last ones included; 0 where there is no prompt. */
  totalBlocks(slot: number): number;
  /** Leading blocks the endpoint holds without a gap, over all prompts. */
  matchedBlocks(slot: number): number;
  /** Tokens in a block of this endpoint. */
  blockTokens(slot: number): number;
}
