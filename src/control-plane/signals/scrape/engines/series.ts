import type { Sample } from "../exposition/sample-line.ts";

/** A ratio above 1 by no more than this is a rounding error of the engine, and counts as 1. */
const ratioOvershootMax = 0.001;

type Series = readonly Sample[] | undefined;

/** The sum of counts over all series; undefined if one lacks its value. */
export function totalOf(series: Series): number | undefined {
  return sumOf(series, (value) => (value >= 0 && Number.isFinite(value) ? value : undefined));
}

/** The mean of ratios in 0..1 over all series; undefined if one is out of range. */
export function meanRatioOf(series: Series): number | undefined {
  const sum = sumOf(series, (value) =>
    value >= 0 && value <= 1 + ratioOvershootMax ? Math.min(value, 1) : undefined,
  );
  return sum === undefined || series === undefined ? undefined : sum / series.length;
}

/** The mean of the finite values; undefined if there is none. */
export function meanOf(series: Series = []): number | undefined {
  const finite = series.filter(({ value }) => Number.isFinite(value));
  if (finite.length === 0) return undefined;
  return finite.reduce((total, { value }) => total + value, 0) / finite.length;
}

/** The largest finite value above 0: of several processes, the one that started last. */
export function newestOf(series: Series = []): number | undefined {
  const times = series.map(({ value }) => value).filter((value) => value > 0);
  const newest = Math.max(...times);
  return Number.isFinite(newest) ? newest : undefined;
}

/** The whole number above 0 in a label; undefined for "None" and the like. */
export function countIn(label: string | undefined): number | undefined {
  return label !== undefined && /^[1-9]\d{0,14}$/.test(label) ? Number(label) : undefined;
}

/** The value of a sample if it is a whole number above 0. */
export function wholeIn(sample: Sample | undefined): number | undefined {
  const value = sample?.value;
  return value !== undefined && Number.isSafeInteger(value) && value > 0 ? value : undefined;
}

function sumOf(series: Series, usable: (value: number) => number | undefined): number | undefined {
  if (series === undefined || series.length === 0) return undefined;
  let sum = 0;
  for (const { value } of series) {
    const part = usable(value);
    if (part === undefined) return undefined;
    sum += part;
  }
  return sum;
}
