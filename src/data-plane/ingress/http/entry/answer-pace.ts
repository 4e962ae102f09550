import type { CancelTimer, Clock } from "../../../../std/clock.ts";

/** The side of a client that reads. */
export interface AnswerReader {
  /** True while an earlier answer on the same connection precedes this one. */
  readonly waitsForTurn: boolean;
  /** Breaks the connection or the stream, as if the client had left. */
  drop(): void;
}

/** Gives up a client that takes nothing of its answer for too long. */
export class AnswerPace {
  readonly #reader: AnswerReader;
  readonly #patienceMs: number;
  readonly #clock: Pick<Clock, "after">;
  readonly #gaveUp: () => void;
  #cancel: CancelTimer | undefined;

  /** `gaveUp` runs before the client is dropped. 0 ms for no limit. */
  constructor(
    reader: AnswerReader,
    patience: { readonly clock: Pick<Clock, "after">; readonly patienceMs: number },
    gaveUp: () => void,
  ) {
    this.#reader = reader;
    this.#patienceMs = patience.patienceMs;
    this.#clock = patience.clock;
    this.#gaveUp = gaveUp;
  }

  /** The buffer of the client is full. */
  stalls(): void {
    if (!(this.#patienceMs > 0)) return;
    this.#cancel ??= this.#clock.after(this.#patienceMs, () => this.#look());
  }

  /** The buffer is empty again. */
  flows(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #look(): void {
    this.#cancel = undefined;
    // The client may read the answer before this one, whose own pace is kept.
    if (this.#reader.waitsForTurn) return this.stalls();
    this.#gaveUp();
    this.#reader.drop();
  }
}
