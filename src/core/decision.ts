import type { Endpoint } from "./endpoint.ts";
import type { Refusal } from "./errors.ts";
import type { HeaderPair } from "./request.ts";

/** How much of a request's prompts an endpoint was believed to hold when it was picked. */
export interface PrefixHit {
  /** Name of the producer that found it. */
  readonly producer: string;
  /** Blocks held from the first on, by all blocks: 0 to 1. */
  readonly ratio: number;
  readonly tokens: number;
}

/** Where a request goes. */
export interface Decision {
  /** Best first, at least one; the others are fallbacks that a proxy may retry. */
  readonly endpoints: readonly [Endpoint, ...Endpoint[]];
  /** The scheduling profile that chose them. */
  readonly profile: string;
  /** How many endpoints were candidates before filters. */
  readonly candidateCount: number;
  /** Weighted score of the first endpoint; NaN where no scorer ran. */
  readonly score: number;
  /** What the destination header carries: `ip:port`, several with commas between. */
  readonly destination: string;
  /** Headers to set on the request beside it. */
  readonly requestHeaders: readonly HeaderPair[];
  /** What each profile that ran has picked, in the order they ran. */
  readonly chosen: ReadonlyMap<string, readonly [Endpoint, ...Endpoint[]]>;
  /** Endpoints beside the first that will work on the prompt, such as one that prefills it. */
  readonly helpers: readonly Endpoint[];
  /** Of the first endpoint; undefined where nothing looks for prefixes, or there is no prompt. */
  readonly prefixHit: PrefixHit | undefined;
  /** Number of this decision in the decision log. */
  readonly recordId: number | undefined;
}

/** Overload and an empty pool are expected answers, so they are values and not exceptions. */
export type Outcome =
  | {
      readonly kind: "routed";
      readonly decision: Decision;
      /** The body to send in place of the client's; undefined where it stays as it is. */
      readonly body: Uint8Array | undefined;
      /** The model's name will be put back in the answer, which must not be compressed for that. */
      readonly wantsPlainAnswer?: boolean;
      /** Headers of the client to take away, because they do not hold for that body. */
      readonly headersRemoved?: readonly string[];
    }
  | { readonly kind: "refused"; readonly refusal: Refusal };
