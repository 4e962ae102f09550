/** The work of an engine while it had one request. */
export interface EngineWork {
  /** Prompt tokens that it computed. */
  readonly promptTokens: number;
  /** Tokens of the request's answer, one in a step. */
  readonly outputTokens: number;
  /** Requests that generated in these steps, on average. */
  readonly decoding: number;
}

/** Milliseconds of a prompt token, of a step, and of a request in it: a model of about 10 B parameters on one data-center GPU. */
const assumed = { promptTokenMs: 1 / 6, stepMs: 20, decodingMs: 0.3 } as const;
/** Weight of earlier answers against a new one. */
const memory = 0.98;
/** Weight of the assumption that all costs of an engine are the same multiple of the assumed ones, in answers. */
const proportionWeight = 0.1;
/** Weight of the assumed costs themselves, in answers. */
const assumedWeight = 0.03;
/** Least multiple of an assumed cost. */
const multipleMin = 0.05;
/** An answer takes at most this many times as long as expected, and at least that part of it. */
const surpriseMax = 2;

/**
 * The costs of one engine's work, learned from the time of whole answers:
 *
 *     time = p x prompt tokens + (a + b x decoding) x output tokens
 *
 * `p`, `a` and `b` are fitted by least squares of relative errors, each answer with the weight 0.98^age. Answers often do
 * not tell the three apart; the costs then keep the proportions of the assumed ones, which engines share more or less.
 */
export class WorkCosts {
  // Sums of products of the three terms and of the time, each at assumed costs and as a share of the expected time.
  #pp = 0;
  #pa = 0;
  #pb = 0;
  #aa = 0;
  #ab = 0;
  #bb = 0;
  #pTime = 0;
  #aTime = 0;
  #bTime = 0;
  /** The fitted multiples of the assumed costs. */
  #p = 1;
  #a = 1;
  #b = 1;

  expectedMs({ promptTokens, outputTokens, decoding }: EngineWork): number {
    return this.promptMs(promptTokens) + outputTokens * this.stepMs(decoding);
  }

  promptMs(tokens: number): number {
    return this.#p * assumed.promptTokenMs * tokens;
  }

  stepMs(decoding: number): number {
    return this.#a * assumed.stepMs + this.#b * assumed.decodingMs * decoding;
  }

  /** `usualMs`: answers that take less than this count less, because small errors are a larger part of them. */
  note(work: EngineWork, tookMs: number, usualMs: number): void {
    const expectedMs = this.expectedMs(work);
    const weight = expectedMs / (expectedMs + usualMs);
    const time = Math.min(surpriseMax, Math.max(1 / surpriseMax, tookMs / expectedMs));
    const p = (work.promptTokens * assumed.promptTokenMs) / expectedMs;
    const a = (work.outputTokens * assumed.stepMs) / expectedMs;
    const b = (work.outputTokens * work.decoding * assumed.decodingMs) / expectedMs;
    this.#pp = this.#pp * memory + weight * p * p;
    this.#pa = this.#pa * memory + weight * p * a;
    this.#pb = this.#pb * memory + weight * p * b;
    this.#aa = this.#aa * memory + weight * a * a;
    this.#ab = this.#ab * memory + weight * a * b;
    this.#bb = this.#bb * memory + weight * b * b;
    this.#pTime = this.#pTime * memory + weight * p * time;
    this.#aTime = this.#aTime * memory + weight * a * time;
    this.#bTime = this.#bTime * memory + weight * b * time;
    this.#fit();
  }

  /**
   * Minimizes the squared errors, plus `proportionWeight` times the squared distances of the multiples from their mean,
   * plus `assumedWeight` times those from 1: three linear equations, by Cramer's rule.
   */
  #fit(): void {
    const own = assumedWeight + (2 / 3) * proportionWeight;
    const shared = -proportionWeight / 3;
    // Each in a statement of its own: arrays taken apart are objects here, for each answer.
    const pp = this.#pp + own;
    const aa = this.#aa + own;
    const bb = this.#bb + own;
    const pa = this.#pa + shared;
    const pb = this.#pb + shared;
    const ab = this.#ab + shared;
    const p = this.#pTime + assumedWeight;
    const a = this.#aTime + assumedWeight;
    const b = this.#bTime + assumedWeight;
    const cpp = aa * bb - ab * ab;
    const cpa = pb * ab - pa * bb;
    const cpb = pa * ab - pb * aa;
    const caa = pp * bb - pb * pb;
    const cab = pb * pa - pp * ab;
    const cbb = pp * aa - pa * pa;
    const determinant = pp * cpp + pa * cpa + pb * cpb;
    this.#p = Math.max(multipleMin, (cpp * p + cpa * a + cpb * b) / determinant);
    this.#a = Math.max(multipleMin, (cpa * p + caa * a + cab * b) / determinant);
    this.#b = Math.max(multipleMin, (cpb * p + cab * a + cbb * b) / determinant);
  }
}
