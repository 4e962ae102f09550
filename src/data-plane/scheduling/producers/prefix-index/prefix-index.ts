import { HashTable } from "./hash-table.ts";
import { NumberPool } from "./number-pool.ts";
import { OwnerSets } from "./owner-sets.ts";
import type { HashedPrompts } from "./prompt-hasher.ts";

/** Spreads blocks over 32 bits, so that slots can be added: the golden ratio's share of them. */
const blockFactor = 0x9e3779b1;

/** Bytes of a block's columns, with its owner and its place in the pool of free numbers. */
const blockBytes = 4 * 4 + 6;
/** Bytes of an entry's columns, with its place in the pool of free numbers. */
const entryBytes = 5 * 4 + 2;

/** The last number of a use that a column holds; the numbers start again at 1, because 0 is no use. */
const useMax = 2 ** 32 - 1;

/** A request's blocks on one endpoint, as long as they may still be removed. */
export interface AddedBlocks {
  /** The engine never saw the prompt: drops the blocks that this request alone brought. */
  takeBack(): void;
}

/** The ends of one slot's list of entries, by number; 0 where it is empty. */
interface SlotList {
  newest: number;
  oldest: number;
  count: number;
}

export interface PrefixIndexOptions {
  /** (slot, block) pairs held at most, over all slots; about 50 bytes each. */
  readonly entriesMax?: number;
}

/**
 * Which slots hold which blocks of prompts, at one block size.
 *
 * Everything lies in columns of typed arrays by the number of a block or an entry. A block is known
 * while somebody holds it. Each slot's entries form a list in the order of their last use, from
 * which the oldest go where a slot holds too many.
 */
export class PrefixIndex {
  readonly #blocks: NumberPool;
  readonly #blockLow: Uint32Array;
  readonly #blockHigh: Uint32Array;
  /** The entry of a block's only owner; entries of blocks with several are in `#sharedTable`. */
  readonly #blockEntry: Uint32Array;
  readonly #blockTable = new HashTable();
  readonly #owners: OwnerSets;

  readonly #entries: NumberPool;
  readonly #entryBlock: Uint32Array;
  readonly #entrySlot: Uint16Array;
  readonly #entryNewer: Uint32Array;
  readonly #entryOlder: Uint32Array;
  /** The number of the request that used the entry last. */
  readonly #entryUse: Uint32Array;
  readonly #sharedTable = new HashTable();

  /** By slot. */
  readonly #lists: (SlotList | undefined)[] = [];
  #use = 0;
  /** The list that gives entries up while all are taken, and the use it was looked for in. */
  #donor: SlotList = { newest: 0, oldest: 0, count: 0 };
  #donorUse = 0;

  constructor({ entriesMax = 4_000_000 }: PrefixIndexOptions = {}) {
    const column = () => new Uint32Array(entriesMax + 1);
    this.#blocks = new NumberPool(entriesMax);
    this.#blockLow = column();
    this.#blockHigh = column();
    this.#blockEntry = column();
    this.#owners = new OwnerSets(entriesMax);
    this.#entries = new NumberPool(entriesMax);
    this.#entryBlock = column();
    this.#entrySlot = new Uint16Array(entriesMax + 1);
    this.#entryNewer = column();
    this.#entryOlder = column();
    this.#entryUse = column();
  }

  /** (slot, block) pairs held. */
  get entryCount(): number {
    return this.#entries.count;
  }

  /** Different blocks held. */
  get blockCount(): number {
    return this.#blocks.count;
  }

  /** Bytes written so far: columns up to the highest number in use, tables and rows whole. */
  get memoryBytes(): number {
    return (
      this.#blocks.highest * blockBytes +
      this.#entries.highest * entryBytes +
      this.#blockTable.memoryBytes +
      this.#sharedTable.memoryBytes +
      this.#owners.memoryBytes
    );
  }

  blocksOf(slot: number): number {
    return this.#lists[slot]?.count ?? 0;
  }

