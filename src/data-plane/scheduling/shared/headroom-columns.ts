import type { Endpoint } from "../../../core/endpoint.ts";
import type { LatencyObjective } from "../../../core/latency-objective.ts";
import type { Headrooms } from "../../../core/latency-prediction.ts";

/** Milliseconds below which headrooms are equal. */
const equalMs = 1e-9;

/**
 * Groups of endpoints, the best first. `missesBoth` is also the group of all endpoints if the client names no objective
 * and both parts are predicted.
 */
const meetsAll = 0;
const missesTpot = 1;
const missesTtft = 2;
const missesBoth = 3;
const unpredicted = 4;

/** Headrooms of one latency, TTFT or TPOT, in candidate order. */
class HeadroomColumn {
  #sizes = new Float64Array(64);
  #min = Number.POSITIVE_INFINITY;
  #max = Number.NEGATIVE_INFINITY;
  /** True if the client named an objective for this latency. */
  isNamed = false;

  get hasRange(): boolean {
    return this.#max - this.#min > equalMs;
  }

  reset(count: number, isNamed: boolean): void {
    if (this.#sizes.length < count) this.#sizes = new Float64Array(count * 2);
    this.isNamed = isNamed;
    this.#min = Number.POSITIVE_INFINITY;
    this.#max = Number.NEGATIVE_INFINITY;
  }

  set(index: number, headroomMs: number): void {
    this.#sizes[index] = Math.abs(headroomMs);
  }

  /** Takes the candidate into the range. */
  include(index: number): void {
    const size = this.#sizes[index] ?? 0;
    if (size < this.#min) this.#min = size;
    if (size > this.#max) this.#max = size;
  }

  /**
   * 1 for the candidate with the least headroom, or deficit, of those included, 0 for the one with the most; a half
   * without a range. The other way around if `isMost`, for a latency that the client named.
   */
  scoreOf(index: number, isMost: boolean): number {
    if (!this.hasRange) return 0.5;
    const share = ((this.#sizes[index] ?? 0) - this.#min) / (this.#max - this.#min);
    return isMost && this.isNamed ? share : 1 - share;
  }
}

/** Facts about the candidates, by slot, and about the request. */
interface HeadroomFacts {
  readonly headroomsOf: (slot: number) => Headrooms | undefined;
  readonly isIdle: (slot: number) => boolean;
  readonly objective: LatencyObjective;
}

/** The headrooms of the candidates of one request, and the group of them that is scored. */
export class HeadroomColumns {
  readonly ttft = new HeadroomColumn();
  readonly tpot = new HeadroomColumn();
  /** 1 for each candidate of the group that is scored. */
  scored = new Uint8Array(64);
  #groups = new Uint8Array(64);
  #best = unpredicted;
  count = 0;

  /** True if the candidates that are scored meet the objective. */
  get isMet(): boolean {
    return this.#best === meetsAll;
  }

  /** Reads the candidates; false if none has a prediction. */
  read(
    candidates: readonly Endpoint[],
    { headroomsOf, isIdle, objective }: HeadroomFacts,
  ): boolean {
    this.#reset(candidates.length, objective);
    let hasIdle = false;
    let index = 0;
    for (const { slot } of candidates) {
      const group = this.#add(index, headroomsOf(slot));
      if (group < this.#best) this.#best = group;
      // Until the group is known, the mark of an idle candidate.
      const isIdleHere = group !== unpredicted && isIdle(slot);
      this.scored[index] = isIdleHere ? 1 : 0;
      hasIdle ||= isIdleHere;
      index += 1;
    }
    if (this.#best === unpredicted) return false;
    this.#choose(hasIdle && !this.isMet);
    return true;
  }

  #reset(count: number, { ttftMs, tpotMs }: LatencyObjective): void {
    if (this.scored.length < count) {
      this.scored = new Uint8Array(count * 2);
      this.#groups = new Uint8Array(count * 2);
    }
    this.count = count;
    this.#best = unpredicted;
    this.ttft.reset(count, ttftMs !== undefined);
    this.tpot.reset(count, tpotMs !== undefined);
  }

  #add(index: number, headrooms: Headrooms | undefined): number {
    const group = headrooms === undefined ? unpredicted : this.#groupOf(headrooms);
    this.#groups[index] = group;
    this.ttft.set(index, headrooms?.ttftMs ?? 0);
    this.tpot.set(index, headrooms?.tpotMs ?? 0);
    return group;
  }

  /** A part that the client did not name is missed only if it named none. */
  #groupOf({ ttftMs, tpotMs }: Headrooms): number {
    const { ttft, tpot } = this;
    const namesNone = !ttft.isNamed && !tpot.isNamed;
    const isTtftMissed = ttftMs < 0 && (ttft.isNamed || namesNone);
    const isTpotMissed = tpotMs < 0 && (tpot.isNamed || namesNone);
    if (isTtftMissed) return isTpotMissed ? missesBoth : missesTtft;
    return isTpotMissed ? missesTpot : meetsAll;
  }

  #choose(isIdleOnly: boolean): void {
    for (let index = 0; index < this.count; index += 1) {
      if (!isIdleOnly) this.scored[index] = this.#groups[index] === this.#best ? 1 : 0;
      if (this.scored[index] === 0) continue;
      this.ttft.include(index);
      this.tpot.include(index);
    }
  }
}
