import type { Endpoint } from "./endpoint.ts";
import type { PromptPart } from "./request.ts";

/**
 * Part of a request's prompts that each endpoint is estimated to have cached, by `Endpoint.slot`, in
 * blocks of that endpoint's own size. Valid until the end of the decision that it was made for.
 */
export interface PrefixMatch {
  /** Blocks of all prompts, partial last ones included; 0 without a prompt. */
  totalBlocks(slot: number): number;
  /** Leading blocks the endpoint holds without a gap, over all prompts. */
  matchedBlocks(slot: number): number;
  /** Tokens in a block of this endpoint. */
  blockTokens(slot: number): number;
}

/** Input of a prompt look-up. */
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
