import type {
  EngineEvent,
  EngineSnapshot,
  SubmitResult,
} from "../../src/simulator/engine-contract.ts";
import { EngineModel } from "../../src/simulator/engine-model.ts";
import type { EngineOptions } from "../../src/simulator/engine-options.ts";
import type { EventQueue } from "./event-queue.ts";
import type { PlannedTurn } from "./plan.ts";

/** A request in an engine. */
export interface EngineJob {
  readonly id: number;
  readonly turn: PlannedTurn;
  readonly adapter: string | undefined;
  /** Milliseconds at which the engine got it. */
  readonly arrivedMs: number;
  readonly onEvent: (event: EngineEvent) => void;
  /** The engine has died under it. */
  readonly onFailed: () => void;
  /** Kept by the engine: undefined while it waits. */
  admittedMs: number | undefined;
  firstTokenMs: number | undefined;
  cachedTokens: number;
}

interface LabEngineOptions {
  readonly options: EngineOptions;
  readonly cachesPrefixes: boolean;
}

const noBlocks: readonly number[] = [];

/** One simulated engine in virtual time, with what it has to do as only a lab can see it. */
export class LabEngine {
  readonly #queue: EventQueue;
  readonly #cachesPrefixes: boolean;
  readonly #jobs = new Map<number, EngineJob>();
  #model: EngineModel;
  #stepAtMs = Number.POSITIVE_INFINITY;
  #startedMs = 0;
  /** Milliseconds of prefill that it has computed, of requests that have begun to be answered. */
  prefillMs = 0;

  constructor(queue: EventQueue, { options, cachesPrefixes }: LabEngineOptions) {
    this.#queue = queue;
    this.#cachesPrefixes = cachesPrefixes;
    this.#model = new EngineModel(options);
  }

  get options(): EngineOptions {
    return this.#model.options;
  }

  get startedMs(): number {
    return this.#startedMs;
  }

  /** Its requests in order of arrival. */
  get jobs(): ReadonlyMap<number, EngineJob> {
    return this.#jobs;
  }

  get cachesPrefixes(): boolean {
    return this.#cachesPrefixes;
  }

  get snapshot(): EngineSnapshot {
    return this.#model.snapshot();
  }

  submit(job: EngineJob): SubmitResult {
    const { prompt, outputTokens } = job.turn;
    this.#run();
    this.#jobs.set(job.id, job);
    const result = this.#model.submit(
      {
        id: job.id,
        promptTokens: prompt.tokens,
        promptBlocks: this.#cachesPrefixes ? prompt.blocks() : noBlocks,
        outputTokens,
        adapter: job.adapter,
      },
      this.#queue.nowMs,
    );
    if (result.kind === "rejected") this.#jobs.delete(job.id);
    // An idle engine has admitted it at once.
    this.#run();
    return result;
  }

  /** Brings the engine to the present. */
  advance(): void {
    this.#run();
  }

  reconfigure(options: Partial<EngineOptions>): void {
    this.#model.reconfigure({ ...this.#model.options, ...options }, this.#queue.nowMs);
    this.#run();
  }

  /** Fails every request and empties the cache. */
  restart(): void {
    const jobs = [...this.#jobs.values()];
    this.#jobs.clear();
    this.#model = new EngineModel(this.#model.options);
    this.#stepAtMs = Number.POSITIVE_INFINITY;
    this.#startedMs = this.#queue.nowMs;
    for (const job of jobs) job.onFailed();
  }

  #run(): void {
    for (const event of this.#model.advance(this.#queue.nowMs)) this.#hear(event);
    this.#planStep();
  }

  #hear(event: EngineEvent): void {
    const job = this.#jobs.get(event.id);
    if (job === undefined) return;
    if (event.kind === "admitted") {
      job.admittedMs = event.atMs;
      job.cachedTokens = event.cachedTokens;
    } else if (event.kind === "first-token") {
      job.firstTokenMs = event.atMs;
      const { prefillTokensPerSecond, slowFactor } = this.options;
      const computed = job.turn.prompt.tokens - event.cachedTokens;
      this.prefillMs += (computed / prefillTokensPerSecond) * 1_000 * slowFactor;
    } else if (event.kind === "finished") this.#jobs.delete(event.id);
    job.onEvent(event);
  }

  #planStep(): void {
    const atMs = this.#model.nextStepAtMs() ?? Number.POSITIVE_INFINITY;
    if (atMs === this.#stepAtMs) return;
    this.#stepAtMs = atMs;
    if (atMs === Number.POSITIVE_INFINITY) return;
    this.#queue.add(atMs, () => {
      // The engine may have got something else to do first.
      if (this.#stepAtMs !== atMs) return;
      this.#stepAtMs = Number.POSITIVE_INFINITY;
      this.#run();
    });
  }
}
