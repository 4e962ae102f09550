import assert from "node:assert/strict";
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
import { KvCache } from "./kv-cache.ts";
import { LinkedList } from "./linked-list.ts";
import { LoraSlots } from "./lora-slots.ts";
import { contextTokensOf, type Sequence, sequenceOf } from "./sequence.ts";
import { WaitingQueues } from "./waiting-queues.ts";

/**
 * A continuously batching inference engine as a discrete-event model: pure, with no timer.
 *
 * Work goes in steps. A step gives one token to every decoding sequence and the rest of its
 * token budget to prefill chunks, first come, first served, and lasts
 *
 *     (prefill tokens / prefill rate + base + decoding sequences * cost of one) * slow factor
 *
 * A prompt's first token appears when the step with its last chunk ends. A request is admitted
 * when the blocks for all of its prompt are free. When a decode finds no free block, the
 * sequence admitted last is preempted: it loses its blocks and is computed again later.
 * Generated tokens are not cached for later prompts.
 */
export class EngineModel {
  #options: EngineOptions;
  readonly #kv: KvCache;
  readonly #lora: LoraSlots;
  readonly #waiting = new WaitingQueues<Sequence>();
  /** In order of admission. */
  readonly #running = new LinkedList<Sequence>();
  readonly #sequences = new Map<number, Sequence>();
  /** Requests in the engine by adapter. */
  readonly #requestsOf = new Map<string, number>();
  /** The sequences of the step under way. */
  #batch: Sequence[] = [];
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
    this.#kv = new KvCache(kvBlocksOf(this.#options));
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
    const sequence = sequenceOf(request, this.#arrivals);
    this.#arrivals += 1;
    this.#sequences.set(request.id, sequence);
    this.#countAdapter(sequence, 1);
    this.#waiting.push(sequence);
    this.#startWork(nowMs);
    return { kind: "accepted" };
  }

  /** Drops a request and frees its blocks; harmless for one that is not in the engine. */
  cancel(id: number, nowMs: number): void {
    this.#runUntil(nowMs);
    const sequence = this.#sequences.get(id);
    if (sequence === undefined) return;
    if (sequence.phase === "waiting") this.#waiting.remove(sequence);
    else this.#stopRunning(sequence);
    this.#forget(sequence);
    this.#startWork(nowMs);
  }

