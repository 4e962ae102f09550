import type { Endpoint } from "../../../core/endpoint.ts";
import type { MemoryKind } from "../../../core/plugin-states.ts";
import type { RequestFollower } from "../../../core/request-follower.ts";

/** Milliseconds after which a prompt counts 1/e in the usual number of prompts. */
const memoryMs = 30_000;

/** Priorities whose prompts are known; those of further ones do not count. */
const prioritiesMax = 128;

/** Standard deviations of the number of prompts that the reserve covers, and engines beyond them. */
const deviations = 0.5;
const spareEngines = 1;

/** Usual number of prompts below which a priority counts as silent. */
const promptsMin = 1e-6;

/** A part of an engine is kept for its part of such periods, in milliseconds. */
const phaseMs = 500;
/** The golden ratio: its multiples spread evenly between 0 and 1, however many there are. */
const phaseStep = 0.618_033_988_749_895;

/** A prompt that is sent. Times are monotonic milliseconds. */
export interface SentPrompt {
  readonly priority: number;
  /** Endpoints that compute it. */
  readonly computing: readonly Endpoint[];
  readonly sentMs: number;
  /** The time at which it is computed; `Infinity` if its first token will show that. */
  readonly doneMs: number;
}

/** A prompt that counts until its first token, or the end of its request. */
class CountedPrompt implements RequestFollower {
  readonly prompt: SentPrompt;
  readonly #over: (counted: CountedPrompt, atMs: number) => void;
  #isOver = false;

  constructor(prompt: SentPrompt, over: (counted: CountedPrompt, atMs: number) => void) {
    this.prompt = prompt;
    this.#over = over;
  }

  firstToken(atMs: number): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#over(this, atMs);
  }

  ended({ endedMs }: { readonly endedMs: number }): void {
    this.firstToken(endedMs);
  }
}

/** The prompts of one priority that are computed at a time, as a mean that fades. */
interface Usual {
  prompts: number;
  atMs: number;
}

/**
 * Engines that are kept for requests of higher priorities, because a prompt that an engine computes cannot be overtaken.
 *
 *     kept = n + 0.5 sqrt(n) + 1
 *
 * `n` is the usual number of prompts of higher priorities that are computed at a time, by Little's law: the sum of their
 * times per time. Their number is near a Poisson distribution, and below `kept` at most moments. At the others, one of the
 * open engines is nearly done. Nothing is kept while no request of a higher priority comes.
 */
export class Reserve {
  readonly #usual = new Map<number, Usual>();
  /** The highest priority of those. */
  #highest = Number.NEGATIVE_INFINITY;
  /** By slot, in no order. */
  readonly #prompts: (CountedPrompt[] | undefined)[] = [];
  readonly #over = (counted: CountedPrompt, atMs: number): void => {
    const { prompt } = counted;
    for (const { slot } of prompt.computing) remove(this.#prompts[slot], counted);
    this.#note(prompt, Math.min(atMs, prompt.doneMs));
  };

  /** Counts a prompt, until the follower of its request is told of its first token, or of its end. */
  sent(prompt: SentPrompt): Required<Pick<CountedPrompt, "firstToken" | "ended">> {
    const counted = new CountedPrompt(prompt, this.#over);
    for (const { slot } of prompt.computing) (this.#prompts[slot] ??= []).push(counted);
    return counted;
  }

  /** Number of engines that are kept for requests above this priority. */
  kept(priority: number, nowMs: number): number {
    if (this.#highest <= priority) return 0;
    let prompts = 0;
    for (const [other, usual] of this.#usual) {
      if (other > priority) prompts += promptsAt(usual, nowMs);
    }
    if (prompts < promptsMin) return 0;
    const phase = (Math.floor(nowMs / phaseMs) * phaseStep) % 1;
    const covered = prompts + deviations * Math.sqrt(prompts) + spareEngines;
    return Math.floor(covered + phase);
  }

  /**
   * The endpoints that a request of this priority may go to: as many as are not kept for others, first those that compute
   * prompts of its priority or a lower one. At least one.
   */
  open(endpoints: readonly Endpoint[], priority: number, nowMs: number): readonly Endpoint[] {
    const kept = this.kept(priority, nowMs);
    if (kept === 0 || endpoints.length < 2) return endpoints;
    const openMax = Math.max(1, endpoints.length - kept);
    const used = endpoints.filter(({ slot }) => this.#computes(slot, priority, nowMs));
    return used.length < openMax ? endpoints : used.slice(0, openMax);
  }

  forget(slot: number): void {
    this.#prompts[slot] = undefined;
  }

  #computes(slot: number, priority: number, nowMs: number): boolean {
    const prompts = this.#prompts[slot];
    if (prompts === undefined) return false;
    for (const { prompt } of prompts) {
      if (prompt.priority <= priority && prompt.doneMs > nowMs) return true;
    }
    return false;
  }

  #note({ priority, sentMs }: SentPrompt, doneMs: number): void {
    const more = Math.max(0, doneMs - sentMs) / memoryMs;
    const usual = this.#usual.get(priority);
    if (usual !== undefined) {
      usual.prompts = promptsAt(usual, doneMs) + more;
      usual.atMs = Math.max(usual.atMs, doneMs);
    } else if (this.#usual.size < prioritiesMax) {
      this.#usual.set(priority, { prompts: more, atMs: doneMs });
      this.#highest = Math.max(this.#highest, priority);
    }
  }
}

/** Takes one out, if it is there. */
function remove<Item>(items: Item[] | undefined, item: Item): void {
  const index = items?.indexOf(item) ?? -1;
  const last = index === -1 ? undefined : items?.pop();
  if (items !== undefined && last !== undefined && last !== item) items[index] = last;
}

function promptsAt({ prompts, atMs }: Usual, nowMs: number): number {
  return prompts * Math.exp(Math.min(0, atMs - nowMs) / memoryMs);
}

export const reserveMemory: MemoryKind<Reserve> = {
  create: () => new Reserve(),
  forget: (reserve, { slot }) => reserve.forget(slot),
};
