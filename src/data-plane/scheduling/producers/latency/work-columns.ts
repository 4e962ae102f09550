// Comparisons in place of `Math.max` and `Math.min`, which take twice as long in the loop of a decision.

/** Share of the first prompt that may count as computed while its first token is outstanding. */
const progressMax = 0.95;
const slotsMin = 64;

/**
 * The numbers about work on endpoints that each decision reads for each candidate, by slot: in columns, so that it reads
 * memory in order. Slots beyond their length have no work.
 */
export class WorkColumns {
  /** Prompts to compute, and their tokens. */
  prompts: Uint32Array;
  tokens: Float64Array;
  /** Those of the prompts whose responses the endpoint also generates. */
  staying: Uint32Array;
  /** The first of the prompts. */
  firstTokens: Float64Array;
  firstSentMs: Float64Array;
  /** 1 if there is one, and its response is not expected to show the end of its computation, by a first token. */
  firstHides: Uint8Array;
  /** Time at which the engine finished the last prompt. */
  finishedMs: Float64Array;
  /** Requests that generate here, now or once their prompts are computed. */
  placed: Uint32Array;
  /** 1 if requests were refused and may still count. */
  hasRefusals: Uint8Array;

  constructor(slots = slotsMin) {
    this.prompts = new Uint32Array(slots);
    this.tokens = new Float64Array(slots);
    this.staying = new Uint32Array(slots);
    this.firstTokens = new Float64Array(slots);
    this.firstSentMs = new Float64Array(slots);
    this.firstHides = new Uint8Array(slots);
    this.finishedMs = new Float64Array(slots).fill(Number.NEGATIVE_INFINITY);
    this.placed = new Uint32Array(slots);
    this.hasRefusals = new Uint8Array(slots);
  }

  /** Makes room for this many slots. */
  fit(slots: number): void {
    if (slots <= this.prompts.length) return;
    const longer = new WorkColumns(Math.max(slots, this.prompts.length * 2));
    for (let each = 0; each < this.prompts.length; each += 1) longer.copy(each, this, each);
    Object.assign(this, longer);
  }

  /** Copies the numbers of `from[fromSlot]` to a slot. */
  copy(slot: number, from: WorkColumns, fromSlot: number): void {
    this.prompts[slot] = from.prompts[fromSlot] ?? 0;
    this.tokens[slot] = from.tokens[fromSlot] ?? 0;
    this.staying[slot] = from.staying[fromSlot] ?? 0;
    this.firstTokens[slot] = from.firstTokens[fromSlot] ?? 0;
    this.firstSentMs[slot] = from.firstSentMs[fromSlot] ?? 0;
    this.firstHides[slot] = from.firstHides[fromSlot] ?? 0;
    this.finishedMs[slot] = from.finishedMs[fromSlot] ?? Number.NEGATIVE_INFINITY;
    this.placed[slot] = from.placed[fromSlot] ?? 0;
    this.hasRefusals[slot] = from.hasRefusals[fromSlot] ?? 0;
  }

  /**
   * Tokens that the engine computes before a prompt that is sent now:
   *
   *     sum of tokens - min(0.95 x tokens of the first, rate x (now - max(sent, last finished)))
   *
   * NaN if the engine has had the time to compute the first one, and its response shows no first token.
   */
  tokensAhead(slot: number, nowMs: number, tokensPerMs: number): number {
    if (this.prompts[slot] === 0) return 0;
    const firstTokens = this.firstTokens[slot] ?? 0;
    const workedMs = nowMs - this.startMs(slot);
    const computed = workedMs > 0 ? tokensPerMs * workedMs : 0;
    if (this.firstHides[slot] === 1 && computed >= firstTokens) return Number.NaN;
    const most = progressMax * firstTokens;
    const ahead = (this.tokens[slot] ?? 0) - (computed < most ? computed : most);
    return ahead > 0 ? ahead : 0;
  }

  /** Time at which the engine began with the first prompt. */
  startMs(slot: number): number {
    const sentMs = this.firstSentMs[slot] ?? 0;
    const finishedMs = this.finishedMs[slot] ?? 0;
    return sentMs > finishedMs ? sentMs : finishedMs;
  }

  /** Requests whose prompts are computed and that have not ended. */
  decoding(slot: number): number {
    return (this.placed[slot] ?? 0) - (this.staying[slot] ?? 0);
  }
}

/** The place of one endpoint's work in columns. An endpoint that leaves gets columns of its own. */
export interface WorkPlace {
  columns: WorkColumns;
  slot: number;
}

/** Moves the work to columns of its own, so that its slot is free for another endpoint. */
export function detach(place: WorkPlace): void {
  const { columns, slot } = place;
  place.columns = new WorkColumns(1);
  place.columns.copy(0, columns, slot);
  place.slot = 0;
  columns.copy(slot, new WorkColumns(1), 0);
}
