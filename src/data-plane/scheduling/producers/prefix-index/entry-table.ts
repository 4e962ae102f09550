import { HashTable } from "./hash-table.ts";

/** Spreads block numbers over 32 bits, so that slots can be added: 2^32 divided by the golden ratio. */
const blockFactor = 0x9e3779b1;

/** Finds entries by block and slot. Their columns are the index's, and have to be written before an entry is added. */
export class EntryTable {
  readonly #entryBlock: Uint32Array;
  readonly #entrySlot: Uint16Array;
  readonly #table: HashTable;

  constructor(entryBlock: Uint32Array, entrySlot: Uint16Array) {
    this.#entryBlock = entryBlock;
    this.#entrySlot = entrySlot;
    const hashes = {
      lowOf: (entry: number) => this.#keyLowOf(entry),
      has: (entry: number, low: number, block: number) =>
        this.#entryBlock[entry] === block && this.#keyLowOf(entry) === low,
    };
    this.#table = new HashTable(hashes, entryBlock.length - 1);
  }

  get memoryBytes(): number {
    return this.#table.memoryBytes;
  }

  /** The entry of a block and a slot; 0 if it is not in the table. */
  find(block: number, slot: number): number {
    return this.#table.find(keyLowOf(block, slot), block);
  }

  add(entry: number): void {
    this.#table.add(this.#keyLowOf(entry), entry);
  }

  remove(entry: number): void {
    this.#table.remove(this.#keyLowOf(entry), entry);
  }

  #keyLowOf(entry: number): number {
    return keyLowOf(this.#entryBlock[entry] ?? 0, this.#entrySlot[entry] ?? 0);
  }
}

/**
 * The low word of an entry's key; the high word is its block. It is unique for each slot of a block, because the
 * finalizer of MurmurHash3 is reversible.
 */
function keyLowOf(block: number, slot: number): number {
  let mixed = Math.imul(block, blockFactor) + slot;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