  /** The time at which `advance` next has work to do; undefined without work. */
  nextStepAtMs(): number | undefined {
    return this.#stepEndsAtMs ?? this.#adapterReadyAtMs();
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
    assert(kvBlocksOf(options) === this.#kv.blocksMax, "the cache size is fixed");
    this.#runUntil(nowMs);
    this.#options = options;
    this.#lora.setLimits(loraLimitsOf(options));
    this.#startWork(nowMs);
  }

  snapshot(): EngineSnapshot {
    return {
      waitingRequests: this.#waiting.size,
      runningRequests: this.#running.size,
      kvUsedRatio: this.#kv.referencedBlocks / this.#kv.blocksMax,
      kvReferencedBlocks: this.#kv.referencedBlocks,
      prefixQueryTokensTotal: this.#prefixQueryTokensTotal,
      prefixHitTokensTotal: this.#prefixHitTokensTotal,
      promptTokensTotal: this.#promptTokensTotal,
      outputTokensTotal: this.#outputTokensTotal,
      preemptionsTotal: this.#preemptionsTotal,
      runningAdapters: this.#lora.inUse(),
      waitingAdapters: this.#waiting.adapters(),
      requestedAdapters: [...this.#requestsOf.keys()],
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

  #startWork(nowMs: number): void {
    if (this.#stepEndsAtMs === undefined) this.#startStep(nowMs);
    else this.#loadAdapters(nowMs);
  }

  #startStep(atMs: number): void {
    this.#loadAdapters(atMs);
    this.#batch = [];
    const { stepTokensMax } = this.#options;
    const preemptionsBefore = this.#preemptionsTotal;
    const decoding = this.#scheduleDecodes(stepTokensMax, atMs);
    let budget = stepTokensMax - decoding;
    let sequence = this.#running.head;
    for (; sequence !== undefined && budget > 0; sequence = sequence.next) {
      if (sequence.phase === "prefill") budget -= this.#schedulePrefill(sequence, budget);
    }
    // After a preemption nothing is admitted, or the freed blocks would be used up at once.
    if (this.#preemptionsTotal === preemptionsBefore) budget = this.#admitWaiting(budget, atMs);
    if (this.#batch.length === 0) return;
    const prefillTokens = stepTokensMax - decoding - budget;
    this.#stepEndsAtMs = atMs + stepMsOf(this.#options, prefillTokens, decoding);
  }

  /** Gives each decoding sequence a token, and a block if it needs one; returns their number. */
  #scheduleDecodes(budget: number, atMs: number): number {
    let decoding = 0;
    let sequence = this.#running.head;
    while (sequence !== undefined && decoding < budget) {
      if (sequence.phase !== "decode") {
        sequence = sequence.next;
        continue;
      }
      if (this.#hasRoomForToken(sequence) || this.#kv.extend(sequence.blocks)) {
        sequence.stepTokens = 1;
        this.#batch.push(sequence);
        decoding += 1;
        sequence = sequence.next;
        continue;
      }
      const newest = this.#running.tail;
      assert(newest !== undefined, "a sequence runs outside of the running list");
      this.#preempt(newest, atMs);
      if (newest === sequence) break;
    }
    return decoding;
  }

  #hasRoomForToken(sequence: Sequence): boolean {
    return sequence.computedTokens < sequence.blocks.length * this.#options.blockTokens;
  }

  #preempt(sequence: Sequence, atMs: number): void {
    this.#stopRunning(sequence);
    sequence.phase = "waiting";
    sequence.computedTokens = 0;
    sequence.freeBlocksMin = 0;
    this.#waiting.pushFront(sequence);
    this.#preemptionsTotal += 1;
    this.#report("preempted", sequence, atMs);
  }

  /** Takes the next chunk of a prompt into the step; returns its tokens. */
  #schedulePrefill(sequence: Sequence, budget: number): number {
    const { request, computedTokens } = sequence;
    const chunk = Math.min(budget, contextTokensOf(sequence) - computedTokens);
    sequence.stepTokens = chunk;
    this.#batch.push(sequence);
    // As in vLLM, blocks can be hit from the moment their computation is scheduled.
    const { blockTokens } = this.#options;
    const end = Math.min(computedTokens + chunk, request.promptTokens);
    for (let index = Math.floor(computedTokens / blockTokens); ; index += 1) {
      const block = sequence.blocks[index];
      const hash = request.promptBlocks[index];
      if ((index + 1) * blockTokens > end || block === undefined || hash === undefined) break;
      this.#kv.publish(block, hash);
    }
    return chunk;
  }

  /** Admits from the waiting queue while the budget lasts; returns what is left of it. */
  #admitWaiting(budget: number, atMs: number): number {
    let left = budget;
    while (left > 0 && this.#running.size < this.#options.runningRequestsMax) {
      const sequence = this.#waiting.first(
        (adapter) => adapter === undefined || this.#lora.isReady(adapter, atMs),
      );
      if (sequence === undefined || !this.#admit(sequence, atMs)) break;
      left -= this.#schedulePrefill(sequence, left);
    }
    return left;
  }

  /** Moves a request into the running batch; false when its prompt finds too few free blocks. */
  #admit(sequence: Sequence, atMs: number): boolean {
    if (this.#kv.freeBlocks < sequence.freeBlocksMin) return false;
    const { request } = sequence;
    const { blockTokens } = this.#options;
    const contextTokens = contextTokensOf(sequence);
    const blocksNeeded = Math.ceil(contextTokens / blockTokens);
    // At least one token is left to compute: otherwise there is nothing to sample from.
    const matchMax = Math.floor(
      Math.min(request.promptTokens, Math.max(0, contextTokens - 1)) / blockTokens,
    );
    const match = this.#kv.match(request.promptBlocks, matchMax);
    const freeBlocksNeeded = blocksNeeded - match.blocks + match.idleBlocks;
    if (this.#kv.freeBlocks < freeBlocksNeeded) {
      sequence.freeBlocksMin = freeBlocksNeeded;
      return false;
    }
    sequence.blocks = this.#kv.share(request.promptBlocks, match.blocks);
    while (sequence.blocks.length < blocksNeeded) this.#kv.extend(sequence.blocks);
    sequence.computedTokens = match.blocks * blockTokens;
    if (sequence.cachedTokens === undefined) {
      sequence.cachedTokens = sequence.computedTokens;
      this.#prefixQueryTokensTotal += request.promptTokens;
      this.#prefixHitTokensTotal += sequence.computedTokens;
    }
    this.#waiting.remove(sequence);
    sequence.phase = "prefill";
    this.#running.pushBack(sequence);
    if (sequence.adapter !== undefined) this.#lora.acquire(sequence.adapter);
    this.#report("admitted", sequence, atMs);
    return true;
  }

