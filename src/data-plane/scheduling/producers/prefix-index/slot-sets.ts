// Sets of slots, as one bit each. Words are signed: V8 would give up its fast code for `&` at each slot that is the
// highest of a word.

/** The only slot of a set; undefined if the set has none or several. */
export function onlySlotOf(slots: Int32Array): number | undefined {
  let only: number | undefined;
  for (let word = 0; word < slots.length; word += 1) {
    const bits = slots[word] ?? 0;
    if (bits === 0) continue;
    if (only !== undefined || (bits & (bits - 1)) !== 0) return undefined;
    only = word * 32 + 31 - Math.clz32(bits);
  }
  return only;
}

interface Counting {
  readonly matched: Uint32Array;
  readonly blocks: number;
}

/** Adds `blocks` to the count of every slot of a set. */
export function addForAll(alive: Int32Array, counting: Counting): void {
  for (let word = 0; word < alive.length; word += 1) addForBits(word, alive[word] ?? 0, counting);
}

function addForBits(word: number, bits: number, { matched, blocks }: Counting): void {
  let left = bits;
  while (left !== 0) {
    const bit = 31 - Math.clz32(left);
    const slot = word * 32 + bit;
    matched[slot] = (matched[slot] ?? 0) + blocks;
    left &= ~(1 << bit);
  }
}
