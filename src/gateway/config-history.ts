import type { Clock } from "../std/clock.ts";

/** Documents that are remembered; older ones are forgotten. */
const documentsMax = 20;
/** Mistakes of a document that are remembered; the rest are counted. */
const mistakesMax = 50;

/**
 * The fate of a document: `started` is the first one, and `restored` is the document in force, read again after a
 * refused one.
 */
type DocumentOutcome = "started" | "applied" | "restored" | "refused";

interface ReadDocument {
  /** Empty if the document could not be read. */
  readonly hash: string;
  readonly source?: string;
  readonly mistakes?: readonly string[];
}

interface Entry extends ReadDocument {
  readonly outcome: DocumentOutcome;
  /** Milliseconds since the Unix epoch. */
  readonly atMs: number;
}

/** The last documents that were read, and what became of them. */
export class ConfigHistory {
  readonly #clock: Pick<Clock, "wallMs">;
  readonly #entries: Entry[] = [];

  constructor(clock: Pick<Clock, "wallMs">) {
    this.#clock = clock;
  }

  add(outcome: DocumentOutcome, document: ReadDocument): void {
    this.#entries.unshift({ ...document, outcome, atMs: this.#clock.wallMs() });
    this.#entries.length = Math.min(this.#entries.length, documentsMax);
  }

  /** Newest first. */
  page() {
    return this.#entries.map(({ atMs, outcome, hash, source, mistakes = [] }) => ({
      at: new Date(atMs).toISOString(),
      outcome,
      hash,
      source: source ?? null,
      mistakeCount: mistakes.length,
      mistakes: mistakes.slice(0, mistakesMax),
    }));
  }
}
