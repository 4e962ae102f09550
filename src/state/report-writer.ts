import type { EngineSignals } from "../core/signals.ts";
import type { SignalBoard } from "./signal-board.ts";

/**
 * Our counts of an endpoint when its engine was asked; its report cannot include later requests.
 */
export interface AskedAt {
  readonly atMs: number;
  readonly sentBefore: number;
  readonly finishedBefore: number;
  readonly tokensBefore: number;
}

/** The endpoint that had `slot` in `generation`. */
export interface SlotHolder {
  readonly slot: number;
  readonly generation: number;
}

/**
 * Writes reports of engines to the board. It may run on any thread, but only one may write at a
 * time.
 */
export class ReportWriter {
  readonly #board: SignalBoard;
  readonly #attributes: ReadonlyMap<string, Float64Array>;

  /** @param attributes columns by name; attributes without a column are dropped */
  constructor(board: SignalBoard, attributes: ReadonlyMap<string, Float64Array>) {
    this.#board = board;
    this.#attributes = attributes;
  }

  /** Call it just before the engine is asked. */
  askedAt(slot: number, atMs: number): AskedAt {
    const { sentRequests, finishedRequests, inFlightTokens } = this.#board;
    return {
      atMs,
      sentBefore: sentRequests[slot] ?? 0,
      finishedBefore: finishedRequests[slot] ?? 0,
      tokensBefore: inFlightTokens[slot] ?? 0,
    };
  }

  /**
   * Makes `signals` the endpoint's report. A signal that it lacks becomes unknown: the last value
   * would look fresh.
   *
   * @param intervalMs from `asked.atMs` until the engine is to be asked again
   */
  publish(
    { slot, generation }: SlotHolder,
    signals: EngineSignals,
    { asked, intervalMs }: { readonly asked: AskedAt; readonly intervalMs: number },
  ): void {
    // Another endpoint may have the slot by now, so its attributes must not be written.
    if (this.#board.generations[slot] !== generation) return;
    for (const [name, column] of this.#attributes) {
      column[slot] = signals.attributes.get(name) ?? Number.NaN;
    }
    this.#board.publish(slot, {
      waitingRequests: signals.waitingRequests ?? Number.NaN,
      runningRequests: signals.runningRequests ?? Number.NaN,
      kvCacheUsedRatio: signals.kvCacheUsedRatio ?? Number.NaN,
      blockTokens: signals.blockTokens ?? Number.NaN,
      blocksMax: signals.blocksMax ?? Number.NaN,
      prefixLookupTokens: signals.prefixLookupTokens ?? Number.NaN,
      prefixHitTokens: signals.prefixHitTokens ?? Number.NaN,
      startedAtSeconds: signals.startedAtSeconds ?? Number.NaN,
      ...asked,
      intervalMs,
      generation,
    });
  }
}
