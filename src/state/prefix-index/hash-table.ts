/** Shards of a table: each grows by itself, so that no growth stops the world for long. */
const shardCount = 64;
const shardBits = 6;

/** Places of a shard that is new; a power of two. */
const placesMin = 16;

/**
 * Share of a shard's places in use beyond which it grows: from the first number for the first shard
 * to the second for the last, so that shards that fill alike grow one after another.
 */
const growAtMin = 0.5;
const growAtMax = 0.75;

/** Share below which a shard shrinks by half. */
const shrinkAt = 0.1;

/** One shard: places of two words, a tag and the number it leads to, 0 for an empty place. */
interface Shard {
  words: Uint32Array;
  mask: number;
  count: number;
}

/**
 * Leads from hashes of 64 bits to numbers from 1 on, in typed arrays: open addressing with linear
 * probing and without tombstones.
 *
 * The low word of a hash says where to look, the high one lies in the place as its tag. That both
 * are equal is checked before a number is given out.
 */
export class HashTable {
  readonly #shards: Shard[] = Array.from({ length: shardCount }, () => ({
    words: new Uint32Array(placesMin * 2),
    mask: placesMin - 1,
    count: 0,
  }));
  /** The low word of the hash that a number belongs to: what a number's place follows from. */
  readonly #lowOf: (number: number) => number;

  constructor(lowOf: (number: number) => number) {
    this.#lowOf = lowOf;
  }

  get memoryBytes(): number {
    return this.#shards.reduce((sum, { words }) => sum + words.byteLength, 0);
  }

  /** The number of a hash; 0 where there is none. */
  find(low: number, high: number): number {
    const { words, mask } = this.#shardOf(low);
    for (let place = (low >>> shardBits) & mask; ; place = (place + 1) & mask) {
      const number = words[place * 2 + 1] ?? 0;
      if (number === 0) return 0;
      if (words[place * 2] === high && this.#lowOf(number) === low) return number;
    }
  }

  /** Adds a hash that is not there yet. */
  add(low: number, high: number, number: number): void {
    const shard = this.#shardOf(low);
    const growAt = growAtMin + ((growAtMax - growAtMin) * (low & (shardCount - 1))) / shardCount;
    if (shard.count + 1 > (shard.mask + 1) * growAt) this.#resize(shard, (shard.mask + 1) * 2);
    put(shard, { low, high, number });
    shard.count += 1;
  }

  /** Removes a hash by the number it leads to. */
  remove(low: number, number: number): void {
    const shard = this.#shardOf(low);
    const { words, mask } = shard;
    let place = (low >>> shardBits) & mask;
    while (words[place * 2 + 1] !== number) {
      if (words[place * 2 + 1] === 0) throw new Error("what is removed is in the table");
      place = (place + 1) & mask;
    }
    this.#closeGap(shard, place);
    shard.count -= 1;
    const places = mask + 1;
    if (places > placesMin && shard.count < places * shrinkAt) this.#resize(shard, places / 2);
  }

  /** Moves what follows an emptied place up, as long as it may lie there. */
  #closeGap({ words, mask }: Shard, emptied: number): void {
    let gap = emptied;
    for (let place = (gap + 1) & mask; ; place = (place + 1) & mask) {
      const number = words[place * 2 + 1] ?? 0;
      if (number === 0) break;
      const home = (this.#lowOf(number) >>> shardBits) & mask;
      // It may move if its home does not lie between the gap and where it is.
      if (((place - home) & mask) < ((place - gap) & mask)) continue;
      words[gap * 2] = words[place * 2] ?? 0;
      words[gap * 2 + 1] = number;
      gap = place;
    }
    words[gap * 2] = 0;
    words[gap * 2 + 1] = 0;
  }

  #resize(shard: Shard, places: number): void {
    const { words } = shard;
    shard.words = new Uint32Array(places * 2);
    shard.mask = places - 1;
    for (let at = 0; at < words.length; at += 2) {
      const number = words[at + 1] ?? 0;
      if (number !== 0) put(shard, { low: this.#lowOf(number), high: words[at] ?? 0, number });
    }
  }

  #shardOf(low: number): Shard {
    const shard = this.#shards[low & (shardCount - 1)];
    if (shard === undefined) throw new Error("there is a shard for every hash");
    return shard;
  }
}

function put(
  { words, mask }: Shard,
  { low, high, number }: { low: number; high: number; number: number },
): void {
  let place = (low >>> shardBits) & mask;
  while (words[place * 2 + 1] !== 0) place = (place + 1) & mask;
  words[place * 2] = high;
  words[place * 2 + 1] = number;
}
