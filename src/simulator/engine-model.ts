import assert from "node:assert/strict";
import { AdapterCounts } from "./adapter-counts.ts";
import type {
  EngineEvent,
  EngineRequest,
  EngineSnapshot,
  SubmitResult,
} from "./engine-contract.ts";
import {
  contextTokensMaxOf,
  defaultEngineOptions,
  type EngineOptions,
  kvBlocksOf,
} from "./engine-options.ts";
import { LoraSlots } from "./lora-slots.ts";
import { SequenceMemory } from "./sequence-memory.ts";
import { prefillTokensOf, type Sequence, sequenceOf } from "./sequence.ts";
import { giveBack, type Step, stepMsOf, take } from "./step.ts";
import { WaitingQueues } from "./waiting-queues.ts";

type CachedPrompt = Pick<EngineRequest, "promptTokens" | "promptBlocks">;

/**
 * A continuously batching inference engine as a discrete-event model: pure, with no timer. It schedules as
 * vLLM's V1 engine does (docs/decisions/0033).
 *
 * Work goes in steps. A step first gives the running sequences their tokens, in the order of admission: the
 * next token to one that decodes, a chunk of its prompt to another. Then it admits waiting requests while
 * its token budget lasts. It lasts
 *
 *     (prefill tokens / prefill rate + base + decoding sequences * cost of one) * slow factor
 *
 * A prompt's first token appears when the step with its last chunk ends. Blocks are taken chunk by chunk.
 * If a running sequence finds no free block, the last one of the batch is preempted: it loses its blocks,
 * waits before all others, and is computed again, output included, as far as its blocks are not cached.
 */
export class EngineModel {
  #options: EngineOptions;
  readonly #memory: SequenceMemory;
  readonly #lora: LoraSlots;
  readonly #waiting = new WaitingQueues<Sequence>();
  /** In order of admission. */
  readonly #running: Sequence[] = [];
  readonly #sequences = new Map<number, Sequence>();
  /** Requests in the engine by adapter. */
  readonly #requestsOf = new AdapterCounts();
  #stepEndsAtMs: number | undefined;
  #events: EngineEvent[] = [];
  #arrivals = 0;
  #prefixQueryTokensTotal = 0;
  #prefixHitTokensTotal = 0;
  #promptTokensTotal = 0;
  #outputTokensTotal = 0;
  #preemptionsTotal = 0;

  constructor(options: Partial<EngineOptions> = {}) {
    this.#options = { ...defaultEngineOptions, ...options };
    const { blockTokens, prefixCaching } = this.#options;
    this.#memory = new SequenceMemory({ blocksMax: kvBlocksOf(this.#options), blockTokens });
    this.#memory.isCaching = prefixCaching;
    this.#lora = new LoraSlots(loraLimitsOf(this.#options));
  }

  get options(): EngineOptions {
    return this.#options;
  }

