import type { Endpoint } from "./endpoint.ts";
import type { PromptPart } from "./request.ts";

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

/** What a prompt look-up needs to know. */
export interface PrefixQuery {
  readonly prompts: readonly (readonly PromptPart[])[];
  /** Model or adapter whose cache is meant: prompts of two models share nothing. */
  readonly model: string;
  /** The request's `cache_salt`: engines keep prompts of two salts apart. */
  readonly cacheSalt: string;
  /** Tokens of each prompt that are looked at; 0 for no limit. */
  readonly promptTokensMax: number;
  readonly candidates: readonly Endpoint[];
  readonly blockTokensOf: (slot: number) => number;
}

/** A request's blocks on one endpoint, as long as they may still be taken back. */
export interface AddedBlocks {
  /** The engine never saw the prompt: drops the blocks that this request alone brought. */
  takeBack(): void;
}

/** A match that can be turned into knowledge once the request is sent. */
export interface PrefixLookUp extends PrefixMatch {
  /** The endpoint holds the prompts from now on, up to `capacityBlocks` blocks in all. */
  add(slot: number, capacityBlocks: number): AddedBlocks;
}

/** Which leading blocks of prompts the endpoints hold, learned from what was sent to them. */
export interface PrefixCache {
  lookUp(query: PrefixQuery): PrefixLookUp;
  /** (endpoint, block) pairs held. */
  readonly entryCount: number;
  /** Bytes of memory taken. */
  readonly memoryBytes: number;
}
