import type { SchedulingContext } from "../../../../core/data-plane-plugin.ts";
import type { Endpoint } from "../../../../core/endpoint.ts";
import { type LatencyObjective, objectiveOf } from "../../../../core/latency-objective.ts";
import type { Headrooms, LatencyPrediction } from "../../../../core/latency-prediction.ts";
import type { PrefixMatch } from "../../../../core/prefix-match.ts";
import type { InferenceRequest } from "../../../../core/request.ts";
import { bytesPerToken } from "../../../../core/token-estimate.ts";
import type { WaitInputs } from "./adapter-slots.ts";
import type { LatencyModel } from "./latency-model.ts";
import { PricedCopies } from "./priced-copies.ts";
import type { Home } from "./shared-homes.ts";

/** The prompt of a request, as far as it is known. */
interface PromptFacts {
  readonly promptTokens: number;
  readonly match: PrefixMatch | undefined;
}

/** The rules by which the latency objective of a request is compared with its prediction. */
export interface HeadroomRules {
  /** Factor on objectives for TPOT. */
  readonly bufferFactor: number;
  /** True if less TPOT is better for a request that names no objective for it. */
  readonly countsTpot: boolean;
  /** True if an endpoint computes prompts and generates nothing, so that TPOT says nothing about it. */
  readonly onlyPrefills: ((endpoint: Endpoint) => boolean) | undefined;
}

const noObjective: LatencyObjective = { ttftMs: undefined, tpotMs: undefined };

/**
 * Predicts the latency of one request at a time; the next one overwrites its columns.
 *
 *     uncached = prompt tokens - trust x min(matched tokens, prompt tokens - 1)
 *     prefill  = (tokens ahead + uncached) / rate
 *     TTFT     = correction(prefill) + wait for the adapter
 */
export class Prediction implements LatencyPrediction {
  readonly #model: LatencyModel;
  readonly #rules: HeadroomRules;
  #uncached = new Float64Array(64);
  #matched = new Float64Array(64);
  #tokensPerMs = new Float64Array(64);
  #prefillMs = new Float64Array(64);
  #copyMs = new Float64Array(64);
  #adapterMs = new Float64Array(64);
  #adapterWaitMs = new Float64Array(64);
  #decoding = new Float64Array(64);
  /** Slots of candidates that only compute prompts. */
  readonly #prefillers = new Set<number>();
  #objective = noObjective;
  #adapter: string | undefined;
  #home: Home | undefined;
  #busyShare = 0;
  #promptTokens = 1;
  #wasPromptRead = false;
  /** Prices by block size, the first `#sizeCount` of these. */
  readonly #sizes: PricedCopies[] = [];
  #sizeCount = 0;

  constructor(model: LatencyModel, rules: HeadroomRules) {
    this.#model = model;
    this.#rules = rules;
  }

  /** Share of the candidates that have prompts to compute. */
  get busyShare(): number {
    return this.#busyShare;
  }

  get promptTokens(): number {
    return this.#promptTokens;
  }

  /** False if the tokens of the prompt are estimated from the size of the body. */
  get wasPromptRead(): boolean {
    return this.#wasPromptRead;
  }

  /** The latencies that the client accepts. */
  get objective(): LatencyObjective {
    return this.#objective;
  }

  /** The adapter of the request, or its model if that may turn out to be one. */
  get adapter(): string | undefined {
    return this.#adapter;
  }

