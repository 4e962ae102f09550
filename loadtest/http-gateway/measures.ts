import type { Cell } from "./cells.ts";
import type { LoadResult } from "./load.ts";
import type { RoundOf } from "./run.ts";

/** One contestant at one cell in one round. */
export interface Measure {
  readonly cell: Cell;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly firstByteP50Ms: number;
  readonly cpuUsPerRequest: number;
  readonly failed: number;
  readonly failures: Readonly<Record<string, number>>;
  /** Share of one core that the load took: near 1, the load is what was measured. */
  readonly loadBusy: number;
}

export function measureOf(cell: Cell, result: LoadResult, cpuMs: number): Measure {
  const { latenciesMs, firstBytesMs, measuredMs, failures, loadCpuMs } = result;
  const answers = latenciesMs.length;
  return {
    cell,
    requestsPerSecond: (answers * 1_000) / measuredMs,
    p50Ms: quantileOf(latenciesMs, 0.5),
    p99Ms: quantileOf(latenciesMs, 0.99),
    firstByteP50Ms: quantileOf(firstBytesMs, 0.5),
    cpuUsPerRequest: (cpuMs * 1_000) / answers,
    failed: Object.values(failures).reduce((sum, count) => sum + count, 0),
    failures,
    loadBusy: loadCpuMs / measuredMs,
  };
}

/** Of values in order; NaN without any. */
export function quantileOf(sorted: Float64Array, share: number): number {
  return sorted[Math.floor(share * (sorted.length - 1))] ?? Number.NaN;
}

/** Medians over rounds of one contestant at one cell. */
export interface Summary extends Omit<Measure, "failures"> {
  readonly name: string;
  /** Its time less that of the straight way in the same round; undefined if that did not run. */
  readonly addedP50Ms: number | undefined;
  readonly addedP99Ms: number | undefined;
}

/** Medians of a contestant over all cells. */
export interface Footprint {
  readonly name: string;
  readonly startMs: number;
  readonly rssStartBytes: number;
  readonly rssEndBytes: number;
  /** Undefined if unknown. */
  readonly installedBytes: number | undefined;
}

type Rounds = readonly (readonly RoundOf[])[];

export function summariesOf(rounds: Rounds): readonly Summary[] {
  const [first = []] = rounds;
  const cells = first[0]?.measures.length ?? 0;
  return Array.from({ length: cells }, (_, cell) =>
    first.map((_contestant, index) => summaryOf(rounds, cell, index)),
  ).flat();
}

function summaryOf(rounds: Rounds, cellIndex: number, contestant: number): Summary {
  const name = rounds[0]?.[contestant]?.name ?? "";
  const measures = rounds.flatMap((round) => round[contestant]?.measures[cellIndex] ?? []);
  const [sample] = measures;
  if (sample === undefined) throw new Error("a summary needs a round");
  const median = (of: (measure: Measure) => number) => medianOf(measures.map(of));
  const added = (of: (measure: Measure) => number) => {
    const differences = rounds.flatMap((round) => {
      const own = round[contestant]?.measures[cellIndex];
      const straight = round.find((other) => other.name === "straight")?.measures[cellIndex];
      return own === undefined || straight === undefined ? [] : [of(own) - of(straight)];
    });
    return differences.length === 0 ? undefined : medianOf(differences);
  };
  return {
    name,
    cell: sample.cell,
    requestsPerSecond: median((measure) => measure.requestsPerSecond),
    p50Ms: median((measure) => measure.p50Ms),
    p99Ms: median((measure) => measure.p99Ms),
    firstByteP50Ms: median((measure) => measure.firstByteP50Ms),
    addedP50Ms: added((measure) => measure.p50Ms),
    addedP99Ms: added((measure) => measure.p99Ms),
    cpuUsPerRequest: median((measure) => measure.cpuUsPerRequest),
    failed: measures.reduce((sum, { failed }) => sum + failed, 0),
    loadBusy: median((measure) => measure.loadBusy),
  };
}

/** `installedBytes` is by name. */
export function footprintsOf(
  rounds: Rounds,
  installedBytes: ReadonlyMap<string, number | undefined>,
): readonly Footprint[] {
  return (rounds[0] ?? []).map(({ name }, index) => {
    const median = (of: (round: RoundOf) => number) =>
      medianOf(rounds.flatMap((round) => (round[index] === undefined ? [] : [of(round[index])])));
    return {
      name,
      startMs: median((round) => round.startMs),
      rssStartBytes: median((round) => round.rssStartBytes),
      rssEndBytes: median((round) => round.rssEndBytes),
      installedBytes: installedBytes.get(name),
    };
  });
}

/** The middle value, or the mean of the two in the middle; NaN without any. */
export function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const low = sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
  const high = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  return (low + high) / 2;
}
