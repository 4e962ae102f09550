import type { ApiDialect, PromptPart } from "../../core/request.ts";
import type { JsonObject } from "./json/json-value.ts";

/** Where a body cannot be understood, and what would have been right there. */
export interface Problem {
  /** From the body's top level, such as `messages[2].content`; never a value of the body. */
  readonly path: string;
  readonly rule: string;
}

/** What one dialect finds in a body, beside what means the same in all. */
type Reading =
  | {
      readonly kind: "read";
      readonly prompts: readonly (readonly PromptPart[])[];
      readonly outputTokensMax: number | undefined;
      /** Where the body tells it exactly; it is estimated from the prompts where it does not. */
      readonly promptTokens?: number;
      /** Where another member than `model` names it. */
      readonly model?: string | undefined;
    }
  | { readonly kind: "unreadable"; readonly problem: Problem };

/** One API whose bodies we understand. */
export interface DialectParser {
  readonly dialect: Exclude<ApiDialect, "json" | "form" | "passthrough">;
  /** Ends of the paths that speak it, in whole segments; the longest match over all dialects wins. */
  readonly pathSuffixes: readonly `/${string}`[];
  /** Plural, for the sentence "… need the name of a model". */
  readonly noun: string;
  /** True if a body without `model` is refused if the configuration uses the models that endpoints serve. */
  readonly needsModel: boolean;
  /**
   * Collects the prompt in the engine's reading order. Refuses only what leaves the prompt
   * unreadable: unknown fields and parts belong to an engine that may know them.
   */
  read(body: JsonObject): Reading;
}

/** The dialects that an operator switches on together. `request-parsers.ts` lists them all. */
export interface RequestParser {
  /** The name configuration files use. */
  readonly type: string;
  /** None where no body is understood: it is for the paths that no other parser knows. */
  readonly dialects: readonly DialectParser[];
}

/** The problem that `inner` is, seen from the value that holds it at `key`. */
export function within(key: string, inner: Problem): Problem {
  const isJoined = inner.path === "" || inner.path.startsWith("[");
  return { path: isJoined ? `${key}${inner.path}` : `${key}.${inner.path}`, rule: inner.rule };
}
