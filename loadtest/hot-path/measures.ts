import type { LoadResult } from "./load.ts";

/** One contestant at one cell in one round. */
export interface Measure {
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
  /** Of events of answers, there and back; NaN without any. */
  readonly pieceP50Ms: number;
  readonly pieceP99Ms: number;
  /** CPU time of the contestant over answered requests. */
  readonly cpuUsPerRequest: number;
  readonly rssBytes: number;
  /** Of the contestant's event loop, as its metrics have it; NaN without. */
  readonly loopDelayP99Ms: number;
  readonly refusedPerSecond: number;
  readonly refusalP99Ms: number;
  /** Milliseconds for a read of `/metrics`; NaN without. */
  readonly scrapeP99Ms: number;
  readonly failed: number;
  /** Share of one core that the load took: near 1, the load is what was measured. */
  readonly loadBusy: number;
  /** Lateness of the latest arrival. */
  readonly lateMs: number;
}

/** Reads of a contestant itself. */
export interface ServerReads {
  readonly cpuMs: number;
  readonly rssBytes: number;
  readonly loopDelayP99Ms: number;
  readonly scrapesMs: Float64Array;
}

export function measureOf(result: LoadResult, server: ServerReads): Measure {
  const { picksMs, piecesMs, refusalsMs, measuredMs, answered } = result;
  return {
    requestsPerSecond: (answered * 1_000) / measuredMs,
    p50Ms: quantileOf(picksMs, 0.5),
    p99Ms: quantileOf(picksMs, 0.99),
    p999Ms: quantileOf(picksMs, 0.999),
    maxMs: quantileOf(picksMs, 1),
    pieceP50Ms: quantileOf(piecesMs, 0.5),
    pieceP99Ms: quantileOf(piecesMs, 0.99),
    cpuUsPerRequest: (server.cpuMs * 1_000) / answered,
    rssBytes: server.rssBytes,
    loopDelayP99Ms: server.loopDelayP99Ms,
    refusedPerSecond: (refusalsMs.length * 1_000) / measuredMs,
    refusalP99Ms: quantileOf(refusalsMs, 0.99),
    scrapeP99Ms: quantileOf(server.scrapesMs, 0.99),
    failed: Object.values(result.failures).reduce((sum, count) => sum + count, 0),
    loadBusy: result.loadCpuMs / measuredMs,
    lateMs: result.lateMs,
  };
}

/** Of values in order; NaN without any. */
function quantileOf(sorted: Float64Array, share: number): number {
  return sorted[Math.floor(share * (sorted.length - 1))] ?? Number.NaN;
}

/** A median, with the largest distance from it as a share. */
export interface Spread {
  readonly median: number;
  readonly spread: number;
}

export function spreadOf(values: readonly number[]): Spread {
  const median = medianOf(values);
  const distances = values.map((value) => Math.abs(value - median) / median);
  return { median, spread: Math.max(...distances) };
}

/** The middle value, or the mean of the two in the middle; NaN without any. */
function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const low = sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
  const high = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  return (low + high) / 2;
}

/** Rounds of one contestant at one cell. */
export interface Row {
  readonly name: string;
  readonly rounds: readonly Measure[];
}

export type Quantity = keyof Measure;

export function medianIn({ rounds }: Row, quantity: Quantity): number {
  return medianOf(rounds.map((round) => round[quantity]));
}

/** The median of the ratios to another contestant, each of two that were measured in the same round. */
export function ratioOf(row: Row, reference: Row, quantity: Quantity): number {
  return medianOf(
    row.rounds.map((round, index) => {
      const other = reference.rounds[index];
      return other === undefined ? Number.NaN : round[quantity] / other[quantity];
    }),
  );
}