  /**
   * Adds to `matched`, by slot, how many leading blocks of each prompt the slots hold without a gap.
   * Every block is looked at once, for all slots together, until nobody holds it.
   *
   * @param slots the slots asked about, as a set of bits
   */
  match({ chains }: HashedPrompts, slots: Uint32Array, matched: Uint32Array): void {
    const alive = new Uint32Array(this.#owners.wordsPerSet);
    const left = new Uint32Array(alive.length);
    // Slots beyond the widest set hold nothing.
    const known = slots.subarray(0, alive.length);
    for (const chain of chains) {
      alive.set(known);
      const blocks = chain.length / 2;
      let held = 0;
      let block = 0;
      for (; held < blocks; held += 1) {
        block = this.#find(chain[held * 2] ?? 0, chain[held * 2 + 1] ?? 0, block);
        if (block === 0) break;
        const kept = this.#owners.keepOwners(block, alive, left);
        if (kept === "all") continue;
        addForAll(left, { matched, blocks: held });
        if (kept === "nobody") break;
        const only = onlySlotOf(alive);
        if (only === undefined) continue;
        held = this.#endOf(chain, { slot: only, held, block });
        break;
      }
      addForAll(alive, { matched, blocks: held });
    }
  }

  /**
   * How many leading blocks of the chain the slot holds, of which `block` is the one at `held`. Most
   * prompts are held by one slot alone, for which no set has to be walked.
   */
  #endOf(chain: Uint32Array, { slot, held, block }: Walk): number {
    let last = block;
    for (let next = held + 1; next < chain.length / 2; next += 1) {
      last = this.#find(chain[next * 2] ?? 0, chain[next * 2 + 1] ?? 0, last);
      if (last === 0 || !this.#owners.has(last, slot)) return next;
    }
    return chain.length / 2;
  }

  /**
   * The slot holds these blocks from now on, as the ones used last. It forgets the ones it used
   * least recently beyond `capacityBlocks`; of prompts with more blocks it keeps the beginnings.
   */
  add(slot: number, { chains }: HashedPrompts, capacityBlocks: number): AddedBlocks {
    this.#use = this.#use === useMax ? 1 : this.#use + 1;
    const use = this.#use;
    const list = this.#listOf(slot);
    const added: number[] = [];
    for (const chain of chains) {
      const blocks = Math.min(chain.length / 2, capacityBlocks);
      let block = 0;
      // From the end on, so that a prompt's beginning was used last and goes last.
      for (let index = blocks - 1; index >= 0; index -= 1) {
        const low = chain[index * 2] ?? 0;
        const high = chain[index * 2 + 1] ?? 0;
        block = this.#find(low, high, block);
        let entry = block === 0 ? 0 : this.#entryOf(block, slot);
        if (entry === 0) {
          entry = this.#takeEntry(list);
          // What made room for the entry may have dropped the block.
          block = this.#find(low, high, block) || this.#addBlock(low, high);
          this.#own(entry, block, slot);
          added.push(entry);
        } else this.#unlink(entry, list);
        this.#link(entry, list);
        this.#entryUse[entry] = use;
      }
    }
    // Only now: what the slot held of these prompts before must not go to make room for their ends.
    while (list.count > capacityBlocks) this.#remove(list.oldest);
    return {
      takeBack: () => {
        for (const entry of added.splice(0)) {
          // An entry that another request used, or that has another owner now, is not ours.
          if (this.#entryUse[entry] === use && this.#entrySlot[entry] === slot) this.#remove(entry);
        }
      },
    };
  }

  /** Drops everything a slot holds. */
  forget(slot: number): void {
    const list = this.#listOf(slot);
    for (let left = list.count; left > 0; left -= 1) this.#remove(list.oldest);
  }

  /** Drops so many entries: the oldest of the slot that holds the most, and so on. */
  evict(entries: number): void {
    for (let left = Math.min(entries, this.entryCount); left > 0;) {
      const list = this.#largestList();
      for (; list.count > 0 && left > 0; left -= 1) this.#remove(list.oldest);
    }
  }

  /**
   * The number of a block, 0 for one that nobody holds. The numbers beside `near` are looked at
   * first: those of a prompt follow one another, down or up as numbers were given back before.
   */
  #find(low: number, high: number, near: number): number {
    if (this.#isBlock(near - 1, low, high)) return near - 1;
    if (this.#isBlock(near + 1, low, high)) return near + 1;
    return this.#blockTable.find(low, high);
  }

  #isBlock(block: number, low: number, high: number): boolean {
    if (block <= 0 || this.#blockLow[block] !== low || this.#blockHigh[block] !== high)
      return false;
    // A number that was given back keeps its hash and has no owner.
    return this.#owners.countOf(block) > 0;
  }

  /** The entry by which a slot holds a block; 0 where it does not. */
  #entryOf(block: number, slot: number): number {
    if (!this.#owners.has(block, slot)) return 0;
    if (this.#owners.countOf(block) === 1) return this.#blockEntry[block] ?? 0;
    return this.#sharedTable.find(keyLowOf(block, slot), block);
  }

  #addBlock(low: number, high: number): number {
    const block = this.#blocks.take();
    this.#blockLow[block] = low;
    this.#blockHigh[block] = high;
    this.#blockTable.add(low, high, block);
    return block;
  }

  #own(entry: number, block: number, slot: number): void {
    const ownerCount = this.#owners.countOf(block);
    if (ownerCount === 1) {
      const first = this.#blockEntry[block] ?? 0;
      this.#sharedTable.add(keyLowOf(block, this.#owners.onlyOwner(block)), block, first);
    }
    if (ownerCount === 0) this.#blockEntry[block] = entry;
    else this.#sharedTable.add(keyLowOf(block, slot), block, entry);
    this.#owners.add(block, slot);
    this.#entryBlock[entry] = block;
    this.#entrySlot[entry] = slot;
  }

  /** A free entry; where there is none, the slot that holds the most gives up its oldest. */
  #takeEntry(list: SlotList): number {
    const free = this.#entries.take();
    if (free !== 0) return free;
    // Looked for once a use at most: it takes a walk over all slots.
    if (this.#donor.count <= list.count && this.#donorUse !== this.#use) {
      this.#donor = this.#largestList();
      this.#donorUse = this.#use;
    }
    this.#remove(this.#donor.count > list.count ? this.#donor.oldest : list.oldest);
    return this.#entries.take();
  }

  #largestList(): SlotList {
    let largest: SlotList | undefined;
    for (const list of this.#lists) {
      if ((list?.count ?? 0) > (largest?.count ?? 0)) largest = list;
    }
    if (largest === undefined) throw new Error("a full index has a slot with entries");
    return largest;
  }

