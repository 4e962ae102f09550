import type { MatchColumns, PrefixMatch } from "../../../core/prefix-match.ts";

/** The columns of a match for these slots. Those of a producer without columns are made from its functions. */
export function matchColumnsOf(match: PrefixMatch, slots: Int32Array): MatchColumns {
  if (match.columns !== undefined) return match.columns;
  const length = slots.reduce((most, slot) => Math.max(most, slot + 1), 0);
  const matchedBlocks = new Uint32Array(length);
  const blockTokens = new Float64Array(length);
  for (const slot of slots) {
    matchedBlocks[slot] = match.matchedBlocks(slot);
    blockTokens[slot] = match.blockTokens(slot);
  }
  return { matchedBlocks, blockTokens };
}
