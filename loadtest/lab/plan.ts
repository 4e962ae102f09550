import type { Conversation, Plan, PlannedTurn } from "../../src/replay/lab/conversation.ts";
import { type Random, seededRandom } from "../../src/std/random.ts";
import { type PromptNode, PromptTree } from "../../src/replay/lab/prompt-tree.ts";
import { traceConversations, type TraceLine } from "../../src/replay/lab/trace.ts";
import type { MadeWorkload, Range, RequestKind, Workload } from "./workload.ts";

/** The pool that the rates of workloads are for. */
export const ratedEngines = 8;

/** Requests of one plan; more is a typing error. */
const requestsMax = 5_000_000;

export interface PlanOptions {
  readonly workload: Workload;
  /** Share of the rate at which a good policy saturates. */
  readonly load: number;
  readonly engines: number;
  readonly lengthMs: number;
  readonly seed: number;
  readonly blockTokens: number;
  /** The lines of the trace, for a workload that is one. */
  readonly traceLines: readonly TraceLine[] | undefined;
}

/** The same plan for the same options. */
export function planOf(options: PlanOptions): Plan {
  const { workload, load, engines, lengthMs, seed, traceLines } = options;
  const tree = new PromptTree(options.blockTokens);
  const random = seededRandom(seed);
  const share = (load * engines) / ratedEngines;
  if (!("trace" in workload)) {
    return new PlanMaker(workload, tree, random).plan(share, lengthMs);
  }
  if (traceLines === undefined) {
    throw new Error(`the workload ${workload.name} needs the trace: --trace FILE`);
  }
  const speed = workload.speed * share;
  const conversations = traceConversations(traceLines, tree.root(), { speed, lengthMs, random });
  return { conversations, adapters: [] };
}

class PlanMaker {
  readonly #workload: MadeWorkload;
  readonly #random: Random;
  readonly #adapters: readonly string[];
  /** By adapter, the base model's first: adapters share no blocks. */
  readonly #roots: readonly PromptNode[];
  readonly #beginningTokens: readonly number[];
  readonly #beginningOf: () => number;
  readonly #adapterOf: () => number;
  #keys = 0;

  constructor(workload: MadeWorkload, tree: PromptTree, random: Random) {
    const { adapters, beginnings } = workload;
    this.#workload = workload;
    this.#random = random;
    this.#adapters = Array.from({ length: adapters?.count ?? 0 }, (_, index) => `adapter-${index}`);
    this.#roots = Array.from({ length: Math.max(1, this.#adapters.length) }, () => tree.root());
    this.#beginningTokens = Array.from({ length: beginnings?.count ?? 0 }, () =>
      between(beginnings?.tokens ?? { min: 0, max: 0 }, random),
    );
    // Keys of beginnings come first.
    this.#keys = this.#beginningTokens.length;
    this.#beginningOf = ranked(beginnings?.count ?? 0, beginnings?.zipf ?? 0, random);
    this.#adapterOf = ranked(this.#adapters.length, adapters?.zipf ?? 0, random);
  }

  plan(share: number, lengthMs: number): Plan {
    const { rate, rateOf, kinds } = this.#workload;
    const turnsMean = kinds.reduce(
      (sum, { share: ofKind, turns }) => sum + (ofKind * (turns.min + turns.max)) / 2,
      0,
    );
    const perSecond = (rate * share) / (rateOf === "requests" ? turnsMean : 1);
    if ((perSecond * turnsMean * lengthMs) / 1_000 > requestsMax) {
      throw new Error(`a run may have ${requestsMax} requests at most`);
    }
    const conversations: Conversation[] = [];
    for (let atMs = this.#gapMs(0, perSecond); atMs < lengthMs;) {
      conversations.push(this.#conversation(conversations.length, atMs));
      atMs += this.#gapMs(atMs, perSecond);
    }
    return { conversations, adapters: this.#adapters };
  }

  /** Exponential gaps at the rate of the moment: conversations of many independent clients. */
  #gapMs(atMs: number, perSecond: number): number {
    const { bursts } = this.#workload;
    let work = -Math.log(1 - this.#random()) / perSecond;
    if (bursts === undefined) return work * 1_000;
    const { factor, burstS, everyS } = bursts;
    // Such that the mean over a whole period is the rate.
    const calm = everyS / (everyS - burstS + factor * burstS);
    let gapS = 0;
    for (;;) {
      const inPeriodS = (atMs / 1_000 + gapS) % everyS;
      const isBurst = inPeriodS < burstS;
      const untilChangeS = (isBurst ? burstS : everyS) - inPeriodS;
      const pace = isBurst ? calm * factor : calm;
      if (work <= untilChangeS * pace) return (gapS + work / pace) * 1_000;
      work -= untilChangeS * pace;
      gapS += untilChangeS;
    }
  }

  #conversation(number: number, atMs: number): Conversation {
    const { kinds, hasSessionKey, beginnings } = this.#workload;
    const kind = this.#kindOf(kinds);
    const adapter = this.#adapters.length === 0 ? 0 : this.#adapterOf();
    let prompt = this.#roots[adapter];
    if (prompt === undefined) throw new Error("every adapter has a root");
    if (beginnings !== undefined) {
      const key = this.#beginningOf();
      prompt = prompt.child({ key, tokens: this.#beginningTokens[key] ?? 1 });
    }
    return {
      number,
      atMs,
      turns: this.#turns(kind, prompt),
      adapter: this.#adapters[adapter],
      objective: kind.objective,
      hasSessionKey,
    };
  }

  #kindOf(kinds: readonly RequestKind[]): RequestKind {
    let rest = this.#random();
    const kind = kinds.find(({ share }) => (rest -= share) < 0) ?? kinds.at(-1);
    if (kind === undefined) throw new Error("a workload has a kind of request");
    return kind;
  }

  #turns(kind: RequestKind, beginning: PromptNode): readonly PlannedTurn[] {
    const random = this.#random;
    let context = beginning;
    return Array.from({ length: between(kind.turns, random) }, (_, index) => {
      const added = (index === 0 ? kind.firstPromptTokens : undefined) ?? kind.promptTokens;
      const prompt = context.only({ key: this.#key(), tokens: between(added, random) });
      const outputTokens = between(kind.outputTokens, random);
      const answered = prompt.only({ key: this.#key(), tokens: outputTokens });
      context = answered;
      const { min, max } = this.#workload.thinkS;
      return { prompt, answered, outputTokens, thinkMs: (min + random() * (max - min)) * 1_000 };
    });
  }

  #key(): number {
    this.#keys += 1;
    return this.#keys;
  }
}

/** Draws ranks from 0 to `count` - 1, each with a weight of (rank + 1) to the power of -`zipf`. */
function ranked(count: number, zipf: number, random: Random): () => number {
  const ends: number[] = [];
  let sum = 0;
  for (let rank = 1; rank <= count; rank += 1) {
    sum += rank ** -zipf;
    ends.push(sum);
  }
  return () => {
    const at = random() * sum;
    let [low, high] = [0, count - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((ends[middle] ?? sum) > at) high = middle;
      else low = middle + 1;
    }
    return low;
  };
}

function between({ min, max }: Range, random: Random): number {
  return Math.round(min) + Math.floor(random() * (Math.round(max) - Math.round(min) + 1));
}
