/**
 * Tokens that stand for the part of a first token's time that no prompt avoids: queueing for a
 * step, and one step.
 */
const baseTokens = 256;
/**
 * Number of kinds of work: each twice as much as the one before, the last one 500,000 tokens and
 * more.
 */
const octavesMax = 12;
/** Weight of one answer in the usual time, which thus averages about 200 answers. */
const usualWeight = 0.005;
/**
 * An answer that is late by this factor has that low weight even if few answers are known: a fault
 * must not pass for usual.
 */
const farFactor = 2;
/** Minimum answers of a kind for a usual time. */
const usualMin = 20;

/** Known work between a request and its first token. */
export interface PlacedWork {
  /** Prompt tokens to compute before it: its own, and those of requests before and with it. */
  readonly tokens: number;
  /**
   * Requests at the endpoint, its own among them: each one that decodes makes every step longer.
   */
  readonly requests: number;
}

/** The kind of work, from 0 for the least. */
export function octaveOf(tokens: number): number {
  return Math.min(octavesMax - 1, Math.floor(Math.log2(1 + tokens / baseTokens)));
}

/**
 * An endpoint's usual times to first token by the work before them, as means of logarithms.
 *
 * Nothing is fitted. More work takes longer but, since every request has a fixed cost, at most in
 * proportion; more requests make a step longer, but far less than in proportion. So each kind of
 * work bounds all others: the usual time is the least of
 *
 *     time of a kind x max(1, tokens / its tokens, sqrt(requests / its requests))
 */
export class WorkCurve {
  /** Answers whose work was known. */
  readonly #known = new OctaveMeans();
  /** Answers whose work was at least the noted work, so that their times are upper bounds too. */
  readonly #bounding = new OctaveMeans();

  note(work: PlacedWork, ttftMs: number): void {
    this.#known.note(work, ttftMs);
  }

  /** @param work lower bound of the work before the answer */
  noteAtLeast(work: PlacedWork, ttftMs: number): void {
    this.#bounding.note(work, ttftMs);
  }

  /**
   * Logarithm of the upper bound of this work's usual milliseconds; undefined while no kind is
   * known.
   */
  logUsual(work: PlacedWork): number | undefined {
    const known = this.#known.logBound(work);
    const bounding = this.#bounding.logBound(work);
    if (known === undefined || bounding === undefined) return known ?? bounding;
    return Math.min(known, bounding);
  }

  /**
   * Upper bound of the milliseconds that this work usually takes; undefined while no kind is known.
   */
  usualMs(work: PlacedWork): number | undefined {
    const log = this.logUsual(work);
    return log === undefined ? undefined : Math.exp(log);
  }
}

class OctaveMeans {
  readonly #counts = new Uint32Array(octavesMax);
  readonly #logMs = new Float64Array(octavesMax);
  readonly #logTokens = new Float64Array(octavesMax);
  readonly #logRequests = new Float64Array(octavesMax);

  note({ tokens, requests }: PlacedWork, ttftMs: number): void {
    const octave = octaveOf(tokens);
    const count = (this.#counts[octave] ?? 0) + 1;
    this.#counts[octave] = count;
    const logMs = Math.log(Math.max(1, ttftMs));
    const isFar = count > usualMin && logMs - at(this.#logMs, octave) > Math.log(farFactor);
    const weight = isFar ? usualWeight : Math.max(usualWeight, 1 / count);
    move(this.#logMs, octave, { to: logMs, weight });
    move(this.#logTokens, octave, { to: Math.log(baseTokens + tokens), weight });
    move(this.#logRequests, octave, { to: Math.log(Math.max(1, requests)), weight });
  }

  /** The least bound that any kind gives; undefined while none is known. */
  logBound({ tokens, requests }: PlacedWork): number | undefined {
    const logTokens = Math.log(baseTokens + tokens);
    const logRequests = Math.log(Math.max(1, requests));
    let least: number | undefined;
    for (let octave = 0; octave < octavesMax; octave += 1) {
      if ((this.#counts[octave] ?? 0) < usualMin) continue;
      const bound =
        at(this.#logMs, octave) +
        Math.max(
          0,
          logTokens - at(this.#logTokens, octave),
          (logRequests - at(this.#logRequests, octave)) / 2,
        );
      if (least === undefined || bound < least) least = bound;
    }
    return least;
  }
}

function at(values: Float64Array, index: number): number {
  return values[index] ?? 0;
}

function move(
  values: Float64Array,
  index: number,
  { to, weight }: { readonly to: number; readonly weight: number },
): void {
  values[index] = at(values, index) + weight * (to - at(values, index));
}
