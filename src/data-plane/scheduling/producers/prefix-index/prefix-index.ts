import type { HeldBlocks, PromptBlocks } from "../../../../core/prefix-match.ts";
import { blockUseBytes, BlockUses } from "./block-uses.ts";
import { EntryTable } from "./entry-table.ts";
import { HashTable } from "./hash-table.ts";
import { HeldWalk } from "./held-walk.ts";
import { NumberPool } from "./number-pool.ts";
import { OwnerSets } from "./owner-sets.ts";
import { EvictionAges, noEntries, type SlotList } from "./slot-lists.ts";
import { addForAll, onlySlotOf } from "./slot-sets.ts";

/** Bytes of a block in all columns, including its owner and its place in the pool of free numbers. */
const blockBytes = 4 * 4 + 6 + blockUseBytes;
/** Bytes of an entry in all columns, including its place in the pool of free numbers. */
const entryBytes = 6 * 4 + 2;

/** Highest number of a use, after which numbers restart at 1; 0 means that there is no use. */
const useMax = 2 ** 32 - 1;

/** The blocks that one request added to an endpoint. */
export interface AddedBlocks {
  /** Removes the blocks that only this request added, for a prompt that the engine did not run. */
  takeBack(): void;
}

/** A use of blocks: the most blocks that the slot keeps, and the time. */
export interface BlockUse {
  readonly capacityBlocks: number;
  /** Monotonic milliseconds. */
  readonly nowMs: number;
}

export interface PrefixIndexOptions {
  /** Maximum number of (slot, block) pairs over all slots; about 65 bytes each, which the system backs as they fill. */
  readonly entriesMax?: number;
}

/**
 * Index of the prompt blocks that slots hold, for one block size.
 *
 * All data is in typed-array columns, indexed by block number or entry number. A block exists while at least one slot
 * holds it. The entries of each slot form a list in order of last use; if a slot holds too many, the oldest are
 * evicted.
 */
export class PrefixIndex {
  readonly #blocks: NumberPool;
  readonly #blockLow: Uint32Array;
  readonly #blockHigh: Uint32Array;
  /** The entry of a block's only owner; entries of blocks with several owners are in `#sharedTable`. */
  readonly #blockEntry: Uint32Array;
  readonly #blockTable: HashTable;
  readonly #owners: OwnerSets;
  readonly #uses: BlockUses;
  /** The walk of the last match along its first prompt. */
  readonly #walk = new HeldWalk();
  /** Sets of slots of a match: those that still match, and those that stop at a block. */
  #alive = new Int32Array(0);
  #left = new Int32Array(0);

  readonly #entries: NumberPool;
  readonly #entryBlock: Uint32Array;
  readonly #entrySlot: Uint16Array;
  readonly #entryNewer: Uint32Array;
  readonly #entryOlder: Uint32Array;
  /** The number of the request that used the entry last. */
  readonly #entryUse: Uint32Array;
  /** Time of that use, in seconds. */
  readonly #entryUsedAtS: Uint32Array;
  /** Entries of blocks with several owners, by block and slot. */
  readonly #sharedTable: EntryTable;

  /** By slot. */
  readonly #lists: (SlotList | undefined)[] = [];
  readonly #evictionAges = new EvictionAges();
  #use = 0;
  /** The list that gives up entries while all are taken, and the use in which it was found. */
  #donor: SlotList = noEntries(0);
  #donorUse = 0;

