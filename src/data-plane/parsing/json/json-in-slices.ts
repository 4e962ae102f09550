import { randomUUID } from "node:crypto";
import { setImmediate as othersTurn } from "node:timers/promises";
import type { BytePieces } from "../../../std/byte-pieces.ts";
import {
  afterSpace,
  colonByte,
  markBytesAt,
  parsedJson,
  quoteByte,
} from "../../../std/json-bytes.ts";
import { isEscaped } from "./json-scan.ts";
import { isJsonArray } from "./json-value.ts";
import { cutUpTo } from "./string-slices.ts";

/** Shorter bodies are read at once, which takes about 2 ms for so many bytes. */
export const slicedBytesMin = 2 * 1_024 * 1_024;

/** Bytes that are read in one turn of the event loop. */
const turnBytes = 512 * 1_024;

/** Assumed cost of the search for a quote, in bytes read. */
const quoteCostBytes = 128;

/** Strings of at least so many bytes are taken out. */
const longBytesMin = 1_024;

/** Maximum bytes of the text without its long strings, which are read at once. */
const restBytesMax = 1_024 * 1_024;

/** Contents of a string, without its quotes. */
interface LongString {
  readonly start: number;
  readonly end: number;
}

/** A value, or that it has to be read at once, or that it is not wanted any more. */
export type SlicedValue = { readonly value: unknown } | "at-once" | "gone";

/**
 * The value of a long JSON text, as `JSON.parse` gives it, read in slices so that other work gets its turn in between.
 *
 * Long strings are taken out of the text: `JSON.parse` reads them in slices. It reads what remains at once, with a mark in
 * the place of each string, so that everything but long strings is read as it stands. A text is read at once if too much of
 * it remains, or if it is not JSON.
 */
export async function jsonInSlices(
  body: BytePieces,
  isWanted: () => boolean,
): Promise<SlicedValue> {
  const pace = new Pace(isWanted);
  const whole = await body.joined((bytes) => pace.spend(bytes));
  if (whole === undefined) return "gone";
  const text = Buffer.from(whole.buffer, whole.byteOffset, whole.byteLength);
  const found = await longStringsIn(text, pace);
  if (typeof found === "string") return found;
  const strings: string[] = [];
  for (const each of found) {
    const value = await stringIn(text, each, pace);
    if (value === undefined) return pace.isGone ? "gone" : "at-once";
    strings.push(value);
  }
  // A client cannot know it, so that no string of its own is like a mark.
  const mark = `${randomUUID()}:`;
  const value = parsedJson(restOf(text, found, mark));
  return value === undefined ? "at-once" : { value: filled(value, mark, strings) };
}

/** Counts work, and lets other work run in between. */
class Pace {
  readonly #isWanted: () => boolean;
  #bytes = 0;
  isGone = false;

  constructor(isWanted: () => boolean) {
    this.#isWanted = isWanted;
  }

  /** Counts bytes; returns a promise if it is the turn of others, of which the result is false if to stop. */
  spend(bytes: number): Promise<boolean> | undefined {
    this.#bytes += bytes;
    if (this.#bytes < turnBytes) return undefined;
    this.#bytes = 0;
    return this.#pass();
  }

  async #pass(): Promise<boolean> {
    await othersTurn();
    this.isGone = !this.#isWanted();
    return !this.isGone;
  }
}

/** The long strings that are no keys, in order. */
async function longStringsIn(
  text: Buffer,
  pace: Pace,
): Promise<readonly LongString[] | "at-once" | "gone"> {
  const found: LongString[] = [];
  let restBytes = 0;
  let at = markBytesAt(text, 0);
  for (;;) {
    const open = text.indexOf(quoteByte, at);
    if (open === -1) break;
    let end = open;
    do {
      const searched = end;
      end = text.indexOf(quoteByte, end + 1);
      if (end === -1) return "at-once";
      const turn = pace.spend(quoteCostBytes + end - searched);
      if (turn !== undefined && !(await turn)) return "gone";
    } while (isEscaped(text, end));
    const isLong = end - open > longBytesMin && text[afterSpace(text, end + 1)] !== colonByte;
    if (isLong) found.push({ start: open + 1, end });
    restBytes += open - at + (isLong ? 0 : end - open);
    if (restBytes > restBytesMax) return "at-once";
    at = end + 1;
  }
  return restBytes + text.byteLength - at > restBytesMax || found.length === 0 ? "at-once" : found;
}

/** The value of a string; undefined if it is not valid, or not wanted any more. */
async function stringIn(
  text: Buffer,
  { start, end }: LongString,
  pace: Pace,
): Promise<string | undefined> {
  let value = "";
  let from = start;
  while (from < end) {
    const to = end - from > turnBytes ? cutUpTo(text, from + turnBytes) : end;
    const part = parsedJson(`"${text.toString("utf8", from, to)}"`);
    if (typeof part !== "string") return undefined;
    value += part;
    const turn = pace.spend(to - from);
    if (turn !== undefined && !(await turn)) return undefined;
    from = to;
  }
  return value;
}

/** The text with a mark and its number in the place of each string. */
function restOf(text: Buffer, strings: readonly LongString[], mark: string): string {
  let rest = "";
  let from = markBytesAt(text, 0);
  for (const [index, { start, end }] of strings.entries()) {
    rest += text.toString("utf8", from, start) + mark + String(index);
    from = end;
  }
  return rest + text.toString("utf8", from);
}

/** The same value with the strings in the places of their marks. Nothing recurses with the nesting. */
function filled(root: unknown, mark: string, strings: readonly string[]): unknown {
  const stringAt = (value: unknown) =>
    typeof value === "string" && value.startsWith(mark)
      ? strings[Number(value.slice(mark.length))]
      : undefined;
  const open: object[] = [];
  const take = (value: unknown, put: (text: string) => void) => {
    const text = stringAt(value);
    if (text !== undefined) put(text);
    else if (typeof value === "object" && value !== null) open.push(value);
  };
  let top = root;
  take(root, (text) => (top = text));
  for (let holder = open.pop(); holder !== undefined; holder = open.pop()) {
    fill(holder, take);
  }
  return top;
}

function fill(holder: object, take: (value: unknown, put: (text: string) => void) => void): void {
  if (isJsonArray(holder)) {
    // JSON.parse made it, so it may be changed.
    const list = holder as unknown[];
    for (let index = 0; index < list.length; index += 1) {
      take(list[index], (text) => (list[index] = text));
    }
    return;
  }
  const object = holder as Record<string, unknown>;
  for (const key of Object.keys(object)) take(object[key], (text) => (object[key] = text));
}
