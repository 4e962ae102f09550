import { z } from "zod";
import { closestTo } from "../std/spelling.ts";

/** The part of an issue that a message needs; zod's issues have it. */
interface Issue {
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly code?: string | undefined;
  readonly keys?: readonly string[] | undefined;
}

/** One line for an issue: its path, the error and, for an unknown field, a suggestion. */
export function mistakesOf(issue: Issue, schema: unknown, prefix = ""): string[] {
  const path = `${prefix}${pathText(issue.path)}`.replace(/^\./, "");
  if (issue.code !== "unrecognized_keys" || issue.keys === undefined) {
    const message = sentenceOf(issue);
    return [path === "" ? message : `${path}: ${message}`];
  }
  const known = fieldsAt(schema, issue.path);
  return issue.keys.map((key) => {
    const full = path === "" ? key : `${path}.${key}`;
    return `${full}: there is no such field${hintFor(key, known)}`;
  });
}

/** `; did you mean x?` if one of the known words is close. */
export function hintFor(word: string, known: Iterable<string>): string {
  const suggestion = closestTo(word, [...known]);
  return suggestion === undefined ? "" : `; did you mean ${suggestion}?`;
}

/** `.plugins[2].weight` */
export function pathText(path: readonly PropertyKey[]): string {
  return path.map((key) => (typeof key === "number" ? `[${key}]` : `.${String(key)}`)).join("");
}

/** Zod's message in fewer words. Only its text tells a missing value from one of the wrong type. */
function sentenceOf({ code, message }: Issue): string {
  if (code === "invalid_type" && message.endsWith("received undefined")) return "it is missing";
  return message
    .replace(/^Invalid (?:input|option): /, "")
    .replace(/^Too (?:small|big): expected \w+ to /, "must ");
}

/**
 * Names of the fields that an object at `path` may have, according to the schema that refused it.
 */
function fieldsAt(schema: unknown, path: readonly PropertyKey[]): readonly string[] {
  let at = unwrapped(schema);
  for (const key of path) {
    if (at instanceof z.ZodObject) at = unwrapped(at.shape[String(key)]);
    else if (at instanceof z.ZodArray) at = unwrapped(at.element);
    else return [];
  }
  return at instanceof z.ZodObject ? Object.keys(at.shape) : [];
}

/** The schema inside optional, nullable, defaulted and transformed ones. */
function unwrapped(schema: unknown): unknown {
  let at = schema;
  for (;;) {
    if (
      at instanceof z.ZodOptional ||
      at instanceof z.ZodNullable ||
      at instanceof z.ZodDefault ||
      at instanceof z.ZodPrefault
    ) {
      at = at.unwrap();
    } else if (at instanceof z.ZodPipe) at = at.in;
    else return at;
  }
}
