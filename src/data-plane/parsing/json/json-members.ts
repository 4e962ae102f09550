import {
  afterSpace,
  closeObjectByte,
  colonByte,
  commaByte,
  escapeBytesMax,
  openObjectByte,
  parsedJson,
  quoteByte,
} from "../../../std/json-bytes.ts";
import { endOfString, endOfValue, isEscaped, openAt } from "./json-scan.ts";

/** One member of a JSON object; positions are byte offsets, ends exclusive. */
export interface JsonMember {
  readonly name: string;
  readonly valueStart: number;
  readonly valueEnd: number;
}

export interface JsonMembers {
  /** The requested members in the order of the text, including repetitions of a name. */
  readonly members: readonly JsonMember[];
  /** Offset after the opening brace of the object. */
  readonly start: number;
  readonly isEmpty: boolean;
}

/** Offsets of the opening quotes of all matching keys without escapes, at any depth. */
type Keys = readonly number[];

/**
 * Finds the members with one of `names` at the top level of a text that `JSON.parse` reads as an object, from `from`
 * on. For any other text, the result is undefined if the mistake is noticed, and arbitrary otherwise.
 *
 * A name in quotes with a colon after it is always a key, because quotes within a string are escaped. A native search
 * finds these keys, so the scan can stop after the last of them. If there is only one, the scan runs from the nearer
 * end of the text.
 */
export function jsonMembersIn(
  text: Buffer,
  from: number,
  names: readonly string[],
): JsonMembers | undefined {
  const open = afterSpace(text, from);
  if (text[open] !== openObjectByte) return undefined;
  const start = open + 1;
  const isEmpty = text[afterSpace(text, start)] === closeObjectByte;
  if (isEmpty) return { members: [], start, isEmpty };
  const keys = names.some((name) => mayBeEscaped(text, name))
    ? undefined
    : names.flatMap((name) => keysIn(text, name)).toSorted((a, b) => a - b);
  const members = membersAt(text, start, { names, keys });
  return members && { members, start, isEmpty };
}

function membersAt(
  text: Buffer,
  start: number,
  { names, keys }: { names: readonly string[]; keys: Keys | undefined },
): readonly JsonMember[] | undefined {
  const last = keys?.at(-1);
  if (keys !== undefined && last === undefined) return [];
  if (keys?.length === 1 && last !== undefined && last - start > text.byteLength - last) {
    return openAt(text, last) === 1
      ? [memberAt(text, last, names)].flatMap((each) => each ?? [])
      : [];
  }
  return scannedMembers(text, start, { names, until: last ?? text.byteLength });
}

/** Reads the members one by one, from `start` until the end or until one ends after `until`. */
function scannedMembers(
  text: Buffer,
  start: number,
  { names, until }: { names: readonly string[]; until: number },
): readonly JsonMember[] | undefined {
  const members: JsonMember[] = [];
  let at = afterSpace(text, start);
  while (at <= until) {
    if (text[at] !== quoteByte) return undefined;
    const valueStart = valueAfterKey(text, at);
    if (valueStart === undefined) return undefined;
    const name = nameAt(text, at, names);
    // A requested member needs its exact end even if it is the last one of interest.
    const valueEnd = endOfValue(text, valueStart, name === undefined ? until : text.byteLength);
    if (name !== undefined) members.push({ name, valueStart, valueEnd });
    const next = afterSpace(text, valueEnd);
    if (text[next] === closeObjectByte || valueEnd > until) return members;
    if (text[next] !== commaByte) return undefined;
    at = afterSpace(text, next + 1);
  }
  return members;
}

function memberAt(text: Buffer, key: number, names: readonly string[]): JsonMember | undefined {
  const name = nameAt(text, key, names);
  const valueStart = valueAfterKey(text, key);
  if (name === undefined || valueStart === undefined) return undefined;
  return { name, valueStart, valueEnd: endOfValue(text, valueStart, text.byteLength) };
}

function valueAfterKey(text: Buffer, key: number): number | undefined {
  const colon = afterSpace(text, endOfString(text, key));
  return text[colon] === colonByte ? afterSpace(text, colon + 1) : undefined;
}

/** The one of `names` that the key at `key` equals, with any escapes; undefined if none. */
function nameAt(text: Buffer, key: number, names: readonly string[]): string | undefined {
  const end = endOfString(text, key);
  return names.find((name) => {
    if (end - key > 2 + name.length * escapeBytesMax) return false;
    const json = text.toString("utf8", key, end);
    return json.includes("\\") ? parsedJson(json) === name : json === `"${name}"`;
  });
}

/**
 * True if the text may have a letter of `name` as a `\u00..` escape. The needle omits the backslash, because the search
 * looks for its first byte, and a prompt may have many backslashes.
 */
function mayBeEscaped(text: Buffer, name: string): boolean {
  const numbers = new Set(Array.from(Buffer.from(name), (byte) => `u00${byte >> 4}`));
  return [...numbers].some((number) => text.includes(number));
}

function keysIn(text: Buffer, name: string): Keys {
  // The needle omits the first quote for the same reason.
  const end = Buffer.from(`${name}"`);
  const keys: number[] = [];
  for (let at = text.indexOf(end); at !== -1; at = text.indexOf(end, at + end.byteLength)) {
    const key = at - 1;
    if (text[key] !== quoteByte || isEscaped(text, key)) continue;
    if (text[afterSpace(text, at + end.byteLength)] === colonByte) keys.push(key);
  }
  return keys;
}
