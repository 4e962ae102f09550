import { FakeClock } from "./fake-clock.ts";

/** A clock that the test moves, at once. */
export class StoppedClock extends FakeClock {
  #ms = 0;

  override nowMs(): number {
    return this.#ms;
  }

  pass(ms: number): void {
    this.#ms += ms;
  }
}

/** Resolves in the next turn of the event loop. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
