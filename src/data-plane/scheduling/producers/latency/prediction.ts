import type { SchedulingContext } from "../../../../core/data-plane-plugin.ts";
import type { Endpoint } from "../../../../core/endpoint.ts";
import { objectiveOf } from "../../../../core/latency-objective.ts";
import type { Headrooms, LatencyPrediction } from "../../../../core/latency-prediction.ts";
import type { HeldBlocks, PrefixMatch } from "../../../../core/prefix-match.ts";
import type { InferenceRequest } from "../../../../core/request.ts";
import { bytesPerToken } from "../../../../core/token-estimate.ts";
import type { LatencyModel } from "./latency-model.ts";

/** The prompt of a request, as far as it is known. */
interface PromptFacts {
  readonly promptTokens: number;
  readonly match: PrefixMatch | undefined;
}

/** The copy of a prefix to endpoints that hold equally much of it and keep blocks equally long. */
interface PricedCopy {
  readonly matchedBlocks: number;
  readonly lifetimeMs: number | undefined;
  readonly blocks: number;
}

/**
 * Predicts the latency of one request at a time; the next one overwrites its columns.
 *
 *     uncached = prompt tokens - trust x min(matched tokens, prompt tokens - 1)
 *     prefill  = (tokens ahead + uncached) / rate
 *     TTFT     = correction(prefill) + wait for the adapter
 */
export class Prediction implements LatencyPrediction {
  readonly #model: LatencyModel;
  #uncached = new Float64Array(64);
  #matched = new Float64Array(64);
  #prefillMs = new Float64Array(64);
  #copyMs = new Float64Array(64);
  #adapterMs = new Float64Array(64);
  #adapterWaitMs = new Float64Array(64);
  #decoding = new Float64Array(64);
  #request: InferenceRequest | undefined;
  #adapter: string | undefined;
  #busyShare = 0;
  #promptTokens = 1;

  constructor(model: LatencyModel) {
    this.#model = model;
  }

  /** Share of the candidates that have prompts to compute. */
  get busyShare(): number {
    return this.#busyShare;
  }

  get promptTokens(): number {
    return this.#promptTokens;
  }

  get adapter(): string | undefined {
    return this.#adapter;
  }

