import {
  type FamilyHead,
  headText,
  type HistogramWriter,
  histogramWriter,
  labelsText,
  sampleText,
  type WrittenSeries,
} from "./exposition.ts";
import type { CountedSet, LabelSet } from "./label-set.ts";
import { type OlderName, olderLabelsOf } from "./older-names.ts";

/** Hands out the places that families have in the values of each label set. */
export class RowLayout {
  #width = 0;

  get width(): number {
    return this.#width;
  }

  /** The first of `count` places. */
  take(count: number): number {
    const offset = this.#width;
    this.#width += count;
    return offset;
  }
}

/** The numbers of one series. */
interface Series {
  /** Labels in addition to those of the set. */
  readonly more: Readonly<Record<string, string>>;
  readonly values: Float64Array;
  readonly offset: number;
}

/** A family with a series, or a few, for each label set. */
export interface RowFamily<Counted extends CountedSet = CountedSet> extends FamilyHead {
  /** Numbers of a series. */
  readonly width: number;
  /** The series of a set that have counted anything. */
  seriesOf(set: Counted): Iterable<Series>;
  /** Writes one series under a name. */
  writer(name: string): HistogramWriter;
}

type Numbers = Pick<CountedSet, "values">;

interface NumberSpec extends FamilyHead {
  readonly type: "counter" | "gauge";
}

const noLabels: Series["more"] = {};

function numberWriter(name: string) {
  return (labels: string, { values, offset }: WrittenSeries) =>
    sampleText(name, labels, values[offset] ?? 0);
}

/** A counter or a gauge. */
export class RowNumber implements RowFamily {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge";
  readonly width = 1;
  readonly writer = numberWriter;
  readonly #offset: number;
  /** Index of the set's count of changes: a gauge that is back at 0 has a series. */
  readonly #changes: number;
  readonly #more: Series["more"];

  constructor({ name, help, type }: NumberSpec, layout: RowLayout, more = noLabels) {
    this.#more = more;
    this.name = name;
    this.help = help;
    this.type = type;
    this.#offset = layout.take(2);
    this.#changes = this.#offset + 1;
  }

