/** Shards of a table. Each grows separately, so that no growth blocks for long. */
const shardCount = 64;
const shardBits = 6;

/** Places of a new shard; a power of two. */
const placesMin = 16;

/** Words of a place: both halves of the hash, and its number, which is 0 for an empty place. */
const placeWords = 3;

/**
 * Used share of a shard's places beyond which it grows: `growAtMin` for the first shard, rising to `growAtMax` for the
 * last, so that evenly filled shards grow one after another.
 */
const growAtMin = 0.5;
const growAtMax = 0.75;

/** Used share below which a shard shrinks by half. */
const shrinkAt = 0.1;

interface Shard {
  words: Uint32Array;
  mask: number;
  count: number;
}

/**
 * Maps 64-bit hashes to numbers from 1 on, in typed arrays: open addressing with linear probing and without tombstones.
 * The low half of a hash selects the shard and the place.
 */
export class HashTable {
  readonly #shards: readonly Shard[] = Array.from({ length: shardCount }, () => ({
    words: new Uint32Array(placesMin * placeWords),
    mask: placesMin - 1,
    count: 0,
  }));

  get memoryBytes(): number {
    return this.#shards.reduce((sum, { words }) => sum + words.byteLength, 0);
  }

  /** The number of a hash; 0 if the hash is not in the table. */
  find(low: number, high: number): number {
    const { words, mask } = this.#shardOf(low);
    for (let place = (low >>> shardBits) & mask; ; place = (place + 1) & mask) {
      const at = place * placeWords;
      const number = words[at + 2] ?? 0;
      if (number === 0 || (words[at] === low && words[at + 1] === high)) return number;
    }
  }

  /** Adds a hash that is not in the table. */
  add(low: number, high: number, number: number): void {
    const shard = this.#shardOf(low);
    const growAt = growAtMin + ((growAtMax - growAtMin) * (low & (shardCount - 1))) / shardCount;
    if (shard.count + 1 > (shard.mask + 1) * growAt) resize(shard, (shard.mask + 1) * 2);
    put(shard, { low, high, number });
    shard.count += 1;
  }

  /** Removes a hash that is in the table. */
  remove(low: number, high: number): void {
    const shard = this.#shardOf(low);
    const { words, mask } = shard;
    let place = (low >>> shardBits) & mask;
    while (words[place * placeWords] !== low || words[place * placeWords + 1] !== high) {
      if (words[place * placeWords + 2] === 0) throw new Error("what is removed is in the table");
      place = (place + 1) & mask;
    }
    closeGap(shard, place);
    shard.count -= 1;
    const places = mask + 1;
    if (places > placesMin && shard.count < places * shrinkAt) resize(shard, places / 2);
  }

  #shardOf(low: number): Shard {
    const shard = this.#shards[low & (shardCount - 1)];
    if (shard === undefined) throw new Error("there is a shard for every hash");
    return shard;
  }
}

/** Fills an emptied place by moving later entries of the same run, so that probing finds them without tombstones. */
function closeGap({ words, mask }: Shard, emptied: number): void {
  let gap = emptied;
  for (let place = (gap + 1) & mask; ; place = (place + 1) & mask) {
    const at = place * placeWords;
    if (words[at + 2] === 0) break;
    const home = ((words[at] ?? 0) >>> shardBits) & mask;
    // An entry may move unless its home place is between the gap and its place.
    if (((place - home) & mask) < ((place - gap) & mask)) continue;
    words.copyWithin(gap * placeWords, at, at + placeWords);
    gap = place;
  }
  words.fill(0, gap * placeWords, (gap + 1) * placeWords);
}

function resize(shard: Shard, places: number): void {
  const { words } = shard;
  shard.words = new Uint32Array(places * placeWords);
  shard.mask = places - 1;
  for (let at = 0; at < words.length; at += placeWords) {
    const number = words[at + 2] ?? 0;
    if (number !== 0) put(shard, { low: words[at] ?? 0, high: words[at + 1] ?? 0, number });
  }
}

function put(
  { words, mask }: Shard,
  { low, high, number }: { low: number; high: number; number: number },
): void {
  let place = (low >>> shardBits) & mask;
  while (words[place * placeWords + 2] !== 0) place = (place + 1) & mask;
  const at = place * placeWords;
  words[at] = low;
  words[at + 1] = high;
  words[at + 2] = number;
}
