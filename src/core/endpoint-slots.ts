import type { Endpoint } from "./endpoint.ts";

/** Lists whose slots are kept. A decision loops over few lists, most of them those of the decision before. */
const listsMax = 8;

interface KeptSlots {
  endpoints: readonly Endpoint[];
  slots: Int32Array;
  /** Memory of `slots`, which may be longer. */
  buffer: Int32Array;
}

const kept: KeptSlots[] = Array.from({ length: listsMax }, () => ({
  endpoints: [],
  slots: new Int32Array(0),
  buffer: new Int32Array(0),
}));
let oldest = 0;

/**
 * The slots of endpoints, in their order, for loops over columns: `column[slots[index]]` reads a number without a look
 * at the endpoint's object.
 *
 * A list that stays the same object, such as the takers of a pool, is read once. Use the result at once: another list
 * takes its place after `listsMax` others.
 */
export function slotsOf(endpoints: readonly Endpoint[]): Int32Array {
  for (let index = 0; index < listsMax; index += 1) {
    const each = kept[index];
    if (each?.endpoints === endpoints && each.slots.length === endpoints.length) return each.slots;
  }
  return read(endpoints);
}

function read(endpoints: readonly Endpoint[]): Int32Array {
  const place = kept[oldest];
  oldest = (oldest + 1) % listsMax;
  if (place === undefined) throw new Error("there is a place for every number below the maximum");
  const count = endpoints.length;
  if (place.buffer.length < count) place.buffer = new Int32Array(count * 2);
  // A list of the same length as the last one needs no other view of the buffer.
  if (place.slots.buffer !== place.buffer.buffer || place.slots.length !== count) {
    place.slots = place.buffer.subarray(0, count);
  }
  for (let index = 0; index < count; index += 1) place.slots[index] = endpoints[index]?.slot ?? 0;
  place.endpoints = endpoints;
  return place.slots;
}
