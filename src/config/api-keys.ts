import { createHash } from "node:crypto";
import { z } from "zod";
import type { ApiKey } from "../core/api-key.ts";
import { parseYaml } from "./yaml-text.ts";

export type ParsedKeys =
  | { readonly kind: "parsed"; readonly keys: readonly ApiKey[] }
  /** Each with its place; none quotes the file, which holds secrets. */
  | { readonly kind: "invalid"; readonly mistakes: readonly string[] };

/** Keys of one file. */
const keysMax = 10_000;

/** Shorter keys could be guessed from their hashes. */
const keyCharactersMin = 16;
const keyCharactersMax = 1_024;

const digestPrefix = "sha256:";
const digestText = /^sha256:[0-9a-f]{64}$/iu;
/** Characters of keys: those that a header may have, without spaces. */
const keyText = /^[\x21-\x7e]+$/u;
const nameText = /^[A-Za-z0-9][A-Za-z0-9._@/-]{0,63}$/u;

/** Digits of a digest that name a key without a name. */
const shownDigits = 8;

const limit = z.int().min(1).max(1e12).optional();
const oneKey = z.strictObject({
  name: z.string().optional(),
  key: z.union([z.string(), z.array(z.string()).min(1)]),
  models: z.array(z.string().min(1)).optional(),
  requestsPerMinute: limit,
  tokensPerMinute: limit,
});
const keysDocument = z.strictObject({ keys: z.array(oneKey) });

type Found = z.infer<typeof oneKey> & { readonly place: string };

/**
 * Reads a file of API keys: YAML with a list `keys`, or one key a line, `NAME KEY` or `KEY`. A key is the text itself or
 * `sha256:` and its hash.
 */
export function parseApiKeys(text: string): ParsedKeys {
  const found = isDocument(text) ? keysInDocument(text) : keysInLines(text);
  if (!Array.isArray(found)) return found;
  if (found.length > keysMax) return invalid([`there are more than ${keysMax} keys`]);
  const mistakes: string[] = [];
  const keys = found.map((each) => apiKeyOf(each, mistakes));
  const names = new Set<string>();
  const digests = new Set<string>();
  for (const [index, key] of keys.entries()) {
    // A name may be a key that was written in its place, so it is not shown.
    const place = found[index]?.place;
    if (names.has(key.name)) mistakes.push(`${place}: another key has the same name`);
    if (key.digests.some((digest) => digests.has(digest))) {
      mistakes.push(`${place}: the key is there twice`);
    }
    names.add(key.name);
    for (const digest of key.digests) digests.add(digest);
  }
  return mistakes.length > 0 ? invalid(mistakes) : { kind: "parsed", keys };
}

/** True for a document, which begins with its list, and never for lines of keys. */
function isDocument(text: string): boolean {
  return /^(?:\s*(?:#.*|---)?\n)*(?:keys\s*:|\s*\{)/u.test(text.replace(/^\uFEFF/u, ""));
}

function keysInDocument(text: string): Found[] | Extract<ParsedKeys, { kind: "invalid" }> {
  const parsed = parseYaml(text);
  // Messages of the parser may quote the text, and with it a key.
  if (parsed.kind === "invalid") return invalid(parsed.mistakes.map(placeOf));
  const result = keysDocument.safeParse(parsed.value);
  if (result.success)
    return result.data.keys.map((key, index) => ({ ...key, place: `keys[${index}]` }));
  return invalid(
    result.error.issues.map(({ path, code, ...issue }) => {
      const place = path.map((step) =>
        typeof step === "number" ? `[${step}]` : `.${String(step)}`,
      );
      const unknown = code === "unrecognized_keys" ? `: ${unknownOf(issue)}` : "";
      return `${place.join("").replace(/^\./u, "")}: ${code.replaceAll("_", " ")}${unknown}`;
    }),
  );
}

/** Names that could be keys by their length or characters are not shown. */
function unknownOf(issue: object): string {
  const names = "keys" in issue && Array.isArray(issue.keys) ? issue.keys.map(String) : [];
  return names
    .map((name) => (name.length < keyCharactersMin && /^[A-Za-z_]+$/u.test(name) ? name : "..."))
    .join(", ");
}

/** The line of a mistake, without what follows. */
function placeOf(mistake: string): string {
  const place = /^line \d+, column \d+/u.exec(mistake)?.[0];
  return place === undefined ? "the file is not valid YAML" : `${place}: not valid YAML`;
}

function keysInLines(text: string): Found[] | Extract<ParsedKeys, { kind: "invalid" }> {
  const lines = text.replace(/^\uFEFF/u, "").split(/\r?\n/u);
  const found: Found[] = [];
  for (const [index, line] of lines.entries()) {
    const place = `line ${index + 1}`;
    const words = line.trim().split(/\s+/u);
    if (words[0] === "" || words[0]?.startsWith("#") === true) continue;
    const [first = "", second] = words;
    if (words.length > 2) return invalid([`${place}: want a key, or a name and a key`]);
    found.push(second === undefined ? { key: first, place } : { name: first, key: second, place });
  }
  return found.length === 0 ? invalid(["there are no keys"]) : found;
}

function apiKeyOf({ place, name, key, ...rest }: Found, mistakes: string[]): ApiKey {
  const keys = typeof key === "string" ? [key] : key;
  for (const each of keys) {
    const mistake = mistakeIn(each);
    if (mistake !== undefined) mistakes.push(`${place}: ${mistake}`);
  }
  if (name !== undefined && !nameText.test(name)) {
    mistakes.push(`${place}: a name has 1 to 64 letters, digits and . _ @ / -`);
  }
  const digests = keys.map(digestOf);
  return {
    name: name ?? `key-${digests[0]?.slice(0, shownDigits)}`,
    digests,
    models: rest.models,
    requestsPerMinute: rest.requestsPerMinute,
    tokensPerMinute: rest.tokensPerMinute,
  };
}

function mistakeIn(key: string): string | undefined {
  if (key.toLowerCase().startsWith(digestPrefix)) {
    return digestText.test(key) ? undefined : "want 64 hexadecimal digits after sha256:";
  }
  if (!keyText.test(key)) return "a key has visible ASCII characters and no spaces";
  if (key.length < keyCharactersMin) return `a key has ${keyCharactersMin} characters or more`;
  return key.length > keyCharactersMax
    ? `a key has at most ${keyCharactersMax} characters`
    : undefined;
}

function digestOf(key: string): string {
  if (digestText.test(key)) return key.slice(digestPrefix.length).toLowerCase();
  return createHash("sha256").update(key).digest("hex");
}

function invalid(mistakes: readonly string[]): Extract<ParsedKeys, { kind: "invalid" }> {
  return { kind: "invalid", mistakes };
}
