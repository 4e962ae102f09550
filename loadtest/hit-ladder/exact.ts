import type { TimedPrompt } from "./prompts.ts";

/** Time in which the work that an engine was sent counts to 1/e, in milliseconds. */
const workMemoryMs = 60_000;

/** Times its fair share of the work that an engine may have before a prompt leaves its home. */
const overShare = 1.25;

/** A prefix cache with exact least-recently-used eviction; the end of a prompt goes before its beginning. */
export class LruCache {
  readonly #blocks = new Set<number>();
  readonly #blocksMax: number;

  constructor(blocksMax: number) {
    this.#blocksMax = blocksMax;
  }

  /** Leading blocks that are held without a gap. */
  held(blocks: readonly number[]): number {
    let count = 0;
    for (const block of blocks) {
      if (!this.#blocks.has(block)) break;
      count += 1;
    }
    return count;
  }

  use(blocks: readonly number[]): void {
    for (const block of blocks.toReversed()) {
      this.#blocks.delete(block);
      this.#blocks.add(block);
    }
    for (const oldest of this.#blocks) {
      if (this.#blocks.size <= this.#blocksMax) break;
      this.#blocks.delete(oldest);
    }
  }
}

interface ExactOptions {
  readonly blockTokens: number;
  readonly engines: number;
  readonly engineTokens: number;
}

/** Hit rates in caches that keep every block, as shares of prompt tokens. */
export interface ExactHits {
  /** One cache without an end. */
  readonly ceiling: number;
  /** One cache of the size of all. */
  readonly capacity: number;
  /** A cache for each engine, and a router that knows what they hold and sends no engine much more work than the others. */
  readonly routed: number;
}

export function exactHits(
  prompts: readonly TimedPrompt[],
  { blockTokens, engines, engineTokens }: ExactOptions,
): ExactHits {
  const endless = new LruCache(Number.POSITIVE_INFINITY);
  const shared = new LruCache((engineTokens * engines) / blockTokens);
  const router = new Router(engines, engineTokens / blockTokens);
  const held = { endless: 0, shared: 0, routed: 0 };
  let tokens = 0;
  for (const prompt of prompts) {
    const { blocks } = prompt;
    tokens += prompt.tokens;
    held.endless += endless.held(blocks);
    held.shared += shared.held(blocks);
    held.routed += router.send(prompt);
    endless.use(blocks);
    shared.use(blocks);
  }
  const ratioOf = (blocks: number) => (blocks * blockTokens) / tokens;
  return {
    ceiling: ratioOf(held.endless),
    capacity: ratioOf(held.shared),
    routed: ratioOf(held.routed),
  };
}

/** Sends each prompt to the engine that holds most of it, among those that do not have too much of the work. */
class Router {
  readonly #caches: readonly LruCache[];
  readonly #work: Float64Array;
  #atMs = 0;

  constructor(engines: number, blocksMax: number) {
    this.#caches = Array.from({ length: engines }, () => new LruCache(blocksMax));
    this.#work = new Float64Array(engines);
  }

  /** Returns the number of blocks that the engine held. */
  send({ atMs, tokens, blocks }: TimedPrompt): number {
    const fade = Math.exp((this.#atMs - atMs) / workMemoryMs);
    this.#atMs = atMs;
    for (let at = 0; at < this.#work.length; at += 1) this.#work[at] = (this.#work[at] ?? 0) * fade;
    const mean = this.#work.reduce((sum, work) => sum + work, 0) / this.#work.length;
    const limit = mean * overShare + tokens;
    let [best, bestHeld, bestWork] = [0, -1, 0];
    for (const [at, cache] of this.#caches.entries()) {
      const work = this.#work[at] ?? 0;
      if (work > limit) continue;
      const held = cache.held(blocks);
      if (held < bestHeld || (held === bestHeld && work >= bestWork)) continue;
      [best, bestHeld, bestWork] = [at, held, work];
    }
    this.#caches[best]?.use(blocks);
    this.#work[best] = (this.#work[best] ?? 0) + tokens;
    return Math.max(0, bestHeld);
  }
}
