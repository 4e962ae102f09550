import type { AdapterState } from "../../core/load.ts";
import type { SignalBoard } from "../signal-board.ts";

/** Milliseconds that a report may be late and still be fresh. */
const graceMs = 500;

/** An engine's own report on its work; NaN for a field that it does not report. */
export interface EngineReport {
  readonly waitingRequests: number;
  readonly runningRequests: number;
  readonly kvCacheUsedRatio: number;
  /** Its requests beyond those that we had there when it was asked. */
  readonly foreignRequests: number;
}

/** Scrapes of an endpoint by result, since it joined the pool. */
export interface Contacts {
  /** It answered, with any content. */
  readonly answered: number;
  /** No connection, or it broke. */
  readonly refused: number;
  /** No answer in time. */
  readonly silent: number;
}

/** An engine's own signs of life, by slot. */
export interface EngineSigns {
  /** Undefined unless it is fresh. */
  reportOf(slot: number, nowMs: number): EngineReport | undefined;
  contactsOf(slot: number): Contacts;
  adaptersOf(slot: number): AdapterState | undefined;
}

/** The signs that the scraper writes to the board. */
export class BoardSigns implements EngineSigns {
  readonly #board: SignalBoard;
  readonly adaptersOf: (slot: number) => AdapterState | undefined;

  constructor(board: SignalBoard, adaptersOf: (slot: number) => AdapterState | undefined) {
    this.#board = board;
    this.adaptersOf = adaptersOf;
  }

  reportOf(slot: number, nowMs: number): EngineReport | undefined {
    const board = this.#board;
    const row = board.rowOf(slot);
    if (board.field(row, "generation") !== board.generations[slot]) return undefined;
    const ageMs = nowMs - board.field(row, "atMs");
    // False for NaN too, an unknown age.
    if (!(ageMs <= board.field(row, "intervalMs") + graceMs)) return undefined;
    if (board.versions[slot] === 0) return undefined;
    const waitingRequests = board.field(row, "waitingRequests");
    const runningRequests = board.field(row, "runningRequests");
    const oursThen = board.field(row, "sentBefore") - board.field(row, "finishedBefore");
    const foreignRequests = Math.max(0, waitingRequests + runningRequests - oursThen);
    const kvCacheUsedRatio = board.field(row, "kvCacheUsedRatio");
    return { waitingRequests, runningRequests, kvCacheUsedRatio, foreignRequests };
  }

  contactsOf(slot: number): Contacts {
    const { ok, status, parse, connect, timeout } = this.#board.scrapes;
    const tooLarge = this.#board.scrapes["too-large"];
    const count = (column: Float64Array) => column[slot] ?? 0;
    return {
      answered: count(ok) + count(status) + count(parse) + count(tooLarge),
      refused: count(connect),
      silent: count(timeout),
    };
  }
}
