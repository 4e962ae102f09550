import type { EngineEvent, EngineSnapshot, SubmitResult } from "../../simulator/engine-contract.ts";
import { EngineModel } from "../../simulator/engine-model.ts";
import type { EngineOptions } from "../../simulator/engine-options.ts";
import type { EventQueue } from "./event-queue.ts";
import type { PlannedTurn } from "./conversation.ts";
import type { PromptNode } from "./prompt-tree.ts";

/** A request in an engine. */
export interface EngineJob {
  readonly id: number;
  readonly turn: PlannedTurn;
  readonly adapter: string | undefined;
  /** vLLM's field of the same name. */
  readonly priority: number | undefined;
  /** True if the next turn finds the answer in the cache. */
  readonly cachesAnswer: boolean;
  readonly onEvent: (event: EngineEvent) => void;
  /** The engine has died under it. */
  readonly onFailed: () => void;
  /** Kept by the engine: the tokens that it has to compute, as long as it waits. */
  waitingTokens: number | undefined;
  hasFirstToken: boolean;
}

/** Milliseconds for which the cached part of a waiting prompt is taken as it was. */
const freshMs = 200;
/** Waiting prompts that are looked up again, the first ones; each costs as much as a decision. */
const refreshedMax = 64;

/** One simulated engine in virtual time, with what it has to do as only a lab can see it. */
export class LabEngine {
  readonly #queue: EventQueue;
  readonly #jobs = new Map<number, EngineJob>();
  #model: EngineModel;
  #decoding = 0;
  #waitingTokens = 0;
  #freshUntilMs = 0;
  #stepAtMs = Number.POSITIVE_INFINITY;
  #startedMs = 0;
  /** Milliseconds of prefill that it has computed, of requests that have begun to be answered. */
  prefillMs = 0;

  constructor(queue: EventQueue, options: EngineOptions) {
    this.#queue = queue;
    this.#model = new EngineModel(options);
  }

  get options(): EngineOptions {
    return this.#model.options;
  }

  get startedMs(): number {
    return this.#startedMs;
  }

  /** Milliseconds until an adapter would be usable if a slot were free. */
  adapterLoadMs(adapter: string): number {
    const usableAtMs = this.#model.adapterUsableAtMs(adapter);
    if (usableAtMs === undefined) return this.options.loraLoadMs;
    return Math.max(0, usableAtMs - this.#queue.nowMs);
  }

  /** Requests that generate tokens. */
  get decoding(): number {
    return this.#decoding;
  }

  get snapshot(): EngineSnapshot {
    return this.#model.snapshot();
  }

  submit(job: EngineJob): SubmitResult {
    const { prompt, outputTokens } = job.turn;
    if (job.priority !== undefined && !this.options.priorityScheduling) {
      throw new Error("engines need --engine priorityScheduling=true to take a priority");
    }
    this.#run();
    job.waitingTokens = this.uncachedTokensOf(prompt);
    this.#waitingTokens += job.waitingTokens;
    this.#jobs.set(job.id, job);
    const result = this.#model.submit(
      {
        id: job.id,
        promptTokens: prompt.tokens,
        promptBlocks: this.#blocksOf(prompt),
        outputBlocks: job.cachesAnswer ? job.turn.answered.ownBlocks() : undefined,
        outputTokens,
        adapter: job.adapter,
        priority: job.priority,
      },
      this.#queue.nowMs,
    );
    if (result.kind === "rejected") {
      this.#jobs.delete(job.id);
      this.#stopWaiting(job);
    }
    // An idle engine has admitted it at once.
    this.#run();
    return result;
  }

  /** Tokens of a prompt that it would have to compute now. */
  uncachedTokensOf(prompt: PromptNode): number {
    const promptBlocks = this.#blocksOf(prompt);
    return (
      prompt.tokens - this.#model.cachedTokensOf({ promptTokens: prompt.tokens, promptBlocks })
    );
  }

  /** Tokens to compute before all its requests have a first token; `uncachedTokensOf` of those that wait. */
  workTokens(): number {
    if (this.#queue.nowMs >= this.#freshUntilMs) this.#refresh();
    return this.#waitingTokens + this.#model.prefillTokensLeft();
  }

  /** The same with whole prompts of those that wait. */
  wholeWorkTokens(): number {
    let tokens = this.#model.prefillTokensLeft();
    for (const { waitingTokens, turn } of this.#jobs.values()) {
      if (waitingTokens !== undefined) tokens += turn.prompt.tokens;
    }
    return tokens;
  }

  /** Output tokens that requests with a first token have yet to get. */
  outputTokensLeft(): readonly number[] {
    return this.#model.outputTokensLeft();
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
    this.#decoding = 0;
    this.#waitingTokens = 0;
    this.#model = new EngineModel(this.#model.options);
    this.#stepAtMs = Number.POSITIVE_INFINITY;
    this.#startedMs = this.#queue.nowMs;
    for (const job of jobs) job.onFailed();
  }

  /** The prompt in blocks of this engine's size, each known by its last block of the tree. */
  #blocksOf(prompt: PromptNode): readonly number[] {
    const blocks = prompt.blocks();
    const each = this.options.blockTokens / prompt.blockTokens;
    return each === 1 ? blocks : blocks.filter((_, index) => index % each === each - 1);
  }

  #run(): void {
    for (const event of this.#model.advance(this.#queue.nowMs)) this.#hear(event);
    this.#planStep();
  }

  #hear(event: EngineEvent): void {
    const job = this.#jobs.get(event.id);
    if (job === undefined) return;
    if (event.kind === "admitted") this.#stopWaiting(job);
    else if (event.kind === "preempted") this.#preempted(job);
    else if (event.kind === "first-token") this.#began(job, event);
    else if (event.kind === "finished") {
      this.#jobs.delete(event.id);
      this.#decoding -= 1;
    }
    job.onEvent(event);
  }

  #began(job: EngineJob, { cachedTokens }: EngineEvent): void {
    job.hasFirstToken = true;
    this.#decoding += 1;
    const { prefillTokensPerSecond, slowFactor } = this.options;
    const computed = job.turn.prompt.tokens - cachedTokens;
    this.prefillMs += (computed / prefillTokensPerSecond) * 1_000 * slowFactor;
  }

  #preempted(job: EngineJob): void {
    job.waitingTokens = this.uncachedTokensOf(job.turn.prompt);
    this.#waitingTokens += job.waitingTokens;
  }

  #stopWaiting(job: EngineJob): void {
    this.#waitingTokens -= job.waitingTokens ?? 0;
    job.waitingTokens = undefined;
  }

  /** Looks the first waiting prompts up again: blocks come and go. */
  #refresh(): void {
    this.#freshUntilMs = this.#queue.nowMs + freshMs;
    let refreshed = 0;
    for (const job of this.#jobs.values()) {
      if (refreshed === refreshedMax) return;
      if (job.waitingTokens === undefined) continue;
      refreshed += 1;
      this.#waitingTokens -= job.waitingTokens;
      job.waitingTokens = this.uncachedTokensOf(job.turn.prompt);
      this.#waitingTokens += job.waitingTokens;
    }
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