  constructor({ entriesMax = 4_000_000 }: PrefixIndexOptions = {}) {
    const column = () => new Uint32Array(entriesMax + 1);
    this.#blocks = new NumberPool(entriesMax);
    this.#blockLow = column();
    this.#blockHigh = column();
    this.#blockEntry = column();
    this.#owners = new OwnerSets(entriesMax);
    this.#uses = new BlockUses(entriesMax);
    this.#entries = new NumberPool(entriesMax);
    this.#entryBlock = column();
    this.#entrySlot = new Uint16Array(entriesMax + 1);
    this.#entryNewer = column();
    this.#entryOlder = column();
    this.#entryUse = column();
    this.#entryUsedAtS = column();
    this.#blockTable = new HashTable(
      {
        lowOf: (block) => this.#blockLow[block] ?? 0,
        has: (block, low, high) => this.#blockLow[block] === low && this.#blockHigh[block] === high,
      },
      entriesMax,
    );
    this.#sharedTable = new EntryTable(this.#entryBlock, this.#entrySlot);
  }

  /** (slot, block) pairs held. */
  get entryCount(): number {
    return this.#entries.count;
  }

  /** Number of different blocks. */
  get blockCount(): number {
    return this.#blocks.count;
  }

  /** Bytes in use: columns up to the highest number handed out, and whole tables and rows. */
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
   * Adds to `matched`, by slot, the number of leading blocks of each prompt that the slot holds without a gap. Looks up
   * every block once for all slots together, until no slot holds it.
   *
   * @param slots the slots to match, as a bit set
   */
  match({ chains }: PromptBlocks, slots: Int32Array, matched: Uint32Array): void {
    const words = this.#owners.wordsPerSet;
    if (words !== this.#alive.length) {
      this.#alive = new Int32Array(words);
      this.#left = new Int32Array(words);
    }
    const alive = this.#alive;
    const left = this.#left;
    this.#walk.begin(chains[0]);
    let isNoted = true;
    for (const chain of chains) {
      // Slots beyond the width of the sets hold no blocks.
      for (let word = 0; word < words; word += 1) alive[word] = slots[word] ?? 0;
      const blocks = chain.length / 2;
      let held = 0;
      let block = 0;
      for (; held < blocks; held += 1) {
        block = this.#find(chain[held * 2] ?? 0, chain[held * 2 + 1] ?? 0, block);
        if (block === 0) break;
        if (isNoted) this.#walk.note(held, block);
        const kept = this.#owners.keepOwners(block, alive, left);
        if (kept === "all") continue;
        // At the first block most slots leave, with nothing to add.
        if (held > 0) addForAll(left, { matched, blocks: held });
        if (kept === "nobody") break;
        const only = onlySlotOf(alive);
        if (only === undefined) continue;
        held = this.#endOf(chain, { slot: only, held, block, isNoted });
        break;
      }
      if (held > 0) addForAll(alive, { matched, blocks: held });
      isNoted = false;
    }
  }

  /**
   * The number of leading blocks of the chain that the slot holds; `block` is the block at `held`. Most prompts are
   * held by one slot, so this path needs no sets.
   */
  #endOf(chain: Uint32Array, { slot, held, block, isNoted }: Walk): number {
    let last = block;
    for (let next = held + 1; next < chain.length / 2; next += 1) {
      last = this.#find(chain[next * 2] ?? 0, chain[next * 2 + 1] ?? 0, last);
      if (last === 0 || !this.#owners.has(last, slot)) return next;
      if (isNoted) this.#walk.note(next, last);
    }
    return chain.length / 2;
  }

  /**
   * The blocks of the last match's first prompt that at least one of its slots holds, evenly sampled. Valid until the
   * next match or change of the index.
   */
  heldBlocks(nowMs: number): HeldBlocks {
    const nowS = secondsOf(nowMs);
    return this.#walk.sample({
      holdersOf: (block) => this.#owners.countOf(block),
      usesPerSecondOf: (block) => this.#uses.perSecond(block, nowS),
    });
  }

  /** Milliseconds since the last use of the block that the slot evicts next; undefined if it has room for more. */
  evictionAgeMs(slot: number, nowMs: number): number | undefined {
    const ageMs = this.evictionAges(nowMs)[slot] ?? -1;
    return ageMs < 0 ? undefined : ageMs;
  }

  /** The same by slot, -1 in place of undefined; valid until the index changes, or for another second. */
  evictionAges(nowMs: number): Float64Array {
    return this.#evictionAges.at(secondsOf(nowMs));
  }

  /**
   * Adds these blocks to the slot as the most recently used. Evicts its least recently used blocks beyond
   * `capacityBlocks`; of a prompt with more blocks, it keeps the beginning.
   */
  add(slot: number, { chains }: PromptBlocks, { capacityBlocks, nowMs }: BlockUse): AddedBlocks {
    this.#use = this.#use === useMax ? 1 : this.#use + 1;
    const use = this.#use;
    const nowS = secondsOf(nowMs);
    const list = this.#listOf(slot);
    list.capacity = capacityBlocks;
    const added: number[] = [];
    for (const chain of chains) {
      const blocks = Math.min(chain.length / 2, capacityBlocks);
      let block = 0;
      // From the end to the beginning, so that the beginning is used last and evicted last.
      for (let index = blocks - 1; index >= 0; index -= 1) {
        const low = chain[index * 2] ?? 0;
        const high = chain[index * 2 + 1] ?? 0;
        block = this.#find(low, high, block);
        let entry = block === 0 ? 0 : this.#entryOf(block, slot);
        if (entry === 0) {
          entry = this.#takeEntry(list);
          // The eviction that made room for the entry may have dropped the block.
          block = this.#find(low, high, block) || this.#addBlock(low, high);
          this.#own(entry, block, slot);
          added.push(entry);
        } else this.#unlink(entry, list);
        this.#entryUse[entry] = use;
        this.#entryUsedAtS[entry] = nowS;
        this.#link(entry, list);
        this.#uses.note(block, nowS);
      }
    }
    // Evict only now, so that blocks of these prompts that the slot already had do not make room for their ends.
    while (list.count > capacityBlocks) this.#remove(list.oldest);
    this.#evictionAges.note(list);
    return {
      takeBack: () => {
        for (const entry of added.splice(0)) {
          // Skip an entry that another request used since, or that now belongs to another slot.
          if (this.#entryUse[entry] === use && this.#entrySlot[entry] === slot) this.#remove(entry);
        }
      },
    };
  }

  /** Drops the entries of a slot that were used last before this time, to the second; by default all of them. */
  forget(slot: number, untilMs = Number.POSITIVE_INFINITY): void {
    const list = this.#listOf(slot);
    const untilS = untilMs / 1_000 - 1;
    for (let left = list.count; left > 0; left -= 1) {
      if ((this.#entryUsedAtS[list.oldest] ?? 0) > untilS) return;
      this.#remove(list.oldest);
    }
  }

  /** Drops this number of entries: the oldest of the slot with the most entries, then of the next such slot. */
  evict(entries: number): void {
    for (let left = Math.min(entries, this.entryCount); left > 0;) {
      const list = this.#largestList();
      for (; list.count > 0 && left > 0; left -= 1) this.#remove(list.oldest);
    }
  }

  /**
   * The number of a block; 0 if no slot holds it. Tries the neighbors of `near` first: the numbers of a prompt are
   * usually consecutive, upwards or downwards.
   */
  #find(low: number, high: number, near: number): number {
    if (this.#isBlock(near - 1, low, high)) return near - 1;
    if (this.#isBlock(near + 1, low, high)) return near + 1;
    return this.#blockTable.find(low, high);
  }

  #isBlock(block: number, low: number, high: number): boolean {
    if (block <= 0 || this.#blockLow[block] !== low || this.#blockHigh[block] !== high)
      return false;
    // A returned number keeps its hash but has no owner.
    return this.#owners.countOf(block) > 0;
  }

  /** The entry of a block and a slot; 0 if the slot does not hold the block. */
  #entryOf(block: number, slot: number): number {
    if (!this.#owners.has(block, slot)) return 0;
    if (this.#owners.countOf(block) === 1) return this.#blockEntry[block] ?? 0;
    return this.#sharedTable.find(block, slot);
  }

  #addBlock(low: number, high: number): number {
    const block = this.#blocks.take();
    this.#blockLow[block] = low;
    this.#blockHigh[block] = high;
    this.#blockTable.add(low, block);
    this.#uses.clear(block);
    return block;
  }

  #own(entry: number, block: number, slot: number): void {
    const ownerCount = this.#owners.countOf(block);
    if (ownerCount === 1) {
      const first = this.#blockEntry[block] ?? 0;
      this.#sharedTable.add(first);
    }
    this.#entryBlock[entry] = block;
    this.#entrySlot[entry] = slot;
    if (ownerCount === 0) this.#blockEntry[block] = entry;
    else this.#sharedTable.add(entry);
    this.#owners.add(block, slot);
  }

  /** Takes a free entry. If there is none, the slot with the most entries gives up its oldest. */
  #takeEntry(list: SlotList): number {
    const free = this.#entries.take();
    if (free !== 0) return free;
    // Search at most once per use, because the search visits all slots.
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
    const list = this.#listOf(slot);
    this.#unlink(entry, list);
    this.#evictionAges.note(list);
    this.#entryUse[entry] = 0;
    this.#entries.giveBack(entry);
    if (this.#owners.countOf(block) > 1) this.#sharedTable.remove(entry);
    const left = this.#owners.remove(block, slot);
    if (left === 0) {
      this.#blockTable.remove(this.#blockLow[block] ?? 0, block);
      this.#blocks.giveBack(block);
    } else if (left === 1) {
      const last = this.#sharedTable.find(block, this.#owners.onlyOwner(block));
      this.#blockEntry[block] = last;
      this.#sharedTable.remove(last);
    }
  }

  #link(entry: number, list: SlotList): void {
    this.#entryNewer[entry] = 0;
    this.#entryOlder[entry] = list.newest;
    if (list.newest === 0) this.#setOldest(entry, list);
    else this.#entryNewer[list.newest] = entry;
    list.newest = entry;
    list.count += 1;
  }

  #unlink(entry: number, list: SlotList): void {
    const newer = this.#entryNewer[entry] ?? 0;
    const older = this.#entryOlder[entry] ?? 0;
    if (newer === 0) list.newest = older;
    else this.#entryOlder[newer] = older;
    if (older === 0) this.#setOldest(newer, list);
    else this.#entryNewer[older] = newer;
    list.count -= 1;
  }

  #setOldest(entry: number, list: SlotList): void {
    list.oldest = entry;
    list.oldestUsedAtS = this.#entryUsedAtS[entry] ?? 0;
  }

  #listOf(slot: number): SlotList {
    return (this.#lists[slot] ??= noEntries(slot));
  }
}

/** Whole seconds, as the columns of times have them. */
function secondsOf(ms: number): number {
  return Math.max(0, Math.floor(ms / 1_000));
}

/** State of a walk over a chain once one slot is left. */
interface Walk {
  readonly slot: number;
  readonly held: number;
  readonly block: number;
  /** True if the blocks found are noted. */
  readonly isNoted: boolean;
}
