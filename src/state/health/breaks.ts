import type { EjectionEvidence } from "../../core/health-settings.ts";

/**
 * Streams that break within this time break at once: a failing engine breaks all in a moment,
 * clients leave one by one.
 */
const atOnceMs = 50;
/**
 * Time from the first break until an endpoint's breaks are judged. If the proxy died, the streams
 * of all endpoints break, and their ends may be processed endpoint by endpoint.
 */
export const settleMs = 20;
/** Different clients whose streams must break at once: fewer may all have left. */
const clientsMin = 4;
/** Share of an endpoint's requests that must break at once. */
const brokenRatioMin = 0.8;
/** If this share of the others' requests breaks too, the cause is not the endpoint. */
const othersBrokenRatioMax = 0.25;
/** Breaks that are kept. */
const breaksMax = 64;

interface Break {
  readonly atMs: number;
  readonly client: number | undefined;
}

/** Streams of one endpoint that broke off without a sign which side broke them. */
export class Breaks {
  /** Requests that were open after the last break. */
  openRequests = 0;
  #last: Break[] = [];

  /** @param openRequests requests of the endpoint that are still open */
  note(client: number | undefined, openRequests: number, atMs: number): void {
    const last = this.#last.filter((one) => atMs - one.atMs < atOnceMs);
    this.#last = [...last, { atMs, client }].slice(-breaksMax);
    this.openRequests = openRequests;
  }

  /** Time of the last break. */
  get lastMs(): number {
    return this.#last.at(-1)?.atMs ?? Number.NEGATIVE_INFINITY;
  }

  /** Breaks close to a time; unknown clients count as one. */
  atOnce(aroundMs: number): { readonly streams: number; readonly clients: number } {
    const near = this.#last.filter(({ atMs }) => Math.abs(aroundMs - atMs) < atOnceMs);
    return { streams: near.length, clients: new Set(near.map(({ client }) => client)).size };
  }

  clear(): void {
    this.#last = [];
  }
}

/** Streams that must break at once, and their share of an endpoint's, for a pause, which costs little. */
const pauseStreamsMin = 2;
const pauseRatioMin = 0.25;

/** True if enough streams broke at once that the endpoint should get no more before something answers there. */
export function breakTogether(row: BreakingRow, nowMs: number): boolean {
  const { streams } = row.breaks.atOnce(nowMs);
  return streams >= pauseStreamsMin && streams / (streams + row.openRequests) >= pauseRatioMin;
}

/** Open requests of an endpoint, and the breaks of its streams. */
export interface BreakingRow {
  readonly breaks: Breaks;
  readonly openRequests: number;
}

/** Endpoints whose streams have broken and are not judged yet. */
export class PendingBreaks<T extends BreakingRow> {
  readonly #sinceMs = new Map<T, number>();

  note(row: T, client: number | undefined, nowMs: number): void {
    row.breaks.note(client, row.openRequests, nowMs);
    if (!this.#sinceMs.has(row)) this.#sinceMs.set(row, nowMs);
  }

  /** Endpoints that are due to be judged and have failed. */
  settled(rows: Iterable<T>, nowMs: number): readonly { row: T; evidence: EjectionEvidence }[] {
    // Usually there are none.
    if (this.#sinceMs.size === 0) return [];
    const all = [...rows];
    const broken: { row: T; evidence: EjectionEvidence }[] = [];
    for (const [row, sinceMs] of this.#sinceMs) {
      if (nowMs - sinceMs < settleMs) break;
      this.#sinceMs.delete(row);
      const evidence = breakEvidenceOf(row, all);
      if (evidence !== undefined) broken.push({ row, evidence });
    }
    return broken;
  }
}

/** Evidence of streams that broke together; undefined if clients may have left. */
export function breakEvidenceOf(
  row: BreakingRow,
  others: Iterable<BreakingRow>,
): EjectionEvidence | undefined {
  const aroundMs = row.breaks.lastMs;
  const { streams, clients } = row.breaks.atOnce(aroundMs);
  if (clients < clientsMin) return undefined;
  const brokenRatio = streams / (streams + row.breaks.openRequests);
  if (brokenRatio < brokenRatioMin) return undefined;
  let othersBroken = 0;
  let othersOpen = 0;
  for (const other of others) {
    if (other === row) continue;
    othersBroken += other.breaks.atOnce(aroundMs).streams;
    othersOpen += other.openRequests;
  }
  const othersBrokenRatio = othersBroken === 0 ? 0 : othersBroken / (othersBroken + othersOpen);
  if (othersBrokenRatio > othersBrokenRatioMax) return undefined;
  return { brokenStreams: streams, clients, brokenRatio, othersBrokenRatio, windowMs: atOnceMs };
}
