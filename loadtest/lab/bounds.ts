import { kvBlocksOf } from "../../src/simulator/engine-options.ts";
import { EventQueue } from "../../src/replay/lab/event-queue.ts";
import type { Conversation, Plan } from "../../src/replay/lab/conversation.ts";
import type { PromptNode } from "../../src/replay/lab/prompt-tree.ts";
import type { RunRecord, SentRequest } from "../../src/replay/lab/run-record.ts";
import type { Setup } from "../../src/replay/lab/setup.ts";

/** A way to serve a pool that no router has: one cache for all, and prefill that decoding does not slow down. */
interface Bound {
  readonly summary: string;
  /** Which prompts are computed of those that are there; `all`: each at once, on an engine of its own. */
  readonly order: "all" | "shortest" | "response-ratio" | "first";
}

/** What no router can beat, by name. */
export const bounds: Readonly<Record<string, Bound>> = {
  "own-prefill": { summary: "a bound: one cache for all, and no wait", order: "all" },
  "pooled-srpt": {
    summary: "a bound: one cache for all, the shortest prompt first, with preemption",
    order: "shortest",
  },
  "pooled-response-ratio": {
    summary: "one cache and one queue for all, the least work over time waited first",
    order: "response-ratio",
  },
  "pooled-fcfs": {
    summary: "a bound: one cache for all, first come, first served",
    order: "first",
  },
};

interface BoundRun {
  readonly plan: Plan;
  readonly setup: Setup;
  readonly bound: Bound;
  readonly endMs: number;
}

/** Runs a plan under a bound. */
export function runBound(run: BoundRun): RunRecord {
  return new PooledRun(run).all();
}

interface Job {
  readonly conversation: Conversation;
  readonly index: number;
  readonly sent: SentRequest;
  tokensLeft: number;
  hasBegun: boolean;
}

class PooledRun {
  readonly #options: BoundRun;
  readonly #queue = new EventQueue();
  readonly #cache: PooledCache;
  /** Tokens a millisecond of each engine, the fastest first. */
  readonly #rates: readonly number[];
  readonly #sent: SentRequest[] = [];
  /** Those that compute come first, each on the engine of its place. */
  #jobs: Job[] = [];
  #computedMs = 0;
  /** Distinguishes the plans for the next end. */
  #planned = 0;
  #underWay = 0;