  #finishStep(atMs: number): void {
    this.#stepEndsAtMs = undefined;
    for (const sequence of this.#batch) {
      // Cancelled during the step.
      if (sequence.phase === "gone") continue;
      sequence.computedTokens += sequence.stepTokens;
      if (sequence.computedTokens < contextTokensOf(sequence)) continue;
      sequence.phase = "decode";
      this.#generateToken(sequence, atMs);
    }
  }

  #generateToken(sequence: Sequence, atMs: number): void {
    const { request } = sequence;
    if (sequence.outputTokens === 0) this.#promptTokensTotal += request.promptTokens;
    if (request.outputTokens > 0) {
      sequence.outputTokens += 1;
      this.#outputTokensTotal += 1;
      if (sequence.outputTokens === 1) this.#report("first-token", sequence, atMs);
      else if (request.reportsTokens === true) this.#report("token", sequence, atMs);
    }
    if (sequence.outputTokens < request.outputTokens) return;
    this.#stopRunning(sequence);
    this.#forget(sequence);
    this.#report("finished", sequence, atMs);
  }

  #stopRunning(sequence: Sequence): void {
    this.#running.remove(sequence);
    this.#kv.release(sequence.blocks);
    sequence.blocks = [];
    if (sequence.adapter !== undefined) this.#lora.release(sequence.adapter);
  }

  #forget(sequence: Sequence): void {
    sequence.phase = "gone";
    this.#sequences.delete(sequence.request.id);
    this.#countAdapter(sequence, -1);
  }

  #countAdapter({ adapter }: Sequence, change: 1 | -1): void {
    if (adapter === undefined) return;
    const count = (this.#requestsOf.get(adapter) ?? 0) + change;
    if (count > 0) this.#requestsOf.set(adapter, count);
    else this.#requestsOf.delete(adapter);
  }

  /** Loads adapters that requests wait for, those of the longest waiting first. */
  #loadAdapters(atMs: number): void {
    if (this.#waiting.size === 0) return;
    for (;;) {
      const { adapter } =
        this.#waiting.first((name) => name !== undefined && !this.#lora.holds(name)) ?? {};
      if (adapter === undefined) return;
      if (!this.#lora.load(adapter, atMs, (held) => this.#waiting.has(held))) return;
    }
  }

  /** The time at which the first loading adapter is ready, if nothing else goes on. */
  #adapterReadyAtMs(): number | undefined {
    if (this.#waiting.size === 0) return undefined;
    let firstMs: number | undefined;
    for (const adapter of this.#waiting.adapters()) {
      const readyAtMs = this.#lora.readyAtMs(adapter);
      if (readyAtMs === undefined) continue;
      if (firstMs === undefined || readyAtMs < firstMs) firstMs = readyAtMs;
    }
    return firstMs;
  }

  #report(kind: EngineEvent["kind"], sequence: Sequence, atMs: number): void {
    const { request, outputTokens, cachedTokens = 0 } = sequence;
    this.#events.push({ kind, id: request.id, atMs, outputTokens, cachedTokens });
  }
}

function stepMsOf(options: EngineOptions, prefillTokens: number, decoding: number): number {
  const prefillMs = (prefillTokens / options.prefillTokensPerSecond) * 1_000;
  const decodeMs = decoding * options.decodeMsPerSequence;
  return (prefillMs + options.stepBaseMs + decodeMs) * options.slowFactor;
}

function loraLimitsOf(options: EngineOptions): { slotsMax: number; loadMs: number } {
  return { slotsMax: options.loraSlotsMax, loadMs: options.loraLoadMs };
}
