import type { LabelSet } from "./label-set.ts";
import { setLatest } from "../std/set-latest.ts";

/** One value of a histogram, with the trace of its request. */
export interface Exemplar {
  readonly traceId: string;
  readonly value: number;
  /** Unix time in seconds. */
  readonly atSeconds: number;
}

/** Exemplars of all histograms; the oldest gives way. */
const exemplarsMax = 1_000;

/** The last traced value of each bucket of histograms that keep any. */
export class Exemplars {
  readonly #kept = new Map<string, Exemplar>();

  /** `place`: index of the bucket in the values of the set. */
  note(set: LabelSet, place: number, exemplar: Exemplar): void {
    const key = keyOf(set, place);
    setLatest(this.#kept, [key, exemplar], exemplarsMax);
  }

  /** The end of a bucket's line in OpenMetrics; "" if it has no exemplar. */
  textOf(set: LabelSet, place: number): string {
    const found = this.#kept.get(keyOf(set, place));
    if (found === undefined) return "";
    return ` # {trace_id="${found.traceId}"} ${found.value} ${found.atSeconds.toFixed(3)}`;
  }
}

function keyOf({ key }: LabelSet, place: number): string {
  return `${place}\0${key}`;
}