  add({ values }: Numbers, change: number): void {
    values[this.#offset] = (values[this.#offset] ?? 0) + change;
    values[this.#changes] = 1;
  }

  valueOf({ values }: Numbers): number {
    return values[this.#offset] ?? 0;
  }

  *seriesOf({ values }: Numbers): Iterable<Series> {
    if (values[this.#changes] === 0) return;
    yield { more: this.#more, values, offset: this.#offset };
  }
}

/** Counters of one family, told apart by a label. */
export class SplitNumber<K extends string> implements RowFamily {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge";
  readonly width = 1;
  readonly writer = numberWriter;
  readonly #parts: Readonly<Record<K, RowNumber>>;

  constructor({ name, help, type }: NumberSpec, parts: Readonly<Record<K, RowNumber>>) {
    this.name = name;
    this.help = help;
    this.type = type;
    this.#parts = parts;
  }

  add(set: Numbers, part: K, change: number): void {
    this.#parts[part].add(set, change);
  }

  valueOf(set: Numbers, part: K): number {
    return this.#parts[part].valueOf(set);
  }

  *seriesOf(set: Numbers): Iterable<Series> {
    const parts: readonly RowNumber[] = Object.values(this.#parts);
    for (const part of parts) yield* part.seriesOf(set);
  }
}

interface HistogramSpec {
  readonly name: string;
  readonly help: string;
  /** Upper bounds, ascending. */
  readonly buckets: readonly number[];
}

/** A histogram. */
export class RowHistogram implements RowFamily {
  readonly name: string;
  readonly help: string;
  readonly type = "histogram";
  readonly width: number;
  readonly #offset: number;
  readonly #bounds: Float64Array;
  readonly #buckets: readonly number[];
  readonly #more: Readonly<Record<string, string>>;

  constructor(spec: HistogramSpec, layout: RowLayout, more: Series["more"] = noLabels) {
    this.name = spec.name;
    this.help = spec.help;
    this.#buckets = spec.buckets;
    this.#bounds = Float64Array.from(spec.buckets);
    // Each bucket, the values above all of them, and the sum.
    this.width = spec.buckets.length + 2;
    this.#offset = layout.take(this.width);
    this.#more = more;
  }

  /** Counts a value and returns the place of its bucket; what is no finite number counts nowhere. */
  observe({ values }: Numbers, value: number): number | undefined {
    if (!Number.isFinite(value)) return undefined;
    const bucket = this.#offset + this.#bucketOf(value);
    values[bucket] = (values[bucket] ?? 0) + 1;
    const sum = this.#offset + this.width - 1;
    values[sum] = (values[sum] ?? 0) + value;
    return bucket;
  }

  *seriesOf({ values }: Numbers): Iterable<Series> {
    const end = this.#offset + this.width - 1;
    for (let index = this.#offset; index < end; index += 1) {
      if (values[index] === 0) continue;
      yield { more: this.#more, values, offset: this.#offset };
      return;
    }
  }

  writer(name: string) {
    return histogramWriter(name, this.#buckets);
  }

  /** Index of the first bucket that holds the value. */
  #bucketOf(value: number): number {
    let low = 0;
    let high = this.#bounds.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (value <= (this.#bounds[middle] ?? Number.POSITIVE_INFINITY)) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

/** Histograms of one family, told apart by a label. */
export class SplitHistogram<K extends string> implements RowFamily {
  readonly name: string;
  readonly help: string;
  readonly type = "histogram";
  readonly width: number;
  readonly #parts: Readonly<Record<K, RowHistogram>>;

  constructor(spec: HistogramSpec, parts: Readonly<Record<K, RowHistogram>>) {
    this.name = spec.name;
    this.help = spec.help;
    this.width = spec.buckets.length + 2;
    this.#parts = parts;
  }

  /** Returns the place of the value's bucket. */
  observe(set: Numbers, part: K, value: number): number | undefined {
    return this.#parts[part].observe(set, value);
  }

  *seriesOf(set: Numbers): Iterable<Series> {
    for (const part of this.#histograms()) yield* part.seriesOf(set);
  }

  writer(name: string) {
    const [first] = this.#histograms();
    if (first === undefined) throw new Error("a split histogram has parts");
    return first.writer(name);
  }

  #histograms(): readonly RowHistogram[] {
    return Object.values(this.#parts);
  }
}

/** Codes that a set counts apart from each other: engines choose statuses. */
const errorCodesMax = 64;

/** Errors by their code. */
export class RowErrors implements RowFamily<LabelSet> {
  readonly name: string;
  readonly help: string;
  readonly type = "counter";
  readonly width = 1;
  readonly writer = numberWriter;

  constructor({ name, help }: Omit<FamilyHead, "type">) {
    this.name = name;
    this.help = help;
  }

  add({ errors }: LabelSet, code: string): void {
    const isRoom = errors.has(code) || errors.size < errorCodesMax;
    const counted = isRoom ? code : "other";
    errors.set(counted, (errors.get(counted) ?? 0) + 1);
  }

  *seriesOf({ errors }: LabelSet): Iterable<Series> {
    for (const [code, count] of errors) {
      yield { more: { error_code: code }, values: Float64Array.of(count), offset: 0 };
    }
  }
}

interface PieceOptions<Counted> {
  readonly older: OlderName | undefined;
  /**
   * The end of the line of a bucket, by its place, such as an exemplar. Undefined if the format has none, or the family
   * keeps none.
   */
  readonly endOf?: ((set: Counted, place: number) => string) | undefined;
}

/** The pieces of a family's page: each holds one series, and its numbers are of one moment. */
export function* piecesOf<Counted extends CountedSet>(
  family: RowFamily<Counted>,
  sets: Iterable<Counted>,
  { older, endOf }: PieceOptions<Counted>,
): Iterable<string> {
  yield headText(family);
  const write = family.writer(family.name);
  const sums = older && new OlderSums(family, older);
  for (const set of sets) {
    if (set.isGone) continue;
    for (const { more, values, offset } of family.seriesOf(set)) {
      const text = more === noLabels ? set.text : `${set.text},${labelsText(more)}`;
      const ofSet = endOf && ((place: number) => endOf(set, place));
      yield write(text, { values, offset, endOf: ofSet });
      sums?.add({ ...set.labels, ...more }, values.subarray(offset, offset + family.width));
    }
  }
  if (sums !== undefined) yield* sums.pieces();
}

type OlderFamily = Omit<RowFamily, "seriesOf">;

/** A family under its older name: series that differ only in labels of today are summed. */
class OlderSums {
  readonly #family: OlderFamily;
  readonly #older: OlderName;
  readonly #sums = new Map<string, Float64Array>();

  constructor(family: OlderFamily, older: OlderName) {
    this.#family = family;
    this.#older = older;
  }

  add(labels: Readonly<Record<string, string>>, values: Float64Array): void {
    const key = labelsText(olderLabelsOf(labels, this.#older));
    const sum = this.#sums.get(key);
    if (sum === undefined) this.#sums.set(key, values.slice());
    else
      for (let index = 0; index < sum.length; index += 1)
        sum[index] = (sum[index] ?? 0) + (values[index] ?? 0);
  }

  *pieces(): Iterable<string> {
    const { name } = this.#older;
    const { help, type } = this.#family;
    yield headText({ name, help: `${help} Now ${this.#family.name}.`, type });
    const write = this.#family.writer(name);
    for (const [labels, values] of this.#sums) yield write(labels, { values, offset: 0 });
  }
}
