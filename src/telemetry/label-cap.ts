/** What a label says once its values have run out. */
const overflowLabel = "other";

/** Distinct values a label that clients control may take, for the life of the process. */
export const labelValuesMax = 1_000;

/** Longest label value, in characters; a longer one is no name of a model. */
const labelCharactersMax = 256;

/**
 * Bounds a label whose values clients choose: the first `valuesMax` distinct values are kept, later
 * ones count as `other`. Without it a client could fill the memory of every scraper with names.
 */
export class LabelCap {
  readonly #seen = new Set<string>();
  readonly #valuesMax: number;

  constructor(valuesMax = labelValuesMax) {
    this.#valuesMax = valuesMax;
  }

  labelOf(value: string): string {
    if (this.#seen.has(value)) return value;
    if (this.#seen.size >= this.#valuesMax || value.length > labelCharactersMax) {
      return overflowLabel;
    }
    this.#seen.add(value);
    return value;
  }
}
