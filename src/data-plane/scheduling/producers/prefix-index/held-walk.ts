import type { HeldBlocks } from "../../../../core/prefix-match.ts";

/** Blocks that are sampled, evenly spread. */
const samplesMax = 64;

interface BlockFacts {
  readonly holdersOf: (block: number) => number;
  readonly usesPerSecondOf: (block: number) => number;
}

/** The blocks that a match found along a prompt, in its order. */
export class HeldWalk {
  #blocks = new Uint32Array(1_024);
  #count = 0;

  /** @param chain of the prompt: two words for each block */
  begin(chain: Uint32Array | undefined): void {
    this.#count = 0;
    if ((chain?.length ?? 0) / 2 > this.#blocks.length) {
      this.#blocks = new Uint32Array(chain?.length ?? 0);
    }
  }

  note(position: number, block: number): void {
    this.#blocks[position] = block;
    this.#count = position + 1;
  }

  sampled({ holdersOf, usesPerSecondOf }: BlockFacts): HeldBlocks {
    const count = Math.min(this.#count, samplesMax);
    const blocksEach = count === 0 ? 0 : this.#count / count;
    const positions = new Uint32Array(count);
    const holders = new Uint32Array(count);
    const usesPerSecond = new Float64Array(count);
    for (let sample = 0; sample < count; sample += 1) {
      const position = Math.floor((sample + 0.5) * blocksEach);
      const block = this.#blocks[position] ?? 0;
      positions[sample] = position;
      holders[sample] = holdersOf(block);
      usesPerSecond[sample] = usesPerSecondOf(block);
    }
    return { positions, holders, usesPerSecond, blocksEach };
  }
}
