/** A metric family to read, and the text that its lines begin with. */
interface WantedFamily {
  readonly index: number;
  readonly name: string;
  readonly bytes: Uint8Array;
}

const lineFeed = 0x0a;
const openBrace = 0x7b;
const space = 0x20;
const tab = 0x09;
/** Size of the step table; pairs of bytes that share a slot only make a step shorter. */
const slotCount = 4_096;
const stepMax = 255;
/** With a shorter name the steps are so short that going line by line is faster. */
const searchedBytesMin = 6;

/**
 * Finds the lines of wanted families in a text without looking at every byte, or for the ends of
 * lines.
 *
 * The search uses pairs of bytes (Horspool's method for several words at once, as in Wu and
 * Manber). It looks at the pair at which the shortest name would end if it began here. The smallest
 * distance of that pair from the end of any name, counted with the line feed before the name, is
 * how far the search may step without missing one.
 */
export class WantedFamilies {
  readonly names: readonly string[];
  readonly #families: readonly WantedFamily[];
  /** Bytes of the shortest name. */
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
   * Start of the next line that may be of a wanted family, or -1. No such line is missed; `indexAt`
   * determines if it is one. `from` is the start of a line, `end` is the end of a line or of the
   * text.
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

  /** Index in `names` of the family of the line at `start`, or -1. `end` is the end of the line. */
  indexAt(text: Uint8Array, start: number, end: number): number {
    for (const { index, bytes } of this.#families) {
      const afterName = start + bytes.length;
      if (afterName > end || !startsWith(text, start, bytes)) continue;
      // Bytes from `end` on are not part of the line.
      if (afterName === end || endsName(text[afterName])) return index;
    }
    return -1;
  }

  /** Indexes in `names` of the families that a cut line may be of. */
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

/** A line feed precedes a name, and also the text. */
function slotOf(before: number = lineFeed, byte: number = 0): number {
  return ((before << 5) ^ byte) & (slotCount - 1);
}

function startsWith(text: Uint8Array, start: number, bytes: Uint8Array): boolean {
  for (let offset = 0; offset < bytes.length; offset += 1) {
    if (text[start + offset] !== bytes[offset]) return false;
  }
  return true;
}

/** True if a name ends before `byte`: `a_b` is not a line of the family `a`. */
function endsName(byte: number | undefined): boolean {
  return byte === openBrace || byte === space || byte === tab;
}
