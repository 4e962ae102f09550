import type { EventLoopTurn } from "./event-loop-turn.ts";

/** Handles items in order, at once while the turn of the event loop has time, otherwise in the next ones. */
export class TurnQueue<Item> {
  readonly #turn: EventLoopTurn;
  readonly #handle: (item: Item) => void;
  #items: Item[] = [];
  #at = 0;

  constructor(turn: EventLoopTurn, handle: (item: Item) => void) {
    this.#turn = turn;
    this.#handle = handle;
  }

  add(item: Item): void {
    this.#items.push(item);
    if (this.#items.length === 1) this.#run();
  }

  /** Drops what was not handled. */
  clear(): void {
    this.#items = [];
    this.#at = 0;
  }

  readonly #run = (): void => {
    this.#turn.begin();
    while (this.#at < this.#items.length) {
      if (this.#turn.isOver) return this.#runLater();
      const item = this.#items[this.#at];
      this.#at += 1;
      if (item !== undefined) this.#handle(item);
    }
    this.clear();
  };

  #runLater(): void {
    this.#items.splice(0, this.#at);
    this.#at = 0;
    this.#turn.afterwards(this.#run);
  }
}
