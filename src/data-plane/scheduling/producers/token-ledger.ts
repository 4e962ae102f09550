import type { TokenCounts } from "../../../core/in-flight-load.ts";
import type { MemoryKind } from "../../../core/plugin-states.ts";

/** Tokens in flight by slot. The count of a slot is the sum of its open counts, also if its endpoint changes. */
export class TokenLedger implements TokenCounts {
  #tokens = new Float64Array(64);

  tokens(slot: number): number {
    return this.#tokens[slot] ?? 0;
  }

  /** Counts tokens on an endpoint until the result is called; further calls do nothing. */
  add(slot: number, tokens: number): () => void {
    // Whole numbers add up and subtract to exactly 0. NaN and infinite counts must not enter the sum.
    const count = tokens > 0 ? Math.min(Math.round(tokens), 2 ** 32) : 0;
    this.#growTo(slot);
    this.#change(slot, count);
    let isOpen = true;
    return () => {
      if (!isOpen) return;
      isOpen = false;
      this.#change(slot, -count);
    };
  }

  #change(slot: number, count: number): void {
    this.#tokens[slot] = (this.#tokens[slot] ?? 0) + count;
  }

  #growTo(slot: number): void {
    if (slot < this.#tokens.length) return;
    const larger = new Float64Array(Math.max(slot + 1, this.#tokens.length * 2));
    larger.set(this.#tokens);
    this.#tokens = larger;
  }
}

/**
 * Ledgers of producers. They do not forget an endpoint that leaves, because its requests still subtract their counts.
 */
export const tokenLedgerMemory: MemoryKind<TokenLedger> = { create: () => new TokenLedger() };