  constructor(options: BoundRun) {
    const { engines, engineOptions, slowFactors } = options.setup;
    this.#options = options;
    this.#cache = new PooledCache(kvBlocksOf(engineOptions) * engines, engineOptions.blockTokens);
    this.#rates = Array.from({ length: engines }, (_, index) => {
      return engineOptions.prefillTokensPerSecond / 1_000 / (slowFactors[index] ?? 1);
    }).toSorted((a, b) => b - a);
  }

  all(): RunRecord {
    const { plan, endMs } = this.#options;
    for (const conversation of plan.conversations) {
      this.#underWay += 1;
      this.#queue.add(conversation.atMs, () => this.#ask(conversation, 0));
    }
    while (this.#underWay > 0 && this.#queue.runNext(endMs));
    return { sent: this.#sent, endMs: this.#queue.nowMs, prefillMs: [1] };
  }

  #ask(conversation: Conversation, index: number): void {
    const turn = conversation.turns[index];
    if (turn === undefined) {
      this.#underWay -= 1;
      return;
    }
    const { prompt, outputTokens } = turn;
    const cachedTokens = this.#cache.use(prompt);
    const { nowMs } = this.#queue;
    const sent: SentRequest = {
      conversation: conversation.number,
      begunMs: conversation.atMs,
      sentMs: nowMs,
      promptTokens: prompt.tokens,
      outputTokens,
      idealTokens: cachedTokens,
      adapter: conversation.adapter,
      objective: conversation.objective,
      slot: undefined,
      firstTokenMs: undefined,
      endedMs: undefined,
      cachedTokens,
      failure: undefined,
    };
    this.#sent.push(sent);
    const tokensLeft = prompt.tokens - cachedTokens;
    const job: Job = { conversation, index, sent, tokensLeft, hasBegun: false };
    if (this.#options.bound.order === "all") {
      const [fastest = 1] = this.#rates;
      this.#queue.add(nowMs + job.tokensLeft / fastest, () => this.#began(job));
      return;
    }
    this.#compute();
    this.#jobs.push(job);
    this.#plan();
  }

  /** Lets time pass for the jobs that compute, and ends those that are done. */
  #compute(): void {
    const { nowMs } = this.#queue;
    const passedMs = nowMs - this.#computedMs;
    this.#computedMs = nowMs;
    const done: Job[] = [];
    for (const [place, rate] of this.#rates.entries()) {
      const job = this.#jobs[place];
      if (job === undefined) break;
      job.tokensLeft -= rate * passedMs;
      // Less than a token is left by rounding.
      if (job.tokensLeft < 1e-6) done.push(job);
    }
    if (done.length === 0) return;
    this.#jobs = this.#jobs.filter((job) => !done.includes(job));
    for (const job of done) this.#began(job);
  }

  /** Puts the jobs that compute next first; only the shortest take the place of others. */
  #order(): void {
    const { order } = this.#options.bound;
    if (order === "shortest") this.#jobs.sort((a, b) => a.tokensLeft - b.tokensLeft);
    if (order !== "response-ratio") return;
    const { nowMs } = this.#queue;
    const keyOf = ({ hasBegun, tokensLeft, sent: { sentMs } }: Job) =>
      hasBegun ? 0 : tokensLeft / (1_000 + nowMs - sentMs);
    this.#jobs.sort((a, b) => keyOf(a) - keyOf(b));
    for (const job of this.#jobs.slice(0, this.#rates.length)) job.hasBegun = true;
  }

  /** Orders the jobs and plans the next end. */
  #plan(): void {
    this.#order();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const [place, rate] of this.#rates.entries()) {
      const job = this.#jobs[place];
      if (job !== undefined) nextMs = Math.min(nextMs, job.tokensLeft / rate);
    }
    this.#planned += 1;
    const planned = this.#planned;
    if (nextMs === Number.POSITIVE_INFINITY) return;
    this.#queue.add(this.#queue.nowMs + nextMs, () => {
      if (planned !== this.#planned) return;
      this.#compute();
      this.#plan();
    });
  }

  #began({ conversation, index, sent }: Job): void {
    const { stepBaseMs, decodeMsPerSequence } = this.#options.setup.engineOptions;
    const { nowMs } = this.#queue;
    sent.firstTokenMs = nowMs;
    sent.endedMs = nowMs + (sent.outputTokens - 1) * (stepBaseMs + decodeMsPerSequence);
    const next = conversation.turns[index + 1];
    this.#queue.add(sent.endedMs + (next?.thinkMs ?? 0), () => {
      const answered = conversation.turns[index]?.answered;
      if (answered !== undefined) this.#cache.use(answered);
      this.#ask(conversation, index + 1);
    });
  }
}

/** One cache of the size of all; the least recently used blocks leave. */
class PooledCache {
  readonly #blocksMax: number;
  readonly #blockTokens: number;
  /** From the least to the most recently used. */
  readonly #blocks = new Set<number>();

  constructor(blocksMax: number, blockTokens: number) {
    this.#blocksMax = blocksMax;
    this.#blockTokens = blockTokens;
  }

  /** Returns the tokens that are cached of a prompt, which is cached from now on. */
  use(prompt: PromptNode): number {
    const blocks = prompt.blocks();
    const missing = blocks.findIndex((block) => !this.#blocks.has(block));
    const matched = missing === -1 ? blocks.length : missing;
    // The end of a prompt leaves before its start.
    for (const block of blocks.toReversed()) {
      this.#blocks.delete(block);
      this.#blocks.add(block);
    }
    for (const block of this.#blocks) {
      if (this.#blocks.size <= this.#blocksMax) break;
      this.#blocks.delete(block);
    }
    return Math.min(matched * this.#blockTokens, prompt.tokens - 1);
  }
}
