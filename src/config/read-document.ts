import { hash } from "node:crypto";
import type { z } from "zod";
import {
  apiVersions,
  ownApiVersion,
  ownSections,
  type PluginEntry,
  pluginEntry,
  type ProfileEntry,
  profileEntry,
  type Sections,
  sections,
} from "./document.ts";
import { hintFor, mistakesOf } from "./mistakes.ts";
import { parseYaml } from "./yaml-text.ts";

/** An entry of a list, with its place there. */
export interface Placed<T> {
  readonly index: number;
  readonly entry: T;
}

/** A text that was read and parsed. Parts with mistakes are left out; `mistakes` names them. */
export interface Document {
  readonly text: string;
  /** SHA-256 of the text, in hex. */
  readonly hash: string;
  readonly apiVersion: string;
  readonly plugins: readonly Placed<PluginEntry>[];
  /** Undefined if the document has none. */
  readonly profiles: readonly Placed<ProfileEntry>[] | undefined;
  readonly sections: Sections;
  readonly mistakes: readonly string[];
}

export type ReadResult =
  | { readonly kind: "read"; readonly document: Document }
  /** The text is not YAML, so nothing of it could be read. */
  | { readonly kind: "invalid"; readonly mistakes: readonly string[] };

/** Sections whose entries are read one by one, so that one mistake does not hide the others. */
const listSections: ReadonlySet<string> = new Set(["plugins", "schedulingProfiles"]);

/** SHA-256 of a text, in hex; identifies a document. */
export function hashOf(text: string): string {
  return hash("sha256", text);
}

/**
 * Reads a document part by part: a mistake in one part does not stop the checks of the others, so
 * that an operator sees all of them at once. Never throws because of the text.
 */
export function readDocument(text: string): ReadResult {
  const parsed = parseYaml(text);
  if (parsed.kind === "invalid") return parsed;
  return { kind: "read", document: { text, hash: hashOf(text), ...partsOf(parsed.value) } };
}

function partsOf(value: unknown): Omit<Document, "text" | "hash"> {
  const mistakes: string[] = [];
  const document = isRecord(value) ? value : {};
  if (!isRecord(value)) mistakes.push("the document must be an object");
  else readIdentity(document, mistakes);

  const read: Record<string, unknown> = {};
  for (const [key, section] of Object.entries(document)) {
    if (key === "apiVersion" || key === "kind" || listSections.has(key)) continue;
    const schema = schemaOf(key, { document, mistakes });
    if (schema !== undefined) read[key] = readPart(schema, section, { path: key, mistakes });
  }
  return {
    apiVersion: textOf(document["apiVersion"]),
    plugins: readList("plugins", pluginEntry, { document, mistakes }) ?? [],
    profiles: readList("schedulingProfiles", profileEntry, { document, mistakes }),
    sections: read,
    mistakes,
  };
}

interface Reading {
  readonly document: Readonly<Record<string, unknown>>;
  readonly mistakes: string[];
}

function readIdentity(document: Readonly<Record<string, unknown>>, mistakes: string[]): void {
  const { apiVersion, kind } = document;
  if (!apiVersions.some((known) => known === apiVersion)) {
    const got = apiVersion === undefined ? "it is missing" : `not ${JSON.stringify(apiVersion)}`;
    mistakes.push(`apiVersion: want ${apiVersions.join(" or ")}, ${got}`);
  }
  if (kind !== "EndpointPickerConfig") {
    const got = kind === undefined ? "it is missing" : `not ${JSON.stringify(kind)}`;
    mistakes.push(`kind: want EndpointPickerConfig, ${got}`);
  }
}

/**
 * The schema of a section; undefined, with a mistake, if this document may not have that section.
 */
function schemaOf(key: string, { document, mistakes }: Reading): z.ZodType | undefined {
  if (Object.hasOwn(sections, key))
    return new Map<string, z.ZodType>(Object.entries(sections)).get(key);
  if (!Object.hasOwn(ownSections, key)) {
    const known = [...Object.keys(sections), ...Object.keys(ownSections), "apiVersion", "kind"];
    mistakes.push(`${key}: there is no such field${hintFor(key, known)}`);
    return undefined;
  }
  if (document["apiVersion"] !== ownApiVersion) {
    mistakes.push(`${key}: only documents of apiVersion ${ownApiVersion} may have it`);
    return undefined;
  }
  return new Map<string, z.ZodType>(Object.entries(ownSections)).get(key);
}

function readList<T>(
  section: string,
  schema: z.ZodType<T>,
  { document, mistakes }: Reading,
): Placed<T>[] | undefined {
  const list = document[section];
  if (list === undefined || list === null) return undefined;
  if (!Array.isArray(list)) {
    mistakes.push(`${section}: must be a list`);
    return undefined;
  }
  return list.flatMap((value: unknown, index) => {
    const entry = readPart(schema, value, { path: `${section}[${index}]`, mistakes });
    return entry === undefined ? [] : [{ index, entry }];
  });
}

/** Reads one part. Fields with mistakes are left out; undefined if nothing else is left. */
function readPart<T>(
  schema: z.ZodType<T>,
  value: unknown,
  { path, mistakes }: { readonly path: string; readonly mistakes: string[] },
): T | undefined {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  for (const issue of parsed.error.issues) mistakes.push(...mistakesOf(issue, schema, path));
  const pruned: unknown = structuredClone(value);
  for (const { path: at, code, ...issue } of parsed.error.issues) {
    const keys = code === "unrecognized_keys" && "keys" in issue ? issue.keys : undefined;
    if (keys === undefined) prune(pruned, at);
    else for (const key of keys) prune(pruned, [...at, key]);
  }
  const rest = schema.safeParse(pruned);
  return rest.success ? rest.data : undefined;
}

/**
 * Deletes the field at `path`, but never an entry of a list, since that would move the entries
 * after it.
 */
function prune(value: unknown, path: readonly PropertyKey[]): void {
  let at = value;
  for (const key of path.slice(0, -1)) {
    at = isRecord(at) || Array.isArray(at) ? Reflect.get(at, key) : undefined;
  }
  const last = path.at(-1);
  if (last !== undefined && isRecord(at)) Reflect.deleteProperty(at, last);
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
