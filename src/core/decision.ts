import type { Endpoint } from "./endpoint.ts";
import type { Refusal } from "./errors.ts";
import type { HeaderPair } from "./request.ts";

/** Part of a request's prompts that an endpoint was estimated to have cached when it was picked. */
export interface PrefixHit {
  /** Name of the producer that found it. */
  readonly producer: string;
  /** Share of the prompt's blocks that are cached without a gap from the first on, 0 to 1. */
  readonly ratio: number;
  readonly tokens: number;
}

/** Latency that was predicted for the endpoint that was picked. */
export interface PickLatency {
  /** Name of the producer that predicted it. */
  readonly producer: string;
  /** From the decision to the first token. */
  readonly ttftMs: number;
  /** Per further token. */
  readonly tpotMs: number;
}

/** An endpoint that a request may be sent to, with its address and headers. */
export interface Target {
  readonly endpoint: Endpoint;
  /** `ip:port` to connect to: the endpoint's own, or one port for all data-parallel ranks. */
  readonly hostPort: string;
  /** Headers to set on the request if it goes there. */
  readonly requestHeaders: readonly HeaderPair[];
}

/** The choice of endpoints for a request. */
export interface Decision {
  /** Best first, at least one; the others are fallbacks for a retry by the proxy. */
  readonly targets: readonly [Target, ...Target[]];
  /** The scheduling profile that chose the targets. */
  readonly profile: string;
  /** Number of candidates before filters. */
  readonly candidateCount: number;
  /** Weighted score of the first target; NaN if no scorer ran. */
  readonly score: number;
  /** The picks of each profile, in the order in which the profiles ran. */
  readonly chosen: ReadonlyMap<string, readonly [Endpoint, ...Endpoint[]]>;
  /** Endpoints besides the first target that work on the prompt, such as one that prefills it. */
  readonly helpers: readonly Endpoint[];
  /** Prefix hit of the first target; undefined if no producer looks for prefixes, or the request has no prompt. */
  readonly prefixHit: PrefixHit | undefined;
  /** Predicted latency of the first target; undefined if no producer predicts any. */
  readonly latency: PickLatency | undefined;
  /** Time that the prediction for all candidates took; undefined if there is none, or it was not measured. */
  readonly predictedInMs: number | undefined;
  /** Number of this decision in the decision log. */
  readonly recordId: number | undefined;
  /** `shadow` if the shadow document made it, in a rollout; undefined if the document in force did. */
  readonly madeBy?: "shadow" | undefined;
}

/** Changes to the head of a request. */
export interface HeaderChange {
  readonly set: readonly HeaderPair[];
  /**
   * Names of headers of the client to remove, in lower case: they describe the original body, or no client may set
   * them.
   */
  readonly removed: readonly string[];
}

/**
 * The result of a decision about a request. Overload and an empty pool are expected, so they are values and not
 * exceptions. `gone`: the request ended while it waited for admission.
 */
export type Outcome =
  | {
      readonly kind: "routed";
      readonly decision: Decision;
      /** The body to send in place of the client's; undefined if the client's is sent. */
      readonly body: Uint8Array | undefined;
      /**
       * One for each of the decision's targets, in their order. An ingress has to apply all changes of the target that
       * it sends to.
       */
      readonly headers: readonly [HeaderChange, ...HeaderChange[]];
    }
  | {
      readonly kind: "refused";
      readonly refusal: Refusal;
      /** True if no endpoint could take the request, so that it may wait for one. */
      readonly isUnplaced?: boolean;
    }
  | { readonly kind: "gone" };

export type RoutedOutcome = Extract<Outcome, { readonly kind: "routed" }>;
