import { SlotColumn } from "./slot-column.ts";

/** Prompt tokens per millisecond before anything is known: a model of about 10 B parameters on one data-center GPU. */
const tokensPerMsPrior = 6;
/** Tokens that a rate begins with, as if they had been computed at the rate that is assumed. */
const priorTokens = 16_384;
/** Tokens of a sample that always count, so that a rate is neither 0 nor infinite. */
const tokensMin = 100;
/** Weight of earlier samples against a new one. */
const endpointMemory = 0.95;
const poolMemory = 0.99;
/** A sample takes at most this many times as long as expected, and a step: one late answer must not pass for slowness. */
const lateFactor = 4;
const stepMs = 50;

interface Sums {
  tokens: number;
  ms: number;
}

/**
 * Prompt tokens per millisecond that endpoints compute, learned from first tokens:
 *
 *     rate = S_tokens / S_ms
 *
 * `S` are sums over the endpoint's samples, each with the weight 0.95^age. They begin with 16,384 tokens at the rate of
 * the pool, which fade as samples do. An endpoint without samples has the rate of the pool.
 */
export class PrefillRates {
  readonly #pool = sumsAt(tokensPerMsPrior);
  /** Sums of endpoints with samples. */
  readonly #tokens = new SlotColumn();
  readonly #ms = new SlotColumn();
  #poolTokensPerMs = tokensPerMsPrior;
  /** Time of `tokensMin` at that rate. */
  #poolMsMin = tokensMin / tokensPerMsPrior;

  tokensPerMs(slot: number): number {
    const tokens = this.#tokens.at(slot);
    if (Number.isNaN(tokens)) return this.#poolTokensPerMs;
    return (tokens + tokensMin) / (this.#ms.at(slot) + this.#poolMsMin);
  }

  /** True if the rate comes from the endpoint's own first tokens, in part at least. */
  isLearned(slot: number): boolean {
    return !Number.isNaN(this.#tokens.at(slot));
  }

  /** Writes `tokensPerMs` of these slots, for which the columns have room, to a column by slot. */
  read(slots: Int32Array, tokensPerMs: Float64Array): void {
    const tokens = this.#tokens.values;
    const ms = this.#ms.values;
    const pool = this.#poolTokensPerMs;
    const poolMsMin = this.#poolMsMin;
    const count = slots.length;
    for (let index = 0; index < count; index += 1) {
      const slot = slots[index] ?? 0;
      const rate = ((tokens[slot] ?? 0) + tokensMin) / ((ms[slot] ?? 0) + poolMsMin);
      // NaN without samples.
      tokensPerMs[slot] = rate > 0 ? rate : pool;
    }
  }

  get poolTokensPerMs(): number {
    return this.#poolTokensPerMs;
  }

  note(slot: number, tokens: number, tookMs: number): void {
    const expectedMs = tokens / this.tokensPerMs(slot);
    const ms = Math.min(Math.max(0, tookMs), lateFactor * expectedMs + stepMs);
    const own = this.#sumsOf(slot);
    this.#tokens.set(slot, own.tokens * endpointMemory + tokens);
    this.#ms.set(slot, own.ms * endpointMemory + ms);
    this.#pool.tokens = this.#pool.tokens * poolMemory + tokens;
    this.#pool.ms = this.#pool.ms * poolMemory + ms;
    this.#learnPool();
  }

  /** Corrects the tokens of a sample once the engine reports how many it computed. */
  correct(slot: number, tokens: number): void {
    const own = this.#tokens.at(slot);
    // Samples since then have taken weight off it, on average half.
    if (!Number.isNaN(own)) this.#tokens.set(slot, Math.max(0, own + tokens / 2));
    this.#pool.tokens = Math.max(0, this.#pool.tokens + tokens / 2);
    this.#learnPool();
  }

  fit(slots: number): void {
    this.#tokens.fit(slots);
    this.#ms.fit(slots);
  }

  forget(slot: number): void {
    this.#tokens.forget(slot);
    this.#ms.forget(slot);
  }

  #learnPool(): void {
    this.#poolTokensPerMs = rateOf(this.#pool, tokensPerMsPrior);
    this.#poolMsMin = tokensMin / this.#poolTokensPerMs;
  }

  #sumsOf(slot: number): Sums {
    const tokens = this.#tokens.at(slot);
    return Number.isNaN(tokens) ? sumsAt(this.#poolTokensPerMs) : { tokens, ms: this.#ms.at(slot) };
  }
}

function sumsAt(tokensPerMs: number): Sums {
  return { tokens: priorTokens, ms: priorTokens / tokensPerMs };
}

function rateOf({ tokens, ms }: Sums, assumedTokensPerMs: number): number {
  return (tokens + tokensMin) / (ms + tokensMin / assumedTokensPerMs);
}
