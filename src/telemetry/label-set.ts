import { labelsText } from "./exposition.ts";

/** The labels of every request family. */
const modelLabels = ["model_name", "target_model_name", "fairness_id", "priority"] as const;
export type ModelLabels = Readonly<Record<(typeof modelLabels)[number], string>>;

/** A place in the room for sets; each kind has a bound of its own, so that no kind displaces another. */
export type Room = "known" | "models" | "flows";

/** Numbers of some families for one set of labels, as these families read and write them. */
export interface CountedSet {
  readonly labels: Readonly<Record<string, string>>;
  /** The labels as the page has them. */
  readonly text: string;
  readonly values: Float64Array;
  /** True once its numbers count elsewhere. */
  readonly isGone: boolean;
}

/** The numbers of all request families for one set of labels. */
export class LabelSet implements CountedSet {
  readonly labels: ModelLabels;
  readonly key: string;
  /** The labels as the page has them. */
  readonly text: string;
  readonly values: Float64Array;
  /** Errors by their code. */
  readonly errors = new Map<string, number>();
  room: Room;
  /** True if an engine has answered such a request well, or the names are known. */
  isProven: boolean;
  /** Requests that count here until they end. */
  holders = 0;
  usedAtMs: number;
  isGone = false;

  constructor(labels: ModelLabels, width: number, place: SetPlace) {
    this.labels = labels;
    this.key = keyOf(labels);
    this.text = labelsText(labels);
    this.values = new Float64Array(width);
    this.room = place.room;
    this.isProven = place.isProven;
    this.usedAtMs = place.nowMs;
  }

  /** Adds all that another set has counted. */
  add({ values, errors }: LabelSet): void {
    for (let index = 0; index < values.length; index += 1) {
      this.values[index] = (this.values[index] ?? 0) + (values[index] ?? 0);
    }
    for (const [code, count] of errors) {
      this.errors.set(code, (this.errors.get(code) ?? 0) + count);
    }
  }
}

interface SetPlace {
  readonly room: Room;
  readonly isProven: boolean;
  readonly nowMs: number;
}

/** Tells sets of labels apart. */
export function keyOf({
  model_name,
  target_model_name,
  fairness_id,
  priority,
}: ModelLabels): string {
  return `${model_name}\0${target_model_name}\0${fairness_id}\0${priority}`;
}
