/** Seconds after which a use counts 1/e. */
const memorySeconds = 60;

/** Decay of a rate by whole seconds; beyond the table nothing is left. */
const decays = Float64Array.from({ length: 10 * memorySeconds }, (_, seconds) =>
  Math.exp(-seconds / memorySeconds),
);

/** Bytes of a block in all columns. */
export const blockUseBytes = 2 * 4;

/**
 * Uses of blocks per second, as decayed counts:
 *
 *     rate = sum over uses of exp(-age / 60 s) / 60 s
 */
export class BlockUses {
  readonly #rates: Float32Array;
  /** Time of the last use, in seconds. */
  readonly #usedAtS: Uint32Array;

  /** @param blocksMax highest block number */
  constructor(blocksMax: number) {
    this.#rates = new Float32Array(blocksMax + 1);
    this.#usedAtS = new Uint32Array(blocksMax + 1);
  }

  /** Forgets all uses of a block number, which another block takes. */
  clear(block: number): void {
    this.#rates[block] = 0;
  }

  note(block: number, nowS: number): void {
    this.#rates[block] = this.perSecond(block, nowS) + 1 / memorySeconds;
    this.#usedAtS[block] = nowS;
  }

  perSecond(block: number, nowS: number): number {
    const rate = this.#rates[block] ?? 0;
    if (rate === 0) return 0;
    const decay = decays[nowS - (this.#usedAtS[block] ?? 0)] ?? 0;
    return rate * decay;
  }
}
