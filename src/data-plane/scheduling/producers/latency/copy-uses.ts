/** Uses within a copy's lifetime that make it worthwhile. */
const usesFactor = 0.3;

/** Seconds that a copy is assumed to live if its endpoint has room for more. */
export const lifetimeSecondsUnused = 300;

/**
 * Expected uses of a copy of cached blocks, or of an adapter: `0.3 x uses per second x lifetime / holders`.
 *
 * @param usesPerSecond on all endpoints together
 * @param holders endpoints that share the uses
 */
export function copyUses(usesPerSecond: number, lifetimeSeconds: number, holders: number): number {
  return (usesFactor * usesPerSecond * lifetimeSeconds) / holders;
}
