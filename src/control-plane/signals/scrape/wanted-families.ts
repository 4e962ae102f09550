/** A metric family to read, and what a line of it begins with. */
interface WantedFamily {
  readonly index: number;
  readonly name: string;
  readonly bytes: Uint8Array;
}

const openBrace = 0x7b;
const space = 0x20;
const tab = 0x09;

/**
 * Tells from the first bytes of a line whether its family is wanted, without making a string.
 *
 * The start that all names share is compared once, and the byte after it leaves hardly ever
 * more than one name to compare: most lines of an exposition cost a few comparisons.
 */
export class WantedFamilies {
  readonly names: readonly string[];
  readonly #shared: Uint8Array;
  readonly #byNextByte: readonly (readonly WantedFamily[] | undefined)[];

  constructor(names: readonly string[]) {
    this.names = [...new Set(names)];
    this.#shared = new TextEncoder().encode(sharedStartOf(this.names));
    const byNextByte = Array.from<WantedFamily[] | undefined>({ length: 256 }).fill(undefined);
    for (const [index, name] of this.names.entries()) {
      const bytes = new TextEncoder().encode(name);
      const nextByte = bytes[this.#shared.length] ?? 0;
      (byNextByte[nextByte] ??= []).push({ index, name, bytes });
    }
    this.#byNextByte = byNextByte;
  }

  /** Index in `names` of the family of the line at `start`, or -1. `end` is where the line ends. */
  indexAt(text: Uint8Array, start: number, end: number): number {
    const shared = this.#shared;
    for (let offset = 0; offset < shared.length; offset += 1) {
      if (text[start + offset] !== shared[offset]) return -1;
    }
    const families = this.#byNextByte[text[start + shared.length] ?? 0];
    if (families === undefined) return -1;
    for (const { index, bytes } of families) {
      const afterName = start + bytes.length;
      if (afterName > end || !startsWith(text, start, bytes)) continue;
      // What lies at `end` and beyond is no part of the line.
      if (afterName === end || endsName(text[afterName])) return index;
    }
    return -1;
  }

  /** Indexes in `names` of the families that a line may be of, of which only this much is there. */
  indexesOfStart(line: Buffer): number[] {
    const whole = this.indexAt(line, 0, line.length);
    const start = line.toString("latin1");
    return this.names.flatMap((name, index) =>
      index === whole || name.startsWith(start) ? [index] : [],
    );
  }
}

/** The longest start of all names that leaves each of them at least one byte. */
function sharedStartOf(names: readonly string[]): string {
  const [first = ""] = names;
  let length = Math.max(0, Math.min(...names.map((name) => name.length)) - 1);
  while (names.some((name) => name.slice(0, length) !== first.slice(0, length))) length -= 1;
  return first.slice(0, length);
}

function startsWith(text: Uint8Array, start: number, bytes: Uint8Array): boolean {
  for (let offset = 0; offset < bytes.length; offset += 1) {
    if (text[start + offset] !== bytes[offset]) return false;
  }
  return true;
}

/** Whether a name ends before `byte`: `a_b` is no line of the family `a`. */
function endsName(byte: number | undefined): boolean {
  return byte === openBrace || byte === space || byte === tab;
}
