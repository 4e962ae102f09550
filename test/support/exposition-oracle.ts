import { lineBytesMax } from "../../src/control-plane/signals/scrape/exposition/prometheus-text.ts";
import type { Sample } from "../../src/control-plane/signals/scrape/exposition/sample-line.ts";

/** What a page says of the wanted families; one with a malformed line is not among them. */
export interface PlainReading {
  readonly families: ReadonlyMap<string, readonly Sample[]>;
  readonly malformedLines: number;
}

const number = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;

/**
 * Reads a page a second way, to hold the parser against: the whole text at once, split into lines,
 * and each line character by character. Slow and plain, and shares no code with the parser.
 *
 * `text` has a character for each byte (latin1).
 */
export function readPlainly(text: string, wanted: readonly string[]): PlainReading {
  const lines = text.split("\n");
  const cut = lines.pop() ?? "";
  const families = new Map<string, Sample[]>();
  const spoiled = new Set<string>();
  let malformedLines = 0;
  for (const line of lines) {
    const name = familyOf(line);
    if (!wanted.includes(name)) continue;
    const sample = line.length > lineBytesMax ? undefined : sampleIn(line.slice(name.length));
    if (sample === undefined) {
      spoiled.add(name);
      malformedLines += 1;
    } else families.set(name, [...(families.get(name) ?? []), sample]);
  }
  const perhapsCut = wanted.filter((name) => isCutLineOf(name, cut));
  if (perhapsCut.length > 0) malformedLines += 1;
  for (const name of [...spoiled, ...perhapsCut]) families.delete(name);
  return { families, malformedLines };
}

/** What a line begins with, up to the first blank or brace. */
export function familyOf(line: string): string {
  return /^[^{ \t]*/.exec(line)?.[0] ?? "";
}

/** Whether what a page ends with, without a line feed, may be the start of a line of a family. */
export function isCutLineOf(name: string, cut: string): boolean {
  return cut !== "" && (familyOf(cut) === name || name.startsWith(cut));
}

/** A line and how far it has been read. */
class Cursor {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get rest(): string {
    return this.#text.slice(this.#at);
  }

  /** The characters from here on that are in `set`, or not in it. */
  takeAll(isIn: (character: string) => boolean): string {
    const start = this.#at;
    while (this.#at < this.#text.length && isIn(this.#text.charAt(this.#at))) this.#at += 1;
    return this.#text.slice(start, this.#at);
  }

  skipBlanks(): void {
    this.takeAll((character) => character === " " || character === "\t");
  }

  /** Whether the next character is this one, which is then read. */
  take(character: string): boolean {
    if (this.#text.charAt(this.#at) !== character) return false;
    this.#at += 1;
    return true;
  }

  next(): string {
    this.#at += 1;
    return this.#text.charAt(this.#at - 1);
  }
}

function sampleIn(text: string): Sample | undefined {
  const cursor = new Cursor(text.replace(/\r$/, ""));
  cursor.skipBlanks();
  const labels = cursor.take("{") ? labelsIn(cursor) : {};
  const words = cursor.rest.split(/[ \t]+/).filter((word) => word !== "");
  const exemplar = words.findIndex((word) => word.startsWith("#"));
  const [value = "", timestamp = "0", ...more] = exemplar === -1 ? words : words.slice(0, exemplar);
  const read = valueOf(value);
  if (labels === undefined || read === undefined || more.length > 0) return undefined;
  return number.test(timestamp) ? { labels, value: read } : undefined;
}

/** Reads up to and with the closing brace. */
function labelsIn(cursor: Cursor): Record<string, string> | undefined {
  const labels: Record<string, string> = {};
  cursor.skipBlanks();
  while (!cursor.take("}")) {
    const name = cursor.takeAll((character) => /[a-zA-Z0-9_]/.test(character));
    cursor.skipBlanks();
    if (!/^[a-zA-Z_]/.test(name) || !cursor.take("=")) return undefined;
    cursor.skipBlanks();
    const value = quotedIn(cursor);
    if (value === undefined) return undefined;
    labels[name] = value;
    cursor.skipBlanks();
    if (cursor.take(",")) cursor.skipBlanks();
    else if (!cursor.rest.startsWith("}")) return undefined;
  }
  return labels;
}

function quotedIn(cursor: Cursor): string | undefined {
  if (!cursor.take('"')) return undefined;
  let bytes = "";
  for (;;) {
    bytes += cursor.takeAll((character) => character !== '"' && character !== "\\");
    if (cursor.take('"')) return Buffer.from(bytes, "latin1").toString("utf8");
    if (!cursor.take("\\")) return undefined;
    const escaped = { n: "\n", '"': '"', "\\": "\\" }[cursor.next()];
    if (escaped === undefined) return undefined;
    bytes += escaped;
  }
}

function valueOf(word: string): number | undefined {
  if (number.test(word)) return Number(word);
  const [, sign = "", special = ""] = /^([+-]?)(inf(?:inity)?|nan)$/i.exec(word) ?? [];
  if (special === "") return undefined;
  if (special.toLowerCase() === "nan") return Number.NaN;
  return sign === "-" ? -Infinity : Infinity;
}