  #remove(entry: number): void {
    const block = this.#entryBlock[entry] ?? 0;
    const slot = this.#entrySlot[entry] ?? 0;
    this.#unlink(entry, this.#listOf(slot));
    this.#entryUse[entry] = 0;
    this.#entries.giveBack(entry);
    if (this.#owners.countOf(block) > 1) {
      this.#sharedTable.remove(keyLowOf(block, slot), block);
    }
    const left = this.#owners.remove(block, slot);
    if (left === 0) {
      this.#blockTable.remove(this.#blockLow[block] ?? 0, this.#blockHigh[block] ?? 0);
      this.#blocks.giveBack(block);
    } else if (left === 1) {
      const key = keyLowOf(block, this.#owners.onlyOwner(block));
      this.#blockEntry[block] = this.#sharedTable.find(key, block);
      this.#sharedTable.remove(key, block);
    }
  }

  #link(entry: number, list: SlotList): void {
    this.#entryNewer[entry] = 0;
    this.#entryOlder[entry] = list.newest;
    if (list.newest === 0) list.oldest = entry;
    else this.#entryNewer[list.newest] = entry;
    list.newest = entry;
    list.count += 1;
  }

  #unlink(entry: number, list: SlotList): void {
    const newer = this.#entryNewer[entry] ?? 0;
    const older = this.#entryOlder[entry] ?? 0;
    if (newer === 0) list.newest = older;
    else this.#entryOlder[newer] = older;
    if (older === 0) list.oldest = newer;
    else this.#entryNewer[older] = newer;
    list.count -= 1;
  }

  #listOf(slot: number): SlotList {
    return (this.#lists[slot] ??= { newest: 0, oldest: 0, count: 0 });
  }
}

/**
 * The low word of an entry's key; the high one is its block. For one block, two slots never share
 * it: the steps that finish MurmurHash3 are reversible.
 */
function keyLowOf(block: number, slot: number): number {
  let mixed = Math.imul(block, blockFactor) + slot;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

/** The slot of a set that has no other; undefined where it has none or several. */
function onlySlotOf(slots: Uint32Array): number | undefined {
  let only: number | undefined;
  for (let word = 0; word < slots.length; word += 1) {
    const bits = slots[word] ?? 0;
    if (bits === 0) continue;
    if (only !== undefined || (bits & (bits - 1)) !== 0) return undefined;
    only = word * 32 + 31 - Math.clz32(bits);
  }
  return only;
}

/** Where a walk over a chain stands once one slot is left. */
interface Walk {
  readonly slot: number;
  readonly held: number;
  readonly block: number;
}

interface Counting {
  readonly matched: Uint32Array;
  readonly blocks: number;
}

function addForAll(alive: Uint32Array, counting: Counting): void {
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
