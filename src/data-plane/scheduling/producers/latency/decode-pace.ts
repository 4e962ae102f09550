import { FadingLine } from "./fading-line.ts";

/** Weight of earlier samples of the pool against a new one. */
const poolMemory = 0.99;
/** Weight of one sample in an endpoint's factor. */
const endpointWeight = 0.1;
/** Bounds of a factor, and of one sample against what is expected: clients that read slowly stretch answers at will. */
const factorMin = 0.1;
const factorMax = 10;
/** Milliseconds that a token takes at least: less says only that several came at once. */
const tokenMsMin = 0.1;
/** A model of about 10 B parameters on one data-center GPU, alone and with 31 others. */
const prior = [
  { x: 1, y: 20, weight: 1 },
  { x: 32, y: 30, weight: 1 },
];

/**
 * Milliseconds per further token, by the number of requests that decode on an endpoint:
 *
 *     time = factor of the endpoint x (a + b x requests)
 *
 * `a` and `b` are the least-squares line through the answers of the pool, with the weight 0.99^age.
 */
export class DecodePace {
  readonly #pool = new FadingLine(poolMemory, prior);
  readonly #factors: (number | undefined)[] = [];

  tpotMs(slot: number, requests: number): number {
    return (this.#factors[slot] ?? 1) * this.#pool.at(requests);
  }

  note(slot: number, requests: number, ms: number): void {
    const factor = this.#factors[slot] ?? 1;
    const expectedMs = Math.max(tokenMsMin, this.#pool.at(requests));
    const seen = Math.min(factorMax, Math.max(factorMin, ms / expectedMs));
    this.#factors[slot] = factor + endpointWeight * (seen - factor);
    const poolMs = Math.max(tokenMsMin, (seen * expectedMs) / factor);
    this.#pool.note({ x: requests, y: poolMs, weight: 1 });
  }

  forget(slot: number): void {
    this.#factors[slot] = undefined;
  }
}
