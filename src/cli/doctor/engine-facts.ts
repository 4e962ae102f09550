import type {
  EndpointEngine,
  EngineReading,
} from "../../control-plane/signals/scrape/engines/endpoint-engine.ts";
import type { TlsFault } from "../../std/tls-failure.ts";

/** A model or an adapter, as an engine lists it. */
export interface ListedModel {
  readonly id: string;
  /** The base model of an adapter. */
  readonly parent: string | undefined;
  /** Maximum tokens of a prompt and its answer. */
  readonly contextTokensMax: number | undefined;
}

/** The answer to a request for the list of models. `silent`: no answer at all. */
export type ModelsFacts =
  | { readonly kind: "listed"; readonly models: readonly ListedModel[] }
  | { readonly kind: "refused"; readonly reason: string }
  | { readonly kind: "silent"; readonly reason: string; readonly tls?: TlsFault | undefined };

/** The metrics of an engine. `unknown`: a page on which no engine's signal was found. */
export type MetricsFacts =
  | {
      readonly kind: "read";
      readonly engine: string;
      readonly signals: EngineReading["signals"];
      readonly missing: EndpointEngine["missing"];
      /** Undefined if the metrics do not tell. */
      readonly prefixCaching: boolean | undefined;
      /** Growth of its counters of the prefix cache between two reads; undefined if it has none. */
      readonly looked: { readonly lookupTokens: number; readonly hitTokens: number } | undefined;
      /** True if the engine's own series differ between two reads. */
      readonly hasMoved: boolean;
    }
  | { readonly kind: "unknown" | "failed"; readonly url: string; readonly reason: string };

/** The outcome of two equal completions, one after the other. */
export type TrialFacts =
  | { readonly kind: "not-made" }
  | { readonly kind: "failed"; readonly reason: string }
  | {
      readonly kind: "answered";
      /** Of the second answer; undefined if it does not tell. */
      readonly promptTokens: number | undefined;
      readonly cachedTokens: number | undefined;
    };

/** Everything that was seen at one engine. */
export interface EngineFacts {
  readonly endpoint: string;
  readonly models: ModelsFacts;
  readonly metrics: MetricsFacts;
  readonly trial: TrialFacts;
  /** Milliseconds by which its clock is ahead of our own; undefined if its answers have no date. */
  readonly clockAheadMs: number | undefined;
}

export function isAdapter({ parent }: ListedModel): boolean {
  return parent !== undefined;
}
