import type { ApiDialect, PromptPart } from "../../core/request.ts";
import type { JsonObject } from "./json/json-value.ts";

/** Place in a body that cannot be read, and the rule that it breaks. */
export interface Problem {
  /** Path from the body's top level, such as `messages[2].content`; never a value of the body. */
  readonly path: string;
  readonly rule: string;
}

/** The fields of a body that differ between dialects. */
type Reading =
  | {
      readonly kind: "read";
      readonly prompts: readonly (readonly PromptPart[])[];
      /** Default 0, for an API without messages. */
      readonly openingParts?: number;
      readonly outputTokensMax: number | undefined;
      /** Set if the body has the exact number; otherwise it is estimated from the prompts. */
      readonly promptTokens?: number;
      /** Set if a member other than `model` names the model. */
      readonly model?: string | undefined;
    }
  | { readonly kind: "unreadable"; readonly problem: Problem };

/** One API whose bodies are read. */
export interface DialectParser {
  readonly dialect: Exclude<ApiDialect, "json" | "form" | "passthrough">;
  /** Suffixes of its paths in whole segments; the longest match over all dialects wins. */
  readonly pathSuffixes: readonly `/${string}`[];
  /** Plural, for the sentence "… need the name of a model". */
  readonly noun: string;
  /** True if a body needs `model`. A body without it is refused if the configuration refuses unknown models. */
  readonly needsModel: boolean;
  /**
   * Collects the prompt in the engine's reading order. Refuses a body only if the prompt cannot be read: the engine may
   * know fields and parts that are unknown here.
   */
  read(body: JsonObject): Reading;
}

/** Dialects that an operator switches on together. `request-parsers.ts` lists all parsers. */
export interface RequestParser {
  /** Its name in configuration files. */
  readonly type: string;
  /** Empty for a parser that reads no bodies. */
  readonly dialects: readonly DialectParser[];
}

/** The problem `inner` with its path relative to the value that has it at `key`. */
export function within(key: string, inner: Problem): Problem {
  const isJoined = inner.path === "" || inner.path.startsWith("[");
  return { path: isJoined ? `${key}${inner.path}` : `${key}.${inner.path}`, rule: inner.rule };
}
