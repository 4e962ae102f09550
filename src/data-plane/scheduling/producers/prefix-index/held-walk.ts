import type { HeldBlocks } from "../../../../core/prefix-match.ts";

/** Blocks that are sampled, evenly spread. */
const samplesMax = 64;

interface BlockFacts {
  readonly holdersOf: (block: number) => number;
  readonly usesPerSecondOf: (block: number) => number;
}

/** The blocks that a match found along a prompt, in its order, and samples of them in columns that the next one overwrites. */
export class HeldWalk implements HeldBlocks {
  readonly positions = new Uint32Array(samplesMax);
  readonly holders = new Uint32Array(samplesMax);
  readonly usesPerSecond = new Float64Array(samplesMax);
  count = 0;
  blocksEach = 0;
  #blocks = new Uint32Array(1_024);
  #blockCount = 0;

  /** @param chain of the prompt: two words for each block */
  begin(chain: Uint32Array | undefined): void {
    this.#blockCount = 0;
    if ((chain?.length ?? 0) / 2 > this.#blocks.length) {
      this.#blocks = new Uint32Array(chain?.length ?? 0);
    }
  }

  note(position: number, block: number): void {
    this.#blocks[position] = block;
    this.#blockCount = position + 1;
  }

  /** Samples the blocks of the walk into the columns. */
  sample({ holdersOf, usesPerSecondOf }: BlockFacts): HeldBlocks {
    this.count = Math.min(this.#blockCount, samplesMax);
    this.blocksEach = this.count === 0 ? 0 : this.#blockCount / this.count;
    for (let sample = 0; sample < this.count; sample += 1) {
      const position = Math.floor((sample + 0.5) * this.blocksEach);
      const block = this.#blocks[position] ?? 0;
      this.positions[sample] = position;
      this.holders[sample] = holdersOf(block);
      this.usesPerSecond[sample] = usesPerSecondOf(block);
    }
    return this;
  }
}
