import { FadingLine } from "./fading-line.ts";

const memory = 0.99;
/** Milliseconds below which errors count in full, and above which they count as a share. */
const shareFromMs = 100;
/** The expected time is right until samples show otherwise. */
const prior = [
  { x: 0, y: 20, weight: 4 / shareFromMs ** 2 },
  { x: 1_000, y: 1_020, weight: 4 / (shareFromMs + 1_000) ** 2 },
];

/**
 * The time to first token that follows on an expected time of computation: steps have a fixed cost, and requests wait
 * for the step under way. A line through the pool's samples, which minimizes relative errors.
 */
export class TtftCorrection {
  readonly #line = new FadingLine(memory, prior);

  ttftMs(expectedMs: number): number {
    return this.#line.at(expectedMs);
  }

  note(expectedMs: number, ttftMs: number): void {
    this.#line.note({ x: expectedMs, y: ttftMs, weight: 1 / (shareFromMs + expectedMs) ** 2 });
  }
}
