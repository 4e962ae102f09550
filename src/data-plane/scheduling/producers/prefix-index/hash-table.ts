/** Shards of a table. Each grows separately, so that no growth blocks for long. */
const shardCount = 64;
const shardBits = 6;

/** Places of a new shard; a power of two. */
const placesMin = 16;

/**
 * Used share of a shard's places beyond which it grows: `growAtMin` for the first shard, rising to `growAtMax` for the
 * last, so that evenly filled shards grow one after another.
 */
const growAtMin = 0.5;
const growAtMax = 0.75;

/** Used share below which a shard shrinks by half. */
const shrinkAt = 0.1;

/** The hashes of the numbers in a table, which are kept elsewhere. */
export interface HashesByNumber {
  lowOf(number: number): number;
  has(number: number, low: number, high: number): boolean;
}

interface Shard {
  /**
   * A place is a number, and the highest bits of its hash's low half in the bits that numbers leave free; 0 if it is empty.
   * Signed: V8 gives up its fast code for `&` at numbers beyond 2^31.
   */
  words: Int32Array;
  mask: number;
  count: number;
}

/**
 * Maps 64-bit hashes to numbers from 1 on, in typed arrays: open addressing with linear probing and without tombstones.
 * The low half of a hash selects the shard and the place. A place takes four bytes: the hash itself is read by its number,
 * and only if the bits next to that agree.
 */
export class HashTable {
  readonly #hashes: HashesByNumber;
  readonly #numberMask: number;
  readonly #shards: readonly Shard[] = Array.from({ length: shardCount }, () => ({
    words: new Int32Array(placesMin),
    mask: placesMin - 1,
    count: 0,
  }));

  /** @param numberMax highest number, below 2^31 */
  constructor(hashes: HashesByNumber, numberMax: number) {
    this.#hashes = hashes;
    this.#numberMask = 2 ** (32 - Math.clz32(numberMax)) - 1;
  }

  get memoryBytes(): number {
    return this.#shards.reduce((sum, { words }) => sum + words.byteLength, 0);
  }

  /** The number of a hash; 0 if the hash is not in the table. */
  find(low: number, high: number): number {
    const { words, mask } = this.#shardOf(low);
    const numberMask = this.#numberMask;
    for (let place = (low >>> shardBits) & mask; ; place = (place + 1) & mask) {
      const word = words[place] ?? 0;
      if (word === 0) return 0;
      if (((word ^ low) & ~numberMask) !== 0) continue;
      const number = word & numberMask;
      if (this.#hashes.has(number, low, high)) return number;
    }
  }

  /** Adds a hash that is not in the table. */
  add(low: number, number: number): void {
    const shard = this.#shardOf(low);
    const growAt = growAtMin + ((growAtMax - growAtMin) * (low & (shardCount - 1))) / shardCount;
    if (shard.count + 1 > (shard.mask + 1) * growAt) this.#resize(shard, (shard.mask + 1) * 2);
    put(shard, low, (low & ~this.#numberMask) | number);
    shard.count += 1;
  }

  /** Removes a number that is in the table with this low half of its hash. */
  remove(low: number, number: number): void {
    const shard = this.#shardOf(low);
    const { words, mask } = shard;
    const numberMask = this.#numberMask;
    let place = (low >>> shardBits) & mask;
    while (((words[place] ?? 0) & numberMask) !== number) {
      if (words[place] === 0) throw new Error("what is removed is in the table");
      place = (place + 1) & mask;
    }
    this.#closeGap(shard, place);
    shard.count -= 1;
    const places = mask + 1;
    if (places > placesMin && shard.count < places * shrinkAt) this.#resize(shard, places / 2);
  }

  #shardOf(low: number): Shard {
    const shard = this.#shards[low & (shardCount - 1)];
    if (shard === undefined) throw new Error("there is a shard for every hash");
    return shard;
  }

  /** Fills an emptied place by moving later entries of the same run, so that probing finds them without tombstones. */
  #closeGap({ words, mask }: Shard, emptied: number): void {
    let gap = emptied;
    for (let place = (gap + 1) & mask; ; place = (place + 1) & mask) {
      const word = words[place] ?? 0;
      if (word === 0) break;
      const home = (this.#hashes.lowOf(word & this.#numberMask) >>> shardBits) & mask;
      // An entry may move unless its home place is between the gap and its place.
      if (((place - home) & mask) < ((place - gap) & mask)) continue;
      words[gap] = word;
      gap = place;
    }
    words[gap] = 0;
  }

  #resize(shard: Shard, places: number): void {
    const { words } = shard;
    shard.words = new Int32Array(places);
    shard.mask = places - 1;
    for (const word of words) {
      if (word !== 0) put(shard, this.#hashes.lowOf(word & this.#numberMask), word);
    }
  }
}

function put({ words, mask }: Shard, low: number, word: number): void {
  let place = (low >>> shardBits) & mask;
  while (words[place] !== 0) place = (place + 1) & mask;
  words[place] = word;
}
