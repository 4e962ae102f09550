import type {
  RequestHooks,
  SchedulingContext,
  Scorer,
} from "../../../src/core/data-plane-plugin.ts";
import type { InFlightLoad } from "../../../src/core/in-flight-load.ts";
import type { LabView } from "../../../src/replay/lab/policy.ts";
import { leastCost } from "./least-cost.ts";

const producer = "inflight-load-producer";

/** Seconds that a decoding neighbour costs. */
const decodingS = 0.01;
/** Part of the first prompt's work that may count as done. */
const progressMax = 0.95;
/** Tokens a second before anything is learned, and the tokens that this counts for at each endpoint. */
const priorRate = 6_000;
const priorTokens = 16_384;
/** What is left of the sums with each sample: of one endpoint's, of the pool's. */
const keptOfEndpoint = 0.95;
const keptOfPool = 0.99;

interface Rate {
  tokens: number;
  seconds: number;
}

interface Waiting {
  readonly uncachedTokens: number;
  readonly sentMs: number;
}

interface Row extends Rate {
  /** Requests without a first token, in order. */
  readonly waiting: Waiting[];
  decoding: number;
  lastFirstMs: number;
}

/**
 * G of the study: greedy on what the picker has sent itself, with the progress of the first prompt and learned rates.
 *
 *     (work before it + uncached tokens of the prompt) / rate + 0.01 s x decoding requests
 */
export class Greedy {
  readonly #rows = new Map<number, Row>();
  readonly #pool: Rate = { tokens: priorTokens, seconds: priorTokens / priorRate };
  readonly #nowMs: () => number;

  constructor({ nowMs }: LabView) {
    this.#nowMs = nowMs;
  }

  readonly scorer: Scorer = leastCost(({ slot }, context) => {
    const row = this.#rowOf(slot);
    const tokens = this.#workTokens(row) + uncachedTokensOf(slot, context);
    return tokens / this.#rateOf(row) + decodingS * row.decoding;
  });

  readonly hooks: RequestHooks = {
    sent: ({ context, decision }) => {
      const { slot } = decision.targets[0].endpoint;
      const row = this.#rowOf(slot);
      const uncachedTokens = uncachedTokensOf(slot, context);
      const waiting: Waiting = { uncachedTokens, sentMs: this.#nowMs() };
      row.waiting.push(waiting);
      let hasBegun = false;
      return {
        firstToken: (atMs) => {
          hasBegun = true;
          this.#began(row, waiting, atMs);
        },
        ended: () => {
          if (hasBegun) row.decoding -= 1;
          else remove(row.waiting, waiting);
        },
      };
    },
  };

  #began(row: Row, waiting: Waiting, atMs: number): void {
    remove(row.waiting, waiting);
    row.decoding += 1;
    const { uncachedTokens, sentMs } = waiting;
    const believedS = uncachedTokens / this.#rateOf(row);
    const seconds = (atMs - Math.max(sentMs, row.lastFirstMs)) / 1_000;
    row.lastFirstMs = atMs;
    const sample = { tokens: uncachedTokens, seconds: Math.min(seconds, 4 * believedS + 0.05) };
    add(row, sample, keptOfEndpoint);
    add(this.#pool, sample, keptOfPool);
  }

  #workTokens(row: Row): number {
    const [head] = row.waiting;
    if (head === undefined) return 0;
    let tokens = 0;
    for (const { uncachedTokens } of row.waiting) tokens += uncachedTokens;
    const sinceS = (this.#nowMs() - Math.max(head.sentMs, row.lastFirstMs)) / 1_000;
    const done = Math.min(progressMax * head.uncachedTokens, this.#rateOf(row) * sinceS);
    return Math.max(0, tokens - done);
  }

  #rateOf({ tokens, seconds }: Rate): number {
    const poolRate = this.#pool.tokens / this.#pool.seconds;
    return (tokens + priorTokens) / (seconds + priorTokens / poolRate);
  }

  #rowOf(slot: number): Row {
    const known = this.#rows.get(slot);
    if (known !== undefined) return known;
    const row = { tokens: 0, seconds: 0, waiting: [], decoding: 0, lastFirstMs: 0 };
    this.#rows.set(slot, row);
    return row;
  }
}

function add(rate: Rate, sample: Rate, kept: number): void {
  rate.tokens = rate.tokens * kept + sample.tokens;
  rate.seconds = rate.seconds * kept + sample.seconds;
}

function remove<T>(list: T[], item: T): void {
  const index = list.indexOf(item);
  if (index !== -1) list.splice(index, 1);
}

function uncachedTokensOf(slot: number, { data, request }: SchedulingContext): number {
  // The producer of this name produces such data.
  const load = data.get(producer) as InFlightLoad | undefined;
  return load?.uncachedTokens(slot) ?? request.promptTokens;
}
