import type { MetricSpec } from "./metric-spec.ts";
import { NewestSeries } from "./newest-series.ts";
import { parseSample, type Sample } from "./sample-line.ts";
import type { WantedFamilies } from "./wanted-families.ts";

/** A longer line of a wanted family is malformed. A label that lists LoRA adapters may be long. */
export const lineBytesMax = 65_536;
/** A vLLM exposition has about 60 KB: a body of 8 MiB is not one. */
export const bodyBytesMax = 8 * 2 ** 20;
/** Series of one family: engines and models behind one port. */
export const samplesMax = 4_096;
/**
 * Lines of which only the newest counts are not part of the body's size up to this many bytes:
 * about 200,000 sets of adapters.
 */
export const newestBytesMax = 64 * 2 ** 20;

const lineFeed = 0x0a;

export interface ParsedExposition {
  /**
   * Samples by family, in their order. A family without samples, with too many, or with a malformed
   * line has no entry.
   */
  readonly families: ReadonlyMap<string, readonly Sample[]>;
  readonly malformedLines: number;
  /** Families without an entry because they have more than `samplesMax` series; undefined if there are none. */
  readonly crowdedFamilies?: readonly string[] | undefined;
  /** The body was larger than 8 MiB; nothing of it is returned. */
  readonly isTooLarge: boolean;
}

/**
 * Reads chosen families from the Prometheus text format 0.0.4 or OpenMetrics, in chunks.
 *
 * Lines of other families are skipped unread. An unreadable line of a wanted family drops that
 * family, and nothing else: a partial sum would look like a whole one. The cuts between chunks
 * never matter. One parser reads one body after another.
 *
 * Some families keep a series for every past state, and the newest one has the current state. Of
 * those named in `newestOf` only that one is kept, whatever their number.
 */
export class PrometheusTextParser {
  readonly #wanted: WantedFamilies;
  /** By index of the family; undefined for a family that is read whole. */
  readonly #newestOf: readonly (readonly MetricSpec[] | undefined)[];
  /** By index of the family; undefined once one of its lines was malformed. */
  readonly #samples: (Samples | undefined)[];
  readonly #crowded = new Set<number>();
  /**
   * The start of a line whose end is in a later chunk, up to one byte more than a line may have.
   */
  #tail: Buffer = Buffer.alloc(0);
  #tailBytes = 0;
  #bodyBytes = 0;
  #newestBytes = 0;
  #malformedLines = 0;
  #spoilt: readonly string[] = [];