  /** Tokens of the prompt that the endpoint has to compute. */
  uncachedTokens(slot: number): number {
    return at(this.#uncached, slot);
  }

  /** Tokens of the prompt that the endpoint is believed to hold. */
  matchedTokens(slot: number): number {
    return at(this.#matched, slot);
  }

  prefillMs(slot: number): number {
    return at(this.#prefillMs, slot);
  }

  copyMs(slot: number): number {
    return at(this.#copyMs, slot);
  }

  adapterMs(slot: number): number {
    return at(this.#adapterMs, slot);
  }

  /** Expected wait for the adapter. */
  adapterWaitMs(slot: number): number {
    return at(this.#adapterWaitMs, slot);
  }

  decoding(slot: number): number {
    return at(this.#decoding, slot);
  }

  ttftMs(slot: number): number {
    return this.#model.ttft.ttftMs(this.prefillMs(slot)) + this.adapterWaitMs(slot);
  }

  tpotMs(slot: number): number {
    return this.#model.pace.tpotMs(slot, this.decoding(slot) + 1);
  }

  headrooms(slot: number): Headrooms | undefined {
    const ttftMs = this.ttftMs(slot);
    const head = this.#request?.head;
    if (head === undefined || Number.isNaN(ttftMs)) return undefined;
    const objective = objectiveOf(head);
    return {
      ttftMs: (objective.ttftMs ?? 0) - ttftMs,
      tpotMs: (objective.tpotMs ?? 0) - this.tpotMs(slot),
    };
  }

  /** Computes the prediction of a request for these candidates. */
  compute(
    { request, load, nowMs }: SchedulingContext,
    candidates: readonly Endpoint[],
    { match, promptTokens }: PromptFacts,
  ): void {
    this.#reset(candidates);
    const { adapters } = this.#model;
    const model = request.targetModel;
    const adapter = adapters.isAdapter(model, load.adapters, nowMs) ? model : undefined;
    this.#request = request;
    this.#adapter = adapter;
    this.#promptTokens = promptTokensOf(request, promptTokens);
    let busy = 0;
    for (const { slot } of candidates) {
      if (this.#computePrefill(slot, nowMs, match) > 0) busy += 1;
    }
    this.#busyShare = candidates.length === 0 ? 0 : busy / candidates.length;
    if (adapter !== undefined) this.#priceAdapter(adapter, candidates, { load, nowMs });
    // The held blocks are those of one prompt.
    if (match !== undefined && request.prompts.length === 1) this.#priceCopies(candidates, match);
  }

  #reset(candidates: readonly Endpoint[]): void {
    let slotsMin = 0;
    for (const { slot } of candidates) slotsMin = Math.max(slotsMin, slot + 1);
    if (slotsMin > this.#uncached.length) {
      const column = () => new Float64Array(slotsMin * 2);
      this.#uncached = column();
      this.#matched = column();
      this.#prefillMs = column();
      this.#copyMs = column();
      this.#adapterMs = column();
      this.#adapterWaitMs = column();
      this.#decoding = column();
    }
    this.#prefillMs.fill(Number.NaN);
    this.#uncached.fill(Number.NaN);
  }

  /** Returns the number of prompts that the endpoint has to compute first. */
  #computePrefill(slot: number, nowMs: number, match: PrefixMatch | undefined): number {
    const promptTokens = this.#promptTokens;
    const { rates, trust } = this.#model;
    const { queue, decoding } = this.#model.workAt(slot);
    const rate = rates.tokensPerMs(slot);
    const held = match === undefined ? 0 : match.matchedBlocks(slot) * match.blockTokens(slot);
    // The engine computes at least the last token, from which it generates.
    const matched = Math.min(held, promptTokens - 1);
    const uncached = promptTokens - trust.of(slot) * matched;
    this.#matched[slot] = matched;
    this.#uncached[slot] = uncached;
    this.#prefillMs[slot] = (queue.tokensAhead(nowMs, rate) + uncached) / rate;
    this.#decoding[slot] = decoding;
    this.#copyMs[slot] = 0;
    this.#adapterMs[slot] = 0;
    this.#adapterWaitMs[slot] = 0;
    return queue.count;
  }

  #priceAdapter(
    adapter: string,
    candidates: readonly Endpoint[],
    { load, nowMs }: Pick<SchedulingContext, "load" | "nowMs">,
  ): void {
    const { adapters, durationMs: requestMs } = this.#model;
    for (const { slot } of candidates) {
      const adaptersMax = load.adapters[slot]?.adaptersMax;
      const queued = this.#model.workAt(slot).queue.count;
      const inputs = { adaptersMax, requestMs, queued, nowMs };
      const { ms, priceMs } = adapters.wait(adapter, slot, inputs);
      this.#adapterWaitMs[slot] = ms;
      this.#adapterMs[slot] = priceMs;
    }
  }

  #priceCopies(candidates: readonly Endpoint[], match: PrefixMatch): void {
    const { copies, rates } = this.#model;
    let held: HeldBlocks | undefined;
    let heldBlockTokens = 0;
    let priced: PricedCopy | undefined;
    for (const { slot } of candidates) {
      const blockTokens = match.blockTokens(slot);
      if (blockTokens !== heldBlockTokens) {
        held = match.heldBlocks?.(slot);
        heldBlockTokens = blockTokens;
        priced = undefined;
      }
      if (held === undefined || held.positions.length === 0) continue;
      const matchedBlocks = match.matchedBlocks(slot);
      const lifetimeMs = match.evictionAgeMs?.(slot);
      if (priced?.matchedBlocks !== matchedBlocks || priced.lifetimeMs !== lifetimeMs) {
        const blocks = copies.extraBlocks(held, matchedBlocks, lifetimeMs);
        priced = { matchedBlocks, lifetimeMs, blocks };
      }
      this.#copyMs[slot] = (priced.blocks * blockTokens) / rates.tokensPerMs(slot);
    }
  }
}

/** Prompt tokens of a request: estimated from its bytes if nothing of it was read, and at least 1. */
function promptTokensOf({ bodyBytes }: InferenceRequest, promptTokens: number): number {
  if (promptTokens > 0) return promptTokens;
  return Math.max(1, Math.ceil(bodyBytes / bytesPerToken));
}

function at(column: Float64Array, slot: number): number {
  return column[slot] ?? Number.NaN;
}
