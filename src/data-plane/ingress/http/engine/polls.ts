/** Waits for the end of a poll of the event loop. */
export interface PollWaiter {
  /** Runs once the event loop has polled. */
  polled(): void;
  /** Runs after `polled` of all that waited for the same poll. */
  settled?(): void;
}

/**
 * Counts the polls of the event loop, as far as they are waited for. A poll tells all that sockets have received, and the
 * callbacks of `setImmediate` follow it: by then, everything that had come before the poll has been read.
 */
export class Polls {
  #count = 0;
  #isAwaited = false;
  #now: PollWaiter[] = [];
  #next: PollWaiter[] = [];
  readonly #polled = (): void => {
    const due = this.#now;
    this.#isAwaited = false;
    this.#count += 1;
    this.#now = this.#next;
    this.#next = [];
    if (this.#now.length > 0) this.#await();
    for (const waiter of due) waiter.polled();
    for (const waiter of due) waiter.settled?.();
  };

  /** The number of this poll: it is another one once this poll is over. */
  current(): number {
    this.#await();
    return this.#count;
  }

  /** Calls back once this poll is over, or the next one. */
  wait(waiter: PollWaiter, isNext: boolean): void {
    (isNext ? this.#next : this.#now).push(waiter);
    this.#await();
  }

  #await(): void {
    if (this.#isAwaited) return;
    this.#isAwaited = true;
    setImmediate(this.#polled);
  }
}
