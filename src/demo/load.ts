import type { Clock } from "../std/clock.ts";
import type { Random } from "../std/random.ts";
import type { Outcome } from "./tally.ts";
import type { LoadRequest } from "./workload.ts";

export interface TargetOptions {
  /** Requests under way at a time; those due beyond it are held back for good. */
  readonly concurrentMax: number;
  /** Resolves to undefined if the signal has cut the request short. */
  readonly send: (request: LoadRequest, cut: AbortSignal) => Promise<Outcome | undefined>;
  readonly onOutcome: (outcome: Outcome) => void;
}

/** One of the addresses that get every request of a load, with what is under way there. */
export class Target {
  readonly #options: TargetOptions;
  readonly #underWay = new Set<Promise<void>>();
  #heldBack = 0;
  #unfinished = 0;

  constructor(options: TargetOptions) {
    this.#options = options;
  }

  /** Requests sent and not ended. */
  get requestsUnderWay(): number {
    return this.#underWay.size;
  }

  /** Requests that were due and not sent, because too many were under way. */
  get requestsHeldBack(): number {
    return this.#heldBack;
  }

  /** Requests that the end of the load has cut short. */
  get requestsUnfinished(): number {
    return this.#unfinished;
  }

  start(request: LoadRequest, cut: AbortSignal): void {
    if (this.#underWay.size >= this.#options.concurrentMax) {
      this.#heldBack += 1;
      return;
    }
    const sent = this.#send(request, cut).finally(() => this.#underWay.delete(sent));
    this.#underWay.add(sent);
  }

  /** Resolves when all that is under way now has ended. */
  async ended(): Promise<void> {
    await Promise.all(this.#underWay);
  }

  async #send(request: LoadRequest, cut: AbortSignal): Promise<void> {
    const outcome = await this.#options.send(request, cut);
    if (outcome === undefined) this.#unfinished += 1;
    else this.#options.onOutcome(outcome);
  }
}

export interface LoadOptions {
  readonly requestsPerSecond: number;
  /** Milliseconds that requests under way get at the end of the load. */
  readonly patienceMs: number;
}

export interface LoadDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly next: (nowMs: number) => LoadRequest;
  readonly targets: readonly Target[];
}

/** Requests at random moments at a steady mean rate, each to all targets, whether or not earlier ones have ended. */
export class OpenLoad {
  readonly #options: LoadOptions;
  readonly #deps: LoadDeps;
  #sent = 0;

  constructor(options: LoadOptions, deps: LoadDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  /** Requests that were due so far. */
  get requestsSent(): number {
    return this.#sent;
  }

  /**
   * Sends until `stop`, then waits for what is under way: as long as the patience lasts, and no
   * longer than until `hurry`.
   */
  async run(stop: AbortSignal, hurry: AbortSignal): Promise<void> {
    const { clock, random, next, targets } = this.#deps;
    const { requestsPerSecond, patienceMs } = this.#options;
    const cut = new AbortController();
    let dueMs = clock.nowMs();
    while (!stop.aborted) {
      // Exponential gaps: requests of many independent clients.
      dueMs += (-Math.log(1 - random()) / requestsPerSecond) * 1_000;
      // One request is due after another.
      await clock.sleep(Math.max(0, dueMs - clock.nowMs()), stop);
      if (stop.aborted) break;
      const request = next(dueMs);
      this.#sent += 1;
      for (const target of targets) target.start(request, cut.signal);
    }
    const over = new AbortController();
    const ended = Promise.all(targets.map((target) => target.ended())).then(() => over.abort());
    await clock.sleep(patienceMs, AbortSignal.any([hurry, over.signal]));
    cut.abort();
    await ended;
  }
}
