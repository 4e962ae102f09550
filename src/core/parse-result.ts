import type { Refusal } from "./errors.ts";
import type { InferenceRequest } from "./request.ts";

/**
 * Use of a body for the decision, as far as the headers show it.
 *
 * - `none`: not at all; the decision is made at the headers.
 * - `if-object`: if the body is a JSON object, which its first byte shows.
 * - `if-short`: if the body is within the limit; a longer one passes unread.
 * - `required`: a body beyond the limit is refused.
 */
export type BodyUse = "none" | "if-object" | "if-short" | "required";

/** A whole body, or the reason there is none to read. */
export type SeenBody = Uint8Array | "not_wanted" | "not_shown" | "too_long";

/**
 * The reason the model of a request is unknown, or cannot be changed, though its body may name one.
 *
 * - `encoding`: its content coding is not supported, or the bytes do not decode.
 * - `not_shown`: the proxy's body mode does not show it.
 * - `too_long`: it is longer than may be held, as it came or decoded.
 * - `no_model`: the body names no model, and nothing tells that its API takes one.
 * - `malformed`: it claims to be JSON or a form, and cannot be read as that.
 * - `no_parser`: the configuration has no parser for bodies.
 */
export type UnreadReason = (typeof unreadReasons)[number];

export const unreadReasons = [
  "encoding",
  "not_shown",
  "too_long",
  "no_model",
  "malformed",
  "no_parser",
] as const;

/** A body to send in place of the client's. */
export interface ChangedBody {
  readonly body: Uint8Array;
  /** Headers of the request that were about the body as it came. */
  readonly removedHeaders: readonly string[];
}

/** The result of reading a request: its meaning, or the reason to refuse it. */
export type ParseResult =
  | {
      readonly kind: "parsed";
      readonly request: InferenceRequest;
      /** The body with another model in it; undefined if it has no place for a model. */
      readonly withModel: ((model: string) => ChangedBody) | undefined;
      /** Undefined if the model is known, or the body is of a kind that names none. */
      readonly unread: UnreadReason | undefined;
    }
  | { readonly kind: "refused"; readonly refusal: Refusal };
