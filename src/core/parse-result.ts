import type { BytePieces } from "../std/byte-pieces.ts";
import type { Refusal } from "./errors.ts";
import type { InferenceRequest } from "./request.ts";

/**
 * Use of a body for the decision, as far as the headers tell.
 *
 * - `none`: not used; the decision is made at the headers.
 * - `if-object`: used if the body is a JSON object, which its first byte shows.
 * - `if-short`: used if the body is within the limit; a longer one passes unread.
 * - `required`: a body beyond the limit is refused.
 */
export type BodyUse = "none" | "if-object" | "if-short" | "required";

/** The part of a configuration that tells how bodies are used. */
export interface BodyRules {
  /** Types of the parsers in use. */
  readonly parsers: readonly string[];
  /** True if a rule or plugin uses the models of all requests. */
  readonly usesModel: boolean;
}

/** A whole body, in one or in the pieces in which it came, or the reason that it cannot be read. */
export type SeenBody = Uint8Array | BytePieces | "not_wanted" | "not_shown" | "too_long";

/**
 * The reason that the model of a request is unknown, or cannot be changed, although its body may name one.
 *
 * - `encoding`: its content coding is not supported, or the bytes do not decode.
 * - `not_shown`: the proxy's body mode does not show it.
 * - `too_long`: it is longer than the limit, as received or decoded.
 * - `no_model`: the body names no model, and it is unknown whether its API takes one.
 * - `malformed`: it claims to be JSON or a form, but cannot be read as such.
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
  /** Headers of the request that describe the original body. */
  readonly removedHeaders: readonly string[];
}

/** Fields to add to the JSON object of a body, by name. */
export type BodyFields = ReadonlyMap<string, number>;

/** The result of reading a request: its meaning, or the reason to refuse it. */
export type ParseResult =
  | {
      readonly kind: "parsed";
      readonly request: InferenceRequest;
      /** Makes a body with another model; undefined if the body has no place for a model. */
      readonly withModel: ((model: string) => ChangedBody) | undefined;
      /**
       * Adds fields to the body, or to `changed` if it is given; a field that is there already stays. Absent if the body is
       * no JSON object of an API that generates from a prompt.
       */
      readonly withFields?: (fields: BodyFields, changed?: ChangedBody) => ChangedBody;
      /** Undefined if the model is known, or bodies of this kind name none. */
      readonly unread: UnreadReason | undefined;
    }
  | { readonly kind: "refused"; readonly refusal: Refusal };
