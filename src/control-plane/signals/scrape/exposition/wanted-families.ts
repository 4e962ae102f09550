/** A metric family to read, and what a line of it begins with. */
interface WantedFamily {
  readonly index: number;
  readonly name: string;
  readonly bytes: Uint8Array;
}

const lineFeed = 0x0a;
const openBrace = 0x7b;
const space = 0x20;
const tab = 0x09;
/** Places in the table of steps; pairs of bytes that share one only make a step shorter. */
const slotCount = 4_096;
const stepMax = 255;
/** With a shorter name the steps are so short that going from line to line is faster. */
const searchedBytesMin = 6;

/**
 * Finds the lines of wanted families in a text without looking at every byte, or at where lines end.
 *
 * The search goes by pairs of bytes (Horspool's method for several words at once, as Wu and Manber have it). It looks at
 * the pair where the shortest name would end if it began here. How far from its end that pair stands in any name,
 * counted with the line feed before the name, is how far the search may step without missing one.
 */
export class WantedFamilies {
  readonly names: readonly string[];
  readonly #families: readonly WantedFamily[];
  /** Of the shortest name. */
  readonly #bytesMin: number;
  readonly #steps = new Uint8Array(slotCount);

  constructor(names: readonly string[]) {
    this.names = [...new Set(names)];
    this.#families = this.names.map((name, index) => ({
      index,
      name,
      bytes: new TextEncoder().encode(name),
    }));
    this.#bytesMin = Math.min(...this.#families.map(({ bytes }) => bytes.length));
    this.#steps.fill(Math.min(stepMax, this.#bytesMin));
    for (const { bytes } of this.#families) this.#shortenSteps(bytes);
  }

  /**
   * Where the next line begins that may be of a wanted family, or -1. No line of one is passed over; `indexAt` tells
   * whether it is one. `from` is where a line begins, `end` is where one ends or the text.
   */
  nextLikely(text: Uint8Array, from: number, end: number): number {
    if (this.#bytesMin < searchedBytesMin) return from < end ? from : -1;
    const steps = this.#steps;
    const toLast = this.#bytesMin - 1;
    let last = from + toLast;
    while (last < end) {
      const step = steps[slotOf(text[last - 1], text[last])] ?? 1;
      const start = last - toLast;
      if (step === 0 && (start === from || text[start - 1] === lineFeed)) return start;
      last += Math.max(1, step);
    }
    return -1;
  }

  /** Index in `names` of the family of the line at `start`, or -1. `end` is where the line ends. */
  indexAt(text: Uint8Array, start: number, end: number): number {
    for (const { index, bytes } of this.#families) {
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
    return this.#families.flatMap(({ index, name }) =>
      index === whole || name.startsWith(start) ? [index] : [],
    );
  }

  #shortenSteps(name: Uint8Array): void {
    for (let at = 0; at < this.#bytesMin; at += 1) {
      const slot = slotOf(name[at - 1], name[at]);
      this.#steps[slot] = Math.min(this.#steps[slot] ?? 0, this.#bytesMin - 1 - at);
    }
  }
}

/** Before a name, and before a text, is a line feed. */
function slotOf(before: number = lineFeed, byte: number = 0): number {
  return ((before << 5) ^ byte) & (slotCount - 1);
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