  constructor(wanted: WantedFamilies, newestOf: readonly MetricSpec[] = []) {
    this.#wanted = wanted;
    this.#newestOf = wanted.names.map((name) => {
      const selectors = newestOf.filter(({ family }) => family === name);
      return selectors.length === 0 ? undefined : selectors;
    });
    this.#samples = this.#newestOf.map(samplesOf);
  }

  /** Families missing from the last body because one of their lines was malformed. */
  get spoilt(): readonly string[] {
    return this.#spoilt;
  }

  /**
   * Reads the next chunk; false once the body is too large, so that the rest need not be received.
   */
  push(chunk: Buffer): boolean {
    this.#bodyBytes += chunk.length;
    if (this.#isTooLarge()) return false;
    let start = 0;
    if (this.#tailBytes > 0) {
      const end = chunk.indexOf(lineFeed);
      this.#keep(chunk, 0, end === -1 ? chunk.length : end);
      if (end === -1) return true;
      this.#readLine(this.#tail, 0, this.#tailBytes);
      this.#tailBytes = 0;
      start = end + 1;
    }
    this.#readLines(chunk, start);
    return true;
  }

  /** The result of the body; the parser is then ready for the next one. */
  finish(): ParsedExposition {
    // A body ends with a line feed. Without one its last line may be cut, and 12 is not 1234.
    if (this.#tailBytes > 0) this.#spoilCut(this.#tail.subarray(0, this.#tailBytes));
    const isTooLarge = this.#isTooLarge();
    const families = new Map<string, readonly Sample[]>();
    this.#spoilt = this.#wanted.names.filter((_, index) => this.#samples[index] === undefined);
    for (const [index, name] of this.#wanted.names.entries()) {
      const samples = this.#samples[index]?.samples() ?? [];
      if (samples.length > 0 && !isTooLarge) families.set(name, samples);
      if (this.#samples[index] === undefined || samples.length > 0) {
        this.#samples[index] = samplesOf(this.#newestOf[index]);
      }
    }
    const crowded = [...this.#crowded].map((index) => this.#wanted.names[index] ?? "");
    const crowdedFamilies = crowded.length === 0 ? undefined : crowded;
    const malformedLines = this.#malformedLines;
    this.#crowded.clear();
    this.#tailBytes = 0;
    this.#bodyBytes = 0;
    this.#newestBytes = 0;
    this.#malformedLines = 0;
    return { families, malformedLines, crowdedFamilies, isTooLarge };
  }

  #isTooLarge(): boolean {
    return this.#bodyBytes - Math.min(this.#newestBytes, newestBytesMax) > bodyBytesMax;
  }

  /** @param from start of a line */
  #readLines(chunk: Buffer, from: number): void {
    const afterLines = chunk.lastIndexOf(lineFeed) + 1;
    let start = this.#wanted.nextLikely(chunk, from, afterLines);
    while (start !== -1) {
      const end = chunk.indexOf(lineFeed, start);
      this.#readLine(chunk, start, end);
      start = this.#wanted.nextLikely(chunk, end + 1, afterLines);
    }
    if (afterLines < chunk.length) this.#keep(chunk, afterLines, chunk.length);
  }

  #readLine(text: Buffer, start: number, end: number): void {
    const family = this.#wanted.indexAt(text, start, end);
    if (family === -1) return;
    const samples = this.#samples[family];
    if (this.#newestOf[family] !== undefined) this.#newestBytes += end - start + 1;
    if (samples?.isOld?.(text, start, end) === true) return;
    const afterName = start + (this.#wanted.names[family]?.length ?? 0);
    const isShort = end - start <= lineBytesMax;
    const sample = isShort ? parseSample(text.toString("utf8", afterName, end)) : undefined;
    if (sample === undefined) this.#spoil(family);
    else if (samples?.add(sample) === "crowded") {
      this.#spoil(family);
      this.#crowded.add(family);
    }
  }

  #spoil(family: number): void {
    this.#samples[family] = undefined;
    this.#malformedLines += 1;
  }

  /**
   * A body may be cut within a family name, which then drops every family that begins with that
   * text.
   */
  #spoilCut(line: Buffer): void {
    const families = this.#wanted.indexesOfStart(line);
    for (const family of families) this.#samples[family] = undefined;
    if (families.length > 0) this.#malformedLines += 1;
  }

  /** Appends to the tail, up to one byte more than the longest line, which marks a longer one. */
  #keep(chunk: Buffer, start: number, end: number): void {
    const bytes = Math.min(end - start, lineBytesMax + 1 - this.#tailBytes);
    const needed = this.#tailBytes + bytes;
    if (needed > this.#tail.length) {
      const larger = Buffer.allocUnsafeSlow(Math.min(lineBytesMax + 1, Math.max(256, needed * 2)));
      this.#tail.copy(larger, 0, 0, this.#tailBytes);
      this.#tail = larger;
    }
    chunk.copy(this.#tail, this.#tailBytes, start, start + bytes);
    this.#tailBytes = needed;
  }
}

/** The kept series of a family. */
interface Samples {
  /** `crowded`: there is no room for it. */
  add(sample: Sample): "added" | "crowded";
  samples(): readonly Sample[];
  /** True if the line changes nothing; without this method every line is read. */
  isOld?(text: Buffer, start: number, end: number): boolean;
}

/** Every series of a family, up to a bound. */
class AllSeries implements Samples {
  readonly #samples: Sample[] = [];

  add(sample: Sample): "added" | "crowded" {
    if (this.#samples.length === samplesMax) return "crowded";
    this.#samples.push(sample);
    return "added";
  }

  samples(): readonly Sample[] {
    return this.#samples;
  }
}

function samplesOf(newestOf: readonly MetricSpec[] | undefined): Samples {
  return newestOf === undefined ? new AllSeries() : new NewestSeries(newestOf);
}
