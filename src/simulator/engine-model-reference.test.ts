import fc from "fast-check";
import { expect, it } from "vitest";
import type { EngineEvent } from "./engine-contract.ts";
import { EngineModel } from "./engine-model.ts";

// A second statement of V1's scheduler, for an engine without caching and adapters: blocks are numbers, queues are
// lists that are searched. The model must report the same events at the same times.

const blockTokens = 16;
const blocksMax = 20;
const runningMax = 5;

const arrival = fc.record({
  gapMs: fc.integer({ min: 0, max: 150 }),
  promptTokens: fc.integer({ min: 1, max: 200 }),
  outputTokens: fc.integer({ min: 0, max: 100 }),
  priority: fc.integer({ min: -1, max: 1 }),
});
type Arrival = typeof arrival extends fc.Arbitrary<infer T> ? T : never;

const options = fc.record({
  priorityScheduling: fc.boolean(),
  prefillChunkTokensMax: fc.constantFrom(0, 5, 40),
  stepTokensMax: fc.constantFrom(4, 64, 300),
});
type Options = typeof options extends fc.Arbitrary<infer T> ? T : never;

interface Item extends Arrival {
  readonly id: number;
  readonly atMs: number;
  computed: number;
  generated: number;
  blocks: number;
}

class Reference {
  readonly #options: Options;
  readonly #due: Item[];
  #waiting: Item[] = [];
  #running: Item[] = [];
  #nowMs = 0;
  readonly events: string[] = [];

  constructor(arrivals: readonly Arrival[], drawn: Options) {
    this.#options = drawn;
    let atMs = 0;
    this.#due = arrivals.map((each, id) => {
      atMs += each.gapMs;
      return { ...each, id, atMs, computed: 0, generated: 0, blocks: 0 };
    });
  }

  run(): readonly string[] {
    for (;;) {
      if (this.#waiting.length + this.#running.length === 0) {
        const [first] = this.#due.splice(0, 1);
        if (first === undefined) return this.events;
        this.#nowMs = first.atMs;
        this.#waiting.push(first);
      }
      const plan = this.#plan();
      if (plan.size > 0) this.#execute(plan);
    }
  }

  #execute(plan: ReadonlyMap<Item, number>): void {
    let durationMs = 2;
    for (const [item, tokens] of plan) {
      const isDecode = item.generated > 0 && contextOf(item) - item.computed === 1;
      durationMs += isDecode ? 0.5 : tokens;
    }
    this.#nowMs += durationMs;
    for (const item of this.#running.slice()) {
      item.computed += plan.get(item) ?? 0;
      if (item.computed < contextOf(item)) continue;
      if (item.outputTokens > 0) item.generated += 1;
      if (item.generated === 1) this.#report("first-token", item);
      if (item.generated < item.outputTokens) continue;
      this.#running = without(this.#running, item);
      this.#report("finished", item);
    }
    const arrived = this.#due.filter(({ atMs }) => atMs < this.#nowMs);
    this.#waiting.push(...this.#due.splice(0, arrived.length));
  }

  #plan(): Map<Item, number> {
    const plan = new Map<Item, number>();
    let budget: number = this.#options.stepTokensMax;
    const preempted: Item[] = [];
    const isPlanned = (item: Item) => plan.has(item) || preempted.includes(item);
    for (;;) {
      const item = this.#running.find((each) => !isPlanned(each));
      if (item === undefined || budget === 0) break;
      const tokens = Math.min(this.#chunkOf(item), budget);
      while (blocksOf(item.computed + tokens) - item.blocks > this.#free()) {
        const victim = this.#victim();
        budget += plan.get(victim) ?? 0;
        plan.delete(victim);
        preempted.push(victim);
        Object.assign(victim, { computed: 0, blocks: 0 });
        this.#running = without(this.#running, victim);
        this.#waiting.unshift(victim);
        this.#report("preempted", victim);
        if (victim === item) break;
      }
      if (preempted.includes(item)) return plan;
      item.blocks = blocksOf(item.computed + tokens);
      plan.set(item, tokens);
      budget -= tokens;
    }
    if (preempted.length > 0) return plan;
    while (budget > 0 && this.#running.length < runningMax) {
      const [item] = this.#inTurn(this.#waiting);
      if (item === undefined || blocksOf(contextOf(item)) > this.#free()) break;
      this.#waiting = without(this.#waiting, item);
      this.#running.push(item);
      this.#report("admitted", item);
      const tokens = Math.min(this.#chunkOf(item), budget);
      item.blocks = blocksOf(tokens);
      plan.set(item, tokens);
      budget -= tokens;
    }
    return plan;
  }

  #chunkOf(item: Item): number {
    const { prefillChunkTokensMax } = this.#options;
    const missing = contextOf(item) - item.computed;
    return prefillChunkTokensMax === 0 ? missing : Math.min(missing, prefillChunkTokensMax);
  }

  #victim(): Item {
    const last = this.#inTurn(this.#running).at(-1);
    if (last === undefined) throw new Error("a running request");
    return last;
  }

  #inTurn(items: readonly Item[]): readonly Item[] {
    if (!this.#options.priorityScheduling) return items;
    return items.toSorted((a, b) => a.priority - b.priority || a.id - b.id);
  }

  #free(): number {
    return this.#running.reduce((free, { blocks }) => free - blocks, blocksMax);
  }

  #report(kind: EngineEvent["kind"], { id }: Item): void {
    this.events.push(lineOf({ kind, id, atMs: this.#nowMs }));
  }
}

function contextOf({ promptTokens, generated }: Item): number {
  return promptTokens + generated;
}

function blocksOf(tokens: number): number {
  return Math.ceil(tokens / blockTokens);
}

function without(items: readonly Item[], gone: Item): Item[] {
  return items.filter((item) => item !== gone);
}

function lineOf({ kind, id, atMs }: Pick<EngineEvent, "kind" | "id" | "atMs">): string {
  return `${atMs.toFixed(3)} ${kind} ${id}`;
}

function modelEvents(arrivals: readonly Arrival[], drawn: Options): readonly string[] {
  const model = new EngineModel({
    ...drawn,
    prefillTokensPerSecond: 1_000,
    stepBaseMs: 2,
    decodeMsPerSequence: 0.5,
    runningRequestsMax: runningMax,
    kvCacheTokensMax: blocksMax * blockTokens,
    prefixCaching: false,
  });
  const lines: string[] = [];
  let nowMs = 0;
  for (const [id, { gapMs, ...request }] of arrivals.entries()) {
    nowMs += gapMs;
    model.submit({ id, promptBlocks: [], ...request }, nowMs);
  }
  for (let at = model.nextStepAtMs(); at !== undefined; at = model.nextStepAtMs()) {
    lines.push(...model.advance(at).map(lineOf));
  }
  lines.push(...model.advance(nowMs).map(lineOf));
  return lines;
}

it("schedules as a plain statement of V1's scheduler does", () => {
  let preemptions = 0;
  fc.assert(
    fc.property(fc.array(arrival, { maxLength: 25 }), options, (drawn, how) => {
      // First come, first served, priorities have no effect.
      const arrivals = drawn.map((each) => ({
        ...each,
        priority: how.priorityScheduling ? each.priority : 0,
      }));
      const expected = new Reference(arrivals, how).run();
      expect(modelEvents(arrivals, how)).toEqual(expected);
      preemptions += expected.filter((line) => line.includes("preempted")).length;
    }),
    { numRuns: 500 },
  );
  expect(preemptions).toBeGreaterThan(100);
});
