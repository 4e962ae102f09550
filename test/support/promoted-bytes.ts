/** A line of `node --trace-gc`: the isolate, the kind of collection, and the megabytes that are in use after it. */
const collection =
  /^\[\d+:(?<isolate>0x[\da-f]+)\] +\d+ ms: (?<kind>Scavenge|.*Mark-Compact).*? -> (?<mb>[\d.]+) \(/u;

/**
 * Bytes by which minor collections have let the heaps of a process grow: objects that they moved to the old generation.
 * `output`: that of `node --trace-gc`.
 */
export function promotedBytesIn(output: string): number {
  const usedMb = new Map<string, number>();
  let promotedMb = 0;
  for (const line of output.split("\n")) {
    const { isolate, kind, mb } = collection.exec(line)?.groups ?? {};
    if (isolate === undefined) continue;
    const now = Number(mb);
    const before = usedMb.get(isolate);
    if (kind === "Scavenge" && before !== undefined) promotedMb += Math.max(0, now - before);
    usedMb.set(isolate, now);
  }
  return promotedMb * 1_000_000;
}
