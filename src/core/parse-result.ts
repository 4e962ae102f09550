import type { Refusal } from "./errors.ts";
import type { InferenceRequest } from "./request.ts";

/** What reading a request gave: its meaning, or what is wrong with it. */
export type ParseResult =
  | { readonly kind: "parsed"; readonly request: InferenceRequest }
  | { readonly kind: "refused"; readonly refusal: Refusal };
