import { type Random, shuffledIndexes } from "../../src/std/random.ts";
import { familyOf } from "./exposition-oracle.ts";

/** Pieces that mean something to a reader of the format, or nearly do, a character for each byte. */
const pieces = [
  ...["{", "}", '"', ",", "=", "\\", "#", "_", "0", ".", "+", "-", "e"],
  ...["\n", "\r", "\t", " ", "\0", "\x0b", "\x0c", "\x85", "\xa0", "\xff"],
  ...["\r\n", '\\"', "\\n", "\\x", "# ", '",', '="', "{}", "NaN", "+Inf", "-", "1e5", "0x1", " 1 "],
  ...["\u00a0", "\u2028", "\ufeff", "ü"].map((text) => Buffer.from(text).toString("latin1")),
  ...[' # {trace_id="a"} 0.5 1.5', " 1764237251.5", ' {a="b"} 3', "_total", "__proto__"],
];

/** Changes a page; `wanted` are the families that it is to hit more often than by chance. */
export class ExpositionMutations {
  readonly #random: Random;
  readonly #wanted: readonly string[];
  readonly #kinds: readonly ((text: string) => string)[] = [
    (text) => this.#splice(text, 1, (byte) => this.#bitFlipped(byte)),
    (text) => this.#splice(text, 1, () => this.#piece()),
    (text) => this.#splice(text, 0, () => this.#piece()),
    (text) => this.#splice(text, 0, () => this.#bytes()),
    (text) => this.#splice(text, 1 + this.#below(3), () => ""),
    (text) => this.#splice(text, 1 + this.#below(60), () => ""),
    (text) => this.#ofLines(text, (lines) => this.#withDuplicates(lines)),
    (text) => this.#ofLines(text, (lines) => lines.toSpliced(this.#below(lines.length), 1)),
    (text) => this.#ofLines(text, (lines) => this.#shuffled(lines)),
  ];

  constructor(random: Random, wanted: readonly string[]) {
    this.#random = random;
    this.#wanted = wanted;
  }

  /** The page with only some lines of other families, so that a case is small. */
  thinned(text: string): string {
    const share = this.#random() ** 8;
    return this.#ofLines(text, (lines) =>
      lines.filter((line) => this.#isWanted(line) || this.#random() < share),
    );
  }

  /** One to eight changes, one after another; each tenth page is cut off besides. */
  mutated(text: string): string {
    let changed = text;
    for (let left = 1 + this.#below(8); left > 0; left -= 1) {
      changed = this.#kinds[this.#below(this.#kinds.length)]?.(changed) ?? changed;
    }
    return this.#below(10) === 0 ? changed.slice(0, this.#place(changed)) : changed;
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #isWanted(line: string): boolean {
    return this.#wanted.includes(familyOf(line));
  }

  /** Half of the time in a wanted line. */
  #place(text: string): number {
    const lines = text.split("\n");
    const hit = lines.flatMap((line, index) => (this.#isWanted(line) ? [index] : []));
    const index = hit[this.#below(hit.length * 2)];
    if (index === undefined) return this.#below(text.length + 1);
    const before = lines.slice(0, index).reduce((sum, line) => sum + line.length + 1, 0);
    return before + this.#below((lines[index]?.length ?? 0) + 1);
  }

  #splice(text: string, length: number, replacement: (removed: string) => string): string {
    const at = this.#place(text);
    const removed = text.slice(at, at + length);
    return text.slice(0, at) + replacement(removed) + text.slice(at + length);
  }

  #bitFlipped(byte: string): string {
    return String.fromCharCode((byte.charCodeAt(0) || 0) ^ (1 << this.#below(8)));
  }

  #piece(): string {
    const all = [...pieces, ...this.#wanted];
    return all[this.#below(all.length)] ?? "";
  }

  #bytes(): string {
    const length = 1 + this.#below(20);
    return Array.from({ length }, () => String.fromCharCode(this.#below(256))).join("");
  }

  #ofLines(text: string, change: (lines: readonly string[]) => readonly string[]): string {
    const lines = text.split(/(?<=\n)/);
    return change(lines).join("");
  }

  #withDuplicates(lines: readonly string[]): readonly string[] {
    const line = lines[this.#below(lines.length)] ?? "";
    const copies = Array.from({ length: 1 + this.#below(3) }, () => line);
    return lines.toSpliced(this.#below(lines.length + 1), 0, ...copies);
  }

  #shuffled(lines: readonly string[]): readonly string[] {
    return shuffledIndexes(lines.length, this.#random).map((index) => lines[index] ?? "");
  }
}
