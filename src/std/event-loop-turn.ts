import type { Clock } from "./clock.ts";

/** Milliseconds of a turn that requests may take. */
const msMax = 5;

/**
 * Divides the event loop between requests and all else: pages, scrapes, timers, answers of pings.
 *
 * Node.js reads up to 2 MB of a socket, and up to 1,000 messages of a thread, in one turn of the loop. Under load that is
 * a thousand requests, and nothing else happens until all are decided.
 */
export class EventLoopTurn {
  readonly #clock: Pick<Clock, "nowMs">;
  #startedAtMs = Number.NaN;
  #tasks: (() => void)[] = [];

  constructor(clock: Pick<Clock, "nowMs">) {
    this.#clock = clock;
  }

  /** Call before each piece of work. */
  begin(): void {
    if (!Number.isNaN(this.#startedAtMs)) return;
    this.#startedAtMs = this.#clock.nowMs();
    setImmediate(this.#next);
  }

  /** True if work that can wait should wait for the next turn. */
  get isOver(): boolean {
    return this.#clock.nowMs() - this.#startedAtMs >= msMax;
  }

  /** Runs `task` in the next turn. Call it in a turn that has begun. */
  afterwards(task: () => void): void {
    this.#tasks.push(task);
  }

  readonly #next = (): void => {
    this.#startedAtMs = Number.NaN;
    const tasks = this.#tasks;
    this.#tasks = [];
    for (const task of tasks) task();
  };
}
