import type { Random } from "../../src/std/random.ts";

/** Choices of one seed. */
export class Pick {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  /** 0 .. below - 1. */
  below(count: number): number {
    return Math.floor(this.#random() * count);
  }

  chance(share: number): boolean {
    return this.#random() < share;
  }

  of<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new Error("nothing to pick from");
    return item;
  }

  bytes(length: number): string {
    return String.fromCodePoint(...Array.from({ length }, () => this.below(256)));
  }
}