  /** The home of the conversation, if several pickers share the engines. */
  get home(): Home | undefined {
    return this.#home;
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

  ownPrefillMs(slot: number): number {
    return at(this.#uncached, slot) / at(this.#tokensPerMs, slot);
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
    if (Number.isNaN(ttftMs)) return undefined;
    return {
      ttftMs: (this.#objective.ttftMs ?? 0) - ttftMs,
      tpotMs: this.#prefillers.has(slot) ? 0 : this.#tpotHeadroomMs(slot),
    };
  }

  /** One more request must not take the time of those there, so the strictest objective of all counts. */
  #tpotHeadroomMs(slot: number): number {
    const { tpotMs } = this.#objective;
    const { bufferFactor, countsTpot } = this.#rules;
    if (tpotMs === undefined) return countsTpot ? -this.tpotMs(slot) : 0;
    const strictestMs = this.#model.tpotObjectives.strictestMs(slot) ?? tpotMs;
    return bufferFactor * Math.min(tpotMs, strictestMs) - this.tpotMs(slot);
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
    const adapter = adapters.isAdapter(model, load, nowMs) ? model : undefined;
    this.#objective = objectiveOf(request.head);
    this.#adapter = adapters.mayHaveAdapters ? model : undefined;
    this.#promptTokens = promptTokensOf(request, promptTokens);
    this.#wasPromptRead = promptTokens > 0;
    let busy = 0;
    for (const { slot } of candidates) {
      if (this.#computePrefill(slot, nowMs, match) > 0) busy += 1;
    }
    this.#busyShare = candidates.length === 0 ? 0 : busy / candidates.length;
    if (adapter !== undefined) this.#priceAdapter(adapter, candidates, { load, nowMs });
    // The held blocks are those of one prompt.
    if (match !== undefined && request.prompts.length === 1) this.#priceCopies(candidates, match);
    const inputs = { load, promptTokens: this.#promptTokens, nowMs };
    this.#home = this.#model.homes.homeOf(request, candidates, inputs);
    if (this.#home !== undefined) this.#favorHome(this.#home, candidates);
  }

  #reset(candidates: readonly Endpoint[]): void {
    let slotsMin = 0;
    for (const { slot } of candidates) slotsMin = Math.max(slotsMin, slot + 1);
    if (slotsMin > this.#uncached.length) {
      this.#model.fit(slotsMin * 2);
      const column = () => new Float64Array(slotsMin * 2);
      this.#uncached = column();
      this.#matched = column();
      this.#tokensPerMs = column();
      this.#prefillMs = column();
      this.#copyMs = column();
      this.#adapterMs = column();
      this.#adapterWaitMs = column();
      this.#decoding = column();
    }
    this.#prefillMs.fill(Number.NaN);
    this.#uncached.fill(Number.NaN);
    this.#prefillers.clear();
    const { onlyPrefills } = this.#rules;
    if (onlyPrefills === undefined) return;
    for (const endpoint of candidates) {
      if (onlyPrefills(endpoint)) this.#prefillers.add(endpoint.slot);
    }
  }

  /** Returns the number of prompts that the endpoint has to compute first. */
  #computePrefill(slot: number, nowMs: number, match: PrefixMatch | undefined): number {
    const promptTokens = this.#promptTokens;
    const model = this.#model;
    const { rates, trust } = model;
    const rate = rates.tokensPerMs(slot);
    const held = match === undefined ? 0 : match.matchedBlocks(slot) * match.blockTokens(slot);
    // The engine computes at least the last token, from which it generates.
    const matched = Math.min(held, promptTokens - 1);
    const uncached = promptTokens - trust.of(slot) * matched;
    this.#tokensPerMs[slot] = rate;
    this.#matched[slot] = matched;
    this.#uncached[slot] = uncached;
    this.#prefillMs[slot] = (model.tokensAhead(slot, nowMs, rate) + uncached) / rate;
    // After the queue has let go of prompts that are computed by now.
    this.#decoding[slot] = model.decodingAt(slot, nowMs);
    this.#copyMs[slot] = 0;
    this.#adapterMs[slot] = 0;
    this.#adapterWaitMs[slot] = 0;
    return model.promptsAt(slot);
  }

  /** A later turn may be known at home from other pickers, and costs more elsewhere, as a first one does. */
  #favorHome(home: Home, candidates: readonly Endpoint[]): void {
    const { homes } = this.#model;
    const uncached = this.uncachedTokens(home.slot);
    const expected = Math.min(uncached, Math.max(1, this.#promptTokens - homes.heldTokens(home)));
    this.#uncached[home.slot] = expected;
    const rate = at(this.#tokensPerMs, home.slot);
    this.#prefillMs[home.slot] = this.prefillMs(home.slot) - (uncached - expected) / rate;
    const tokens = homes.awayTokens(expected);
    for (const { slot } of candidates) {
      if (slot === home.slot) continue;
      this.#copyMs[slot] = this.copyMs(slot) + tokens / at(this.#tokensPerMs, slot);
    }
  }

  #priceAdapter(
    adapter: string,
    candidates: readonly Endpoint[],
    { load, nowMs }: Pick<SchedulingContext, "load" | "nowMs">,
  ): void {
    const { adapters, homes, durationMs: requestMs } = this.#model;
    const { isShared } = homes;
    const inputs: WaitInputs = { reported: undefined, isShared, requestMs, queued: 0, nowMs };
    for (const { slot } of candidates) {
      inputs.reported = load.adapters[slot];
      inputs.queued = this.#model.promptsAt(slot);
      const { ms, priceMs } = adapters.wait(adapter, slot, inputs);
      this.#adapterWaitMs[slot] = ms;
      this.#adapterMs[slot] = priceMs;
    }
  }

  #priceCopies(candidates: readonly Endpoint[], match: PrefixMatch): void {
    this.#sizeCount = 0;
    let size: PricedCopies | undefined;
    for (const { slot } of candidates) {
      const blockTokens = match.blockTokens(slot);
      if (size?.blockTokens !== blockTokens) size = this.#sizeOf(slot, match);
      const matchedBlocks = match.matchedBlocks(slot);
      if (!size.isShort(matchedBlocks)) continue;
      const place = size.placeOf(matchedBlocks, match.evictionAgeMs?.(slot));
      const extraBlocks = size.extraBlocksAt(place);
      this.#copyMs[slot] = (extraBlocks * blockTokens) / at(this.#tokensPerMs, slot);
    }
  }

  /** The prices for the endpoint's block size: endpoints of a pool may alternate between two sizes. */
  #sizeOf(slot: number, match: PrefixMatch): PricedCopies {
    const blockTokens = match.blockTokens(slot);
    for (let index = 0; index < this.#sizeCount; index += 1) {
      const known = this.#sizes[index];
      if (known?.blockTokens === blockTokens) return known;
    }
    const size = (this.#sizes[this.#sizeCount] ??= new PricedCopies(this.#model.copies));
    this.#sizeCount += 1;
    size.begin(blockTokens, match.heldBlocks?.(slot));
    return size;
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