  /** Time must not run backwards over all calls of one model. */
  submit(request: EngineRequest, nowMs: number): SubmitResult {
    this.#runUntil(nowMs);
    assert(!this.#sequences.has(request.id), `request ${request.id} is already in the engine`);
    const contextTokensMax = contextTokensMaxOf(this.#options);
    if (request.promptTokens + request.outputTokens > contextTokensMax) {
      return { kind: "rejected", reason: "too-long", contextTokensMax };
    }
    if (this.#waiting.size >= this.#options.waitingRequestsMax) {
      return { kind: "rejected", reason: "queue-full" };
    }
    const sequence = sequenceOf(request, this.#arrivals, this.#options.blockTokens);
    this.#arrivals += 1;
    this.#sequences.set(request.id, sequence);
    this.#requestsOf.add(sequence.adapter);
    this.#waiting.push(sequence);
    if (this.#stepEndsAtMs === undefined) this.#startStep(nowMs);
    return { kind: "accepted" };
  }

  /** Drops a request and frees its blocks; harmless for one that is not in the engine. */
  cancel(id: number, nowMs: number): void {
    this.#runUntil(nowMs);
    const sequence = this.#sequences.get(id);
    if (sequence === undefined) return;
    if (sequence.isRunning) {
      this.#running.splice(this.#running.indexOf(sequence), 1);
      this.#stopRunning(sequence);
    } else {
      this.#waiting.remove(sequence);
    }
    this.#forget(sequence);
    if (this.#stepEndsAtMs === undefined) this.#startStep(nowMs);
  }

  /** The time at which `advance` next has work to do; undefined without work. */
  nextStepAtMs(): number | undefined {
    return this.#stepEndsAtMs ?? this.#lora.firstReadyAtMs(this.#waiting.adapters());
  }

  /** Runs every step that ends by `nowMs` and returns all events since the last call. */
  advance(nowMs: number): readonly EngineEvent[] {
    this.#runUntil(nowMs);
    const events = this.#events;
    if (events.length > 0) this.#events = [];
    return events;
  }

  /**
   * Changes options; the step under way keeps its duration. Block size and cache size are fixed
   * for a model's life, because every hash and block number depends on them.
   */
  reconfigure(options: EngineOptions, nowMs: number): void {
    assert(options.blockTokens === this.#options.blockTokens, "the block size is fixed");
    assert(kvBlocksOf(options) === this.#memory.blocksMax, "the cache size is fixed");
    this.#runUntil(nowMs);
    this.#options = options;
    this.#memory.isCaching = options.prefixCaching;
    this.#lora.setLimits(loraLimitsOf(options));
    if (this.#stepEndsAtMs === undefined) this.#startStep(nowMs);
  }

  /** Leading tokens of a prompt that are in the cache now. */
  cachedTokensOf({ promptTokens, promptBlocks }: CachedPrompt): number {
    return this.#memory.cachedTokensOf(promptBlocks, promptTokens);
  }

  /** Tokens of running sequences that are computed before each generates its next token. */
  prefillTokensLeft(): number {
    return prefillTokensOf(this.#running);
  }

  /** Output tokens that running sequences with a first token have yet to generate. */
  outputTokensLeft(): readonly number[] {
    return this.#running.flatMap(({ request, outputTokens }) =>
      outputTokens === 0 ? [] : request.outputTokens - outputTokens,
    );
  }

  /** The time from which a loaded adapter is usable; undefined for one that is not loaded. */
  adapterUsableAtMs(adapter: string): number | undefined {
    return this.#lora.readyAtMs(adapter);
  }

  snapshot(): EngineSnapshot {
    return {
      waitingRequests: this.#waiting.size,
      runningRequests: this.#running.length,
      kvUsedRatio: this.#memory.referencedBlocks / this.#memory.blocksMax,
      kvReferencedBlocks: this.#memory.referencedBlocks,
      prefixQueryTokensTotal: this.#prefixQueryTokensTotal,
      prefixHitTokensTotal: this.#prefixHitTokensTotal,
      promptTokensTotal: this.#promptTokensTotal,
      outputTokensTotal: this.#outputTokensTotal,
      preemptionsTotal: this.#preemptionsTotal,
      runningAdapters: this.#lora.inUse(),
      waitingAdapters: this.#waiting.adapters(),
      requestedAdapters: this.#requestsOf.names(),
    };
  }

  #runUntil(nowMs: number): void {
    for (;;) {
      const atMs = this.nextStepAtMs();
      if (atMs === undefined || atMs > nowMs) return;
      if (this.#stepEndsAtMs !== undefined) this.#finishStep(atMs);
      this.#startStep(atMs);
    }
  }

  #startStep(atMs: number): void {
    const budget = this.#options.stepTokensMax;
    const step: Step = { atMs, budget, prefillTokens: 0, decoding: 0, hasPreempted: false };
    this.#scheduleRunning(step);
    // After a preemption nothing is admitted, or the freed blocks would be used up at once.
    if (!step.hasPreempted && this.#waiting.size > 0) this.#admitWaiting(step);
    if (step.budget === budget) {
      // All that could run was preempted by the lack of blocks, which are now free.
      if (step.hasPreempted) this.#startStep(atMs);
      return;
    }
    this.#stepEndsAtMs = atMs + stepMsOf(this.#options, step);
  }

  #scheduleRunning(step: Step): void {
    const chunkTokensMax = this.#chunkTokensMax();
    for (let index = 0; step.budget > 0; index += 1) {
      const sequence = this.#running[index];
      if (sequence === undefined) return;
      const missing = sequence.contextTokens - sequence.computedTokens;
      const tokens = missing === 1 ? 1 : Math.min(missing, chunkTokensMax, step.budget);
      if (sequence.computedTokens + tokens >= sequence.growsAtTokens) {
        if (!this.#growByPreempting(sequence, tokens, step)) return;
        if (step.hasPreempted) index = this.#running.indexOf(sequence);
      }
      take(sequence, tokens, step);
    }
  }

  #chunkTokensMax(): number {
    const { prefillChunkTokensMax } = this.#options;
    return prefillChunkTokensMax === 0 ? Number.POSITIVE_INFINITY : prefillChunkTokensMax;
  }

  /** Preempts until a sequence has the blocks for its next tokens; false if it was preempted itself. */
  #growByPreempting(sequence: Sequence, tokens: number, step: Step): boolean {
    while (!this.#memory.grow(sequence, tokens)) {
      const victim = this.#lastInTurn();
      assert(victim !== undefined, "a sequence runs outside of the running list");
      this.#preempt(victim, step);
      if (victim === sequence) return false;
    }
    return true;
  }

  /** The running sequence that must give way first. */
  #lastInTurn(): Sequence | undefined {
    if (!this.#options.priorityScheduling) return this.#running.at(-1);
    let last: Sequence | undefined;
    for (const sequence of this.#running) {
      const { priority = 0, order = 0 } = last ?? {};
      const isLater = (sequence.priority - priority || sequence.order - order) > 0;
      if (last === undefined || isLater) last = sequence;
    }
    return last;
  }

  #preempt(sequence: Sequence, step: Step): void {
    giveBack(sequence, step);
    this.#running.splice(this.#running.lastIndexOf(sequence), 1);
    this.#stopRunning(sequence);
    this.#waiting.pushFront(sequence);
    this.#preemptionsTotal += 1;
    step.hasPreempted = true;
    this.#report("preempted", sequence, step.atMs);
  }

  #admitWaiting(step: Step): void {
    while (step.budget > 0 && this.#running.length < this.#options.runningRequestsMax) {
      const next = this.#nextWaiting(step.atMs);
      // As in vLLM, no request passes one that lacks blocks: a long one would wait forever.
      if (next === undefined || !this.#memory.admit(next)) return;
      this.#admit(next, step);
    }
  }

  /** The first waiting request whose adapter is loaded; starts the loads of those before it. */
  #nextWaiting(atMs: number): Sequence | undefined {
    const isWanted = (adapter: string) => this.#waiting.has(adapter);
    return this.#waiting.first(
      this.#options.priorityScheduling,
      ({ adapter }) => adapter === undefined || this.#lora.demand(adapter, atMs, isWanted),
    );
  }

  /** Moves a request, which has the cached blocks of its context, into the running batch. */
  #admit(sequence: Sequence, step: Step): void {
    this.#waiting.remove(sequence);
    this.#running.push(sequence);
    sequence.isRunning = true;
    if (sequence.adapter !== undefined) this.#lora.acquire(sequence.adapter);
    if (sequence.cachedTokens === undefined) {
      sequence.cachedTokens = sequence.computedTokens;
      this.#prefixHitTokensTotal += sequence.computedTokens;
      if (this.#memory.isCaching) this.#prefixQueryTokensTotal += sequence.request.promptTokens;
    }
    this.#report("admitted", sequence, step.atMs);
    const missing = sequence.contextTokens - sequence.computedTokens;
    const tokens = Math.min(missing, this.#chunkTokensMax(), step.budget);
    assert(this.#memory.grow(sequence, tokens), "an admitted request has no blocks");
    take(sequence, tokens, step);
  }

  #finishStep(atMs: number): void {
    this.#stepEndsAtMs = undefined;
    let kept = 0;
    let quietTokens = 0;
    for (const sequence of this.#running) {
      sequence.computedTokens += sequence.stepTokens;
      sequence.stepTokens = 0;
      if (sequence.computedTokens === sequence.contextTokens) {
        if (sequence.outputTokens < sequence.quietUntilTokens) {
          sequence.outputTokens += 1;
          sequence.contextTokens += 1;
          quietTokens += 1;
        } else if (this.#generateToken(sequence, atMs)) {
          continue;
        }
      }
      if (this.#running[kept] !== sequence) this.#running[kept] = sequence;
      kept += 1;
    }
    this.#running.length = kept;
    this.#outputTokensTotal += quietTokens;
  }

  /** Returns true if it was the last token. */
  #generateToken(sequence: Sequence, atMs: number): boolean {
    const { request } = sequence;
    if (sequence.outputTokens === 0) this.#promptTokensTotal += request.promptTokens;
    if (request.outputTokens > 0) {
      sequence.outputTokens += 1;
      sequence.contextTokens += 1;
      this.#outputTokensTotal += 1;
      if (sequence.outputTokens === 1) this.#report("first-token", sequence, atMs);
      else if (request.reportsTokens === true) this.#report("token", sequence, atMs);
      if (request.reportsTokens !== true) sequence.quietUntilTokens = request.outputTokens - 1;
    }
    if (sequence.outputTokens < request.outputTokens) return false;
    this.#stopRunning(sequence);
    this.#forget(sequence);
    this.#report("finished", sequence, atMs);
    return true;
  }

  #stopRunning(sequence: Sequence): void {
    this.#memory.release(sequence);
    sequence.isRunning = false;
    if (sequence.adapter !== undefined) this.#lora.release(sequence.adapter);
  }

  #forget(sequence: Sequence): void {
    this.#sequences.delete(sequence.request.id);
    this.#requestsOf.remove(sequence.adapter);
  }

  #report(kind: EngineEvent["kind"], sequence: Sequence, atMs: number): void {
    const { request, outputTokens, cachedTokens = 0 } = sequence;
    this.#events.push({ kind, id: request.id, atMs, outputTokens, cachedTokens });
  }
}

function loraLimitsOf(options: EngineOptions): { slotsMax: number; loadMs: number } {
  return { slotsMax: options.loraSlotsMax, loadMs: options.loraLoadMs };
}
