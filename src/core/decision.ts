import type { Endpoint } from "./endpoint.ts";
import type { Refusal } from "./errors.ts";

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
}

/** Overload and an empty pool are expected answers, so they are values and not exceptions. */
export type Outcome =
  | { readonly kind: "routed"; readonly decision: Decision }
  | { readonly kind: "refused"; readonly refusal: Refusal };
