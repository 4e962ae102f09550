import type { EngineSignals } from "../core/signals.ts";
import type { SignalBoard } from "./signal-board.ts";

/** What we had counted of an endpoint when its engine was asked; what came later, it cannot know. */
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

/** Writes what engines report to the board; works on any thread, and one at a time. */
export class ReportWriter {
  readonly #board: SignalBoard;
  readonly #attributes: ReadonlyMap<string, Float64Array>;

  /** @param attributes columns by name; what has none is not written */
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
   * Makes `signals` the endpoint's report. A signal it does not have becomes unknown: the last value
   * would look fresh.
   *
   * @param intervalMs from `asked.atMs` until the engine is to be asked again
   */
  publish(
    { slot, generation }: SlotHolder,
    signals: EngineSignals,
    { asked, intervalMs }: { readonly asked: AskedAt; readonly intervalMs: number },
  ): void {
    // Another endpoint may have the slot by now, and its attributes are not ours to write.
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
      startedAtSeconds: signals.startedAtSeconds ?? Number.NaN,
      ...asked,
      intervalMs,
      generation,
    });
  }
}
