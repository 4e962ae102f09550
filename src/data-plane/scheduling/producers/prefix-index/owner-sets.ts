const bitsPerWord = 32;

/** Initial number of rows. */
const rowsMin = 1_024;

/** Share of the given slots that own the block. */
export type KeptOwners = "nobody" | "some" | "all";

/**
 * For each block, the set of slots that hold it. Most blocks have one owner, which is stored directly; several owners
 * are a row of bits.
 */
export class OwnerSets {
  /** By block: the slot of its only owner, or the number of its row if it has several. */
  readonly #owner: Uint32Array;
  /** By block: number of its owners. */
  readonly #count: Uint16Array;
  // Signed: V8 gives up its fast code for `&` at numbers beyond 2^31.
  #rows = new Int32Array(0);
  #wordsPerRow = 1;
  #rowCount = 0;
  readonly #freeRows: number[] = [];

  /** @param blocksMax highest block number */
  constructor(blocksMax: number) {
    this.#owner = new Uint32Array(blocksMax + 1);
    this.#count = new Uint16Array(blocksMax + 1);
  }

  /** Words of a set of all slots, which is the size of the sets of `keepOwners`. */
  get wordsPerSet(): number {
    return this.#wordsPerRow;
  }

  get memoryBytes(): number {
    return this.#rows.byteLength;
  }

  countOf(block: number): number {
    return this.#count[block] ?? 0;
  }

  has(block: number, slot: number): boolean {
    const count = this.#count[block] ?? 0;
    if (count === 0) return false;
    const owner = this.#owner[block] ?? 0;
    if (count === 1) return owner === slot;
    const word = this.#rows[owner * this.#wordsPerRow + (slot >>> 5)] ?? 0;
    return slot < this.#wordsPerRow * bitsPerWord && (word & (1 << (slot & 31))) !== 0;
  }

  /** Adds a slot that does not own the block yet. */
  add(block: number, slot: number): void {
    this.#widenFor(slot);
    const count = this.#count[block] ?? 0;
    const owner = this.#owner[block] ?? 0;
    this.#count[block] = count + 1;
    if (count === 0) {
      this.#owner[block] = slot;
      return;
    }
    const row = count === 1 ? this.#takeRow() : owner;
    if (count === 1) {
      this.#owner[block] = row;
      this.#setBit(row, owner);
    }
    this.#setBit(row, slot);
  }

  /** The owner of a block that has exactly one. */
  onlyOwner(block: number): number {
    return this.#owner[block] ?? 0;
  }

  /** Removes an owner; returns the number of owners left. */
  remove(block: number, slot: number): number {
    const left = (this.#count[block] ?? 0) - 1;
    this.#count[block] = left;
    if (left === 0) return 0;
    const row = this.#owner[block] ?? 0;
    const at = row * this.#wordsPerRow + (slot >>> 5);
    this.#rows[at] = (this.#rows[at] ?? 0) & ~(1 << (slot & 31));
    if (left === 1) {
      this.#owner[block] = this.#onlyBitOf(row);
      this.#rows.fill(0, row * this.#wordsPerRow, (row + 1) * this.#wordsPerRow);
      this.#freeRows.push(row);
    }
    return left;
  }

  /**
   * Removes from `slots` all slots that do not own the block, and writes them to `left`. Returns whether none, some or
   * all of `slots` stay.
   */
  keepOwners(block: number, slots: Int32Array, left: Int32Array): KeptOwners {
    const owner = this.#owner[block] ?? 0;
    const isOne = this.#count[block] === 1;
    const start = owner * this.#wordsPerRow;
    let staying = 0;
    let leaving = 0;
    for (let word = 0; word < slots.length; word += 1) {
      const asked = slots[word] ?? 0;
      // Most words, once few slots are left.
      if (asked === 0) {
        left[word] = 0;
        continue;
      }
      const owners = isOne ? bitIn(word, owner) : (this.#rows[start + word] ?? 0);
      const stays = asked & owners;
      const leaves = asked & ~owners;
      slots[word] = stays;
      left[word] = leaves;
      staying |= stays;
      leaving |= leaves;
    }
    if (staying === 0) return "nobody";
    return leaving === 0 ? "all" : "some";
  }

  #setBit(row: number, slot: number): void {
    const at = row * this.#wordsPerRow + (slot >>> 5);
    this.#rows[at] = (this.#rows[at] ?? 0) | (1 << (slot & 31));
  }

  #onlyBitOf(row: number): number {
    for (let word = 0; word < this.#wordsPerRow; word += 1) {
      const bits = this.#rows[row * this.#wordsPerRow + word] ?? 0;
      if (bits !== 0) return word * bitsPerWord + 31 - Math.clz32(bits);
    }
    throw new Error("a row has a bit for each owner");
  }

  #takeRow(): number {
    const freed = this.#freeRows.pop();
    if (freed !== undefined) return freed;
    const row = this.#rowCount;
    this.#rowCount += 1;
    const words = this.#rowCount * this.#wordsPerRow;
    if (words > this.#rows.length) {
      const larger = new Int32Array(Math.max(rowsMin * this.#wordsPerRow, this.#rows.length * 2));
      larger.set(this.#rows);
      this.#rows = larger;
    }
    return row;
  }

  /** Doubles the width of the rows until it fits the slot. */
  #widenFor(slot: number): void {
    if (slot < this.#wordsPerRow * bitsPerWord) return;
    const narrow = this.#wordsPerRow;
    while (slot >= this.#wordsPerRow * bitsPerWord) this.#wordsPerRow *= 2;
    const wider = new Int32Array((this.#rows.length / narrow) * this.#wordsPerRow);
    for (let row = 0; row < this.#rowCount; row += 1) {
      const words = this.#rows.subarray(row * narrow, (row + 1) * narrow);
      wider.set(words, row * this.#wordsPerRow);
    }
    this.#rows = wider;
  }
}

/** One word of the set that has only `slot`. */
function bitIn(word: number, slot: number): number {
  return slot >>> 5 === word ? 1 << (slot & 31) : 0;
}
