import type { MetricSpec } from "./metric-spec.ts";
import type { Sample } from "./sample-line.ts";

/**
 * The newest series of a family whose value is the time of its last change, one for each requested
 * set of labels. No other series is kept, so their number needs no bound. A value that is not
 * finite is not a time, and is ignored.
 */
export class NewestSeries {
  readonly #selectors: readonly MetricSpec[];
  readonly #newest: (Sample | undefined)[];

  constructor(selectors: readonly MetricSpec[]) {
    this.#selectors = selectors;
    this.#newest = selectors.map(() => undefined);
  }

  add(sample: Sample): "added" {
    if (!Number.isFinite(sample.value)) return "added";
    for (const [index, selector] of this.#selectors.entries()) {
      if (sample.value > (this.#newest[index]?.value ?? -Infinity) && has(sample, selector)) {
        this.#newest[index] = sample;
      }
    }
    return "added";
  }

  /**
   * True if the line from `start` to `end` ends with a value older than every kept one, so that
   * reading it changes nothing.
   */
  isOld(text: Buffer, start: number, end: number): boolean {
    const oldest = this.#newest.reduce(
      (least, sample) => Math.min(least, sample?.value ?? Number.NaN),
      Infinity,
    );
    return lastValueIn(text, start, end) <= oldest;
  }

  samples(): readonly Sample[] {
    return [...new Set(this.#newest.filter((sample) => sample !== undefined))];
  }
}

function has({ labels }: Sample, selector: MetricSpec): boolean {
  return Object.entries(selector.labels).every(([name, value]) => labels[name] === value);
}

const space = 0x20;
const hash = 0x23;
const closeBrace = 0x7d;
const zero = 0x30;
const nine = 0x39;
/** `+`, `-`, `.`, `E` and `e`. */
const numberSigns = new Set([0x2b, 0x2d, 0x2e, 0x45, 0x65]);

/**
 * The number after the labels at the end of a line; NaN for any other line, including one with an
 * exemplar.
 */
function lastValueIn(text: Buffer, start: number, end: number): number {
  let from = end;
  while (from > start && isOfNumber(text[from - 1] ?? 0)) from -= 1;
  const isPlain = text[from - 1] === space && text[from - 2] === closeBrace && from < end;
  if (!isPlain || text.subarray(start, from).includes(hash)) return Number.NaN;
  return Number(text.toString("latin1", from, end));
}

function isOfNumber(byte: number): boolean {
  return (byte >= zero && byte <= nine) || numberSigns.has(byte);
}
