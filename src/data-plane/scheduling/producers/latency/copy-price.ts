import type { HeldBlocks } from "../../../../core/prefix-match.ts";
import { copyUses, lifetimeSecondsUnused } from "./copy-uses.ts";

/** Weight of an arrival in the mean share of busy endpoints. */
const busyWeight = 0.02;
const busyMax = 0.9;
const scarcityMax = 4;
/** Share of a copy's cost that a popular block pays back. */
const paidBack = 0.8;
/** Times the idle share of endpoints that copies may count on: above a busy share of 1 - 1 / 3.5, they are paid back less. */
const idleFactor = 3.5;

/**
 * The price of copying blocks of a prompt that an endpoint lacks and another one holds. Under load, a copy of a private
 * prefix is work twice, and takes the place of others; a copy of a popular one is an investment:
 *
 *     scarcity s = clamp(1 / (1 - busy), 1, 4), busy = mean share of endpoints with prompts to compute
 *     uses     z = 0.3 x uses per second x lifetime of a copy / (holders + 1)
 *     paid     r = 0.8 x min(1, 3.5 x (1 - busy))
 *     price      = (s - 1) / (1 + z) - r z / (1 + z)        of a block, in addition to its computation
 *
 * An investment needs idle time: in a pool that is busy throughout, each copy makes requests wait now.
 */
export class CopyPrice {
  #busy = 0;

  /** Notes the share of endpoints that were busy when a request arrived. */
  noteBusy(share: number): void {
    this.#busy += busyWeight * (share - this.#busy);
  }

  get scarcity(): number {
    return Math.min(scarcityMax, 1 / (1 - Math.min(busyMax, this.#busy)));
  }

  get #paidBack(): number {
    return paidBack * Math.min(1, idleFactor * (1 - this.#busy));
  }

  /**
   * Blocks to charge in addition to those that the endpoint computes, or to deduct.
   *
   * @param matchedBlocks leading blocks that the endpoint holds
   * @param lifetimeMs time that a copy lives there; undefined if its cache has room
   */
  extraBlocks(held: HeldBlocks, matchedBlocks: number, lifetimeMs: number | undefined): number {
    const { count, positions, holders, usesPerSecond, blocksEach } = held;
    const lifetimeSeconds = lifetimeMs === undefined ? lifetimeSecondsUnused : lifetimeMs / 1_000;
    const scarcity = this.scarcity - 1;
    const paid = this.#paidBack;
    let extra = 0;
    for (let sample = count - 1; sample >= 0; sample -= 1) {
      if ((positions[sample] ?? 0) < matchedBlocks) break;
      const z = copyUses(usesPerSecond[sample] ?? 0, lifetimeSeconds, (holders[sample] ?? 0) + 1);
      extra += (scarcity - paid * z) / (1 + z);
    }
    return extra * blocksEach;
  }
}
