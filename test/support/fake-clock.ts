import type { CancelTimer, Clock } from "../../src/std/clock.ts";

interface Timer {
  readonly dueMs: number;
  readonly task: () => void;
}

/** A clock whose time moves only by `advance`, so that a test decides when anything is due. */
export class FakeClock implements Clock {
  #nowMs = 0;
  readonly #wallStartMs: number;
  /** In the order they were set, which breaks ties between timers due at the same instant. */
  readonly #timers = new Set<Timer>();

  constructor(wallStartMs = Date.UTC(2026, 0, 1)) {
    this.#wallStartMs = wallStartMs;
  }

  /** Timers that have not run and were not cancelled: 0 once everything has been stopped. */
  get pendingTimers(): number {
    return this.#timers.size;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.#wallStartMs + this.#nowMs;
  }

  after(delayMs: number, task: () => void): CancelTimer {
    const timer: Timer = { dueMs: this.#nowMs + Math.max(0, delayMs), task };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted === true) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        cancel();
        signal?.removeEventListener("abort", done);
        resolve();
      };
      const cancel = this.after(delayMs, done);
      signal?.addEventListener("abort", done, { once: true });
    });
  }

  /**
   * Moves time on by `durationMs` and runs what falls due on the way, in order of due time.
   *
   * Promises settle before the first timer, between timers and after the last one, so a loop
   * that sleeps, works and sleeps again runs as many rounds as fit.
   */
  async advance(durationMs: number): Promise<void> {
    const untilMs = this.#nowMs + durationMs;
    await settled();
    for (let timer = this.#nextDue(untilMs); timer; timer = this.#nextDue(untilMs)) {
      this.#timers.delete(timer);
      this.#nowMs = Math.max(this.#nowMs, timer.dueMs);
      timer.task();
      // Timers run one after another: what one of them starts may set the next.
      await settled();
    }
    this.#nowMs = untilMs;
  }

  #nextDue(untilMs: number): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.dueMs <= untilMs && (next === undefined || timer.dueMs < next.dueMs)) next = timer;
    }
    return next;
  }
}

/** Resolves when every promise chain that needs no I/O has run to its end. */
function settled(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
