import { FadingLine } from "./fading-line.ts";

const memory = 0.99;
/** Times below this count as this long: errors of a few milliseconds say nothing. */
const ttftMsMin = 20;
/** Shares of the time below and above which all errors are alike. */
const errorShareMin = 0.1;
const errorShareMax = 0.6;
/** The expected time is right until samples show otherwise. */
const prior = [
  { x: 0, y: 20, weight: 4e-4 },
  { x: 1_000, y: 1_020, weight: 4e-6 },
];

/**
 * The time to first token that follows on an expected time of computation: steps have a fixed cost, and requests wait
 * for the step under way.
 *
 * A line through the pool's samples with the least mean relative error. An answer whose prompt shared its step with a
 * long one that came later took several times as long as others like it; no prediction can know that, and such answers
 * must not spoil those of the others. So a sample has a weight of `1 / (time x |error|)`, with its error against the
 * line before it. The bounds on that error keep the line from holding on to a past in which engines behaved differently.
 */
export class TtftCorrection {
  readonly #line = new FadingLine(memory, prior);

  ttftMs(expectedMs: number): number {
    return this.#line.at(expectedMs);
  }

  note(expectedMs: number, ttftMs: number): void {
    const scaleMs = Math.max(ttftMsMin, ttftMs);
    const errorShare = Math.abs(this.ttftMs(expectedMs) - ttftMs) / scaleMs;
    const share = Math.min(errorShareMax, Math.max(errorShareMin, errorShare));
    this.#line.note({ x: expectedMs, y: ttftMs, weight: 1 / (share * scaleMs ** 2) });
  }
}
