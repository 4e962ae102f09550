/** Streams that break within this time break at once: an engine's end breaks all in a moment, clients leave one by one. */
const atOnceMs = 100;
/** Different clients whose streams must break at once: fewer may all have left. */
const clientsMin = 4;
/** Share of an endpoint's requests that must break at once. */
const brokenRatioMin = 0.8;
/** From this share of the others' requests on, what broke is not the endpoint. */
const othersBrokenRatioMax = 0.25;
/** Breaks that are remembered. */
const breaksMax = 64;

interface Break {
  readonly atMs: number;
  readonly client: number | undefined;
}

/** Streams of one endpoint that broke off without anything to tell who broke them. */
export class Breaks {
  #last: Break[] = [];

  note(client: number | undefined, atMs: number): void {
    this.#last = [...this.#recent(atMs), { atMs, client }].slice(-breaksMax);
  }

  /** Those of the last moment; unknown clients count as one. */
  atOnce(nowMs: number): { readonly streams: number; readonly clients: number } {
    const recent = this.#recent(nowMs);
    return { streams: recent.length, clients: new Set(recent.map(({ client }) => client)).size };
  }

  clear(): void {
    this.#last = [];
  }

  #recent(nowMs: number): Break[] {
    return this.#last.filter(({ atMs }) => nowMs - atMs < atOnceMs);
  }
}

/** Requests that an endpoint has open, and the breaks of its streams. */
export interface BreakingRow {
  readonly breaks: Breaks;
  readonly openRequests: number;
}

/** The numbers of streams that broke together; undefined where clients may have left. */
export function breakEvidenceOf(
  row: BreakingRow,
  others: Iterable<BreakingRow>,
  nowMs: number,
): Readonly<Record<string, number>> | undefined {
  const { streams, clients } = row.breaks.atOnce(nowMs);
  if (clients < clientsMin) return undefined;
  const brokenRatio = streams / (streams + row.openRequests);
  if (brokenRatio < brokenRatioMin) return undefined;
  let othersBroken = 0;
  let othersOpen = 0;
  for (const other of others) {
    if (other === row) continue;
    othersBroken += other.breaks.atOnce(nowMs).streams;
    othersOpen += other.openRequests;
  }
  const othersBrokenRatio = othersBroken === 0 ? 0 : othersBroken / (othersBroken + othersOpen);
  if (othersBrokenRatio > othersBrokenRatioMax) return undefined;
  return { brokenStreams: streams, clients, brokenRatio, othersBrokenRatio, windowMs: atOnceMs };
}
