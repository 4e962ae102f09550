import type { SchedulingContext } from "../../../../core/data-plane-plugin.ts";
import type { Endpoint } from "../../../../core/endpoint.ts";
import { type LatencyObjective, objectiveOf } from "../../../../core/latency-objective.ts";
import { slotsOf } from "../../../../core/endpoint-slots.ts";
import type { Headrooms, LatencyPrediction } from "../../../../core/latency-prediction.ts";
import type { MatchColumns, PrefixMatch } from "../../../../core/prefix-match.ts";
import type { InferenceRequest } from "../../../../core/request.ts";
import { bytesPerToken } from "../../../../core/token-estimate.ts";
import { matchColumnsOf } from "../../shared/match-columns.ts";
import type { WaitInputs } from "./adapter-slots.ts";
import type { LatencyModel } from "./latency-model.ts";
import { PredictionColumns } from "./prediction-columns.ts";
import { CopiesBySize } from "./priced-copies.ts";
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
  #columns = new PredictionColumns();
  /** The candidates of the last prediction. */
  #candidates: readonly Endpoint[] = [];
  /** True if some copy or wait of the last prediction has a price. */
  #hasCopies = false;
  #hasWaits = false;
  /** Slots of candidates that only compute prompts. */
  readonly #prefillers = new Set<number>();
  #objective = noObjective;
  #adapter: string | undefined;
  #home: Home | undefined;
  #busyShare = 0;
  #promptTokens = 1;
  #wasPromptRead = false;
  /** True if a plugin has asked for headrooms since the last prediction. */
  wereHeadroomsRead = false;
  readonly #copies: CopiesBySize;

  constructor(model: LatencyModel, rules: HeadroomRules) {
    this.#model = model;
    this.#rules = rules;
    this.#copies = new CopiesBySize(model.copies);
  }

  get columns(): PredictionColumns {
    return this.#columns;
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
    return at(this.#columns.uncached, slot);
  }

  /** Tokens of the prompt that the endpoint is believed to hold. */
  matchedTokens(slot: number): number {
    return at(this.#columns.matched, slot);
  }

  prefillMs(slot: number): number {
    return at(this.#columns.prefillMs, slot);
  }

  ownPrefillMs(slot: number): number {
    return at(this.#columns.uncached, slot) / at(this.#columns.tokensPerMs, slot);
  }

  copyMs(slot: number): number {
    return at(this.#columns.copyMs, slot);
  }

  adapterMs(slot: number): number {
    return at(this.#columns.adapterMs, slot);
  }

  /** Expected wait for the adapter. */
  adapterWaitMs(slot: number): number {
    return at(this.#columns.adapterWaitMs, slot);
  }

  decoding(slot: number): number {
    return at(this.#columns.decoding, slot);
  }

  ttftMs(slot: number): number {
    return this.#model.ttft.ttftMs(this.prefillMs(slot)) + this.adapterWaitMs(slot);
  }

  tpotMs(slot: number): number {
    return this.#model.pace.tpotMs(slot, this.decoding(slot) + 1);
  }

  headrooms(slot: number): Headrooms | undefined {
    this.wereHeadroomsRead = true;
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
    { request, load, nowMs, isTried = false }: SchedulingContext,
    candidates: readonly Endpoint[],
    { match, promptTokens }: PromptFacts,
  ): void {
    const slots = slotsOf(candidates);
    this.#reset(candidates, slots);
    const { adapters } = this.#model;
    const model = request.targetModel;
    const adapter = adapters.adapterOf(model, isTried ? undefined : load, nowMs);
    this.#objective = objectiveOf(request.head);
    this.#adapter = adapters.mayHaveAdapters ? model : undefined;
    this.#promptTokens = promptTokensOf(request, promptTokens);
    this.#wasPromptRead = promptTokens > 0;
    this.#model.rates.read(slots, this.#columns.tokensPerMs);
    const found = match && matchColumnsOf(match, slots);
    this.#computeUncached(slots, found);
    const busy = this.#computePrefill(slots, nowMs);
    this.#busyShare = slots.length === 0 ? 0 : busy / slots.length;
    if (adapter !== undefined) this.#priceAdapter(adapter, slots, { load, nowMs });
    // The held blocks are those of one prompt.
    if (match !== undefined && found !== undefined && request.prompts.length === 1) {
      this.#priceCopies(slots, match, found);
    }
    const inputs = { load, promptTokens: this.#promptTokens, nowMs };
    this.#home = this.#model.homes.homeOf(request, candidates, inputs);
    if (this.#home !== undefined) this.#favorHome(this.#home, slots);
  }

  #reset(candidates: readonly Endpoint[], slots: Int32Array): void {
    this.wereHeadroomsRead = false;
    // Clearing an empty set makes a new table too.
    if (this.#prefillers.size > 0) this.#prefillers.clear();
    const { onlyPrefills } = this.#rules;
    if (onlyPrefills !== undefined) {
      for (const endpoint of candidates) {
        if (onlyPrefills(endpoint)) this.#prefillers.add(endpoint.slot);
      }
    }
    // Other columns are written for each candidate, and most predictions are for the same candidates.
    if (candidates !== this.#candidates) this.#fit(candidates, slots);
    if (this.#hasCopies) this.#columns.copyMs.fill(0);
    if (this.#hasWaits) this.#columns.clearWaits();
    this.#hasCopies = false;
    this.#hasWaits = false;
  }

  #fit(candidates: readonly Endpoint[], slots: Int32Array): void {
    this.#candidates = candidates;
    let slotsMin = 0;
    for (const slot of slots) slotsMin = Math.max(slotsMin, slot + 1);
    if (slotsMin > this.#columns.length) this.#columns = new PredictionColumns(slotsMin * 2);
    else this.#columns.clear();
    this.#model.fit(this.#columns.length);
  }

  #computeUncached(slots: Int32Array, found: MatchColumns | undefined): void {
    const { matched, uncached } = this.#columns;
    const promptTokens = this.#promptTokens;
    if (found === undefined) {
      matched.fill(0);
      for (let index = 0; index < slots.length; index += 1) {
        uncached[slots[index] ?? 0] = promptTokens;
      }
      return;
    }
    const { matchedBlocks, blockTokens } = found;
    const { believed } = this.#model.trust;
    // The engine computes at least the last token, from which it generates.
    const matchedMax = promptTokens - 1;
    const count = slots.length;
    for (let index = 0; index < count; index += 1) {
      const slot = slots[index] ?? 0;
      const held = (matchedBlocks[slot] ?? 0) * (blockTokens[slot] ?? 0);
      const tokens = held < matchedMax ? held : matchedMax;
      matched[slot] = tokens;
      uncached[slot] = promptTokens - (believed[slot] ?? 1) * tokens;
    }
  }

  /** Returns the number of endpoints that have prompts to compute first. */
  #computePrefill(slots: Int32Array, nowMs: number): number {
    const { prompts, placed, staying, hasRefusals } = this.#model.columns;
    const { uncached, tokensPerMs, prefillMs, decoding, special } = this.#columns;
    let specials = 0;
    const count = slots.length;
    // Without a call and a jump, which keep V8 from holding the columns in registers.
    for (let index = 0; index < count; index += 1) {
      const slot = slots[index] ?? 0;
      prefillMs[slot] = (uncached[slot] ?? Number.NaN) / (tokensPerMs[slot] ?? Number.NaN);
      decoding[slot] = (placed[slot] ?? 0) - (staying[slot] ?? 0);
      const marks = (prompts[slot] ?? 0) | (hasRefusals[slot] ?? 0);
      special[specials] = slot;
      // Adds 1 unless all bits are 0.
      specials += (marks | -marks) >>> 31;
    }
    return this.#computeSpecial(specials, nowMs);
  }

  /** Computes the first of the `special` slots, which have prompts or refusals, again. */
  #computeSpecial(count: number, nowMs: number): number {
    const model = this.#model;
    const { prompts, hasRefusals } = model.columns;
    const { uncached, tokensPerMs, prefillMs, decoding, special } = this.#columns;
    let busy = 0;
    for (let index = 0; index < count; index += 1) {
      const slot = special[index] ?? 0;
      if (prompts[slot] !== 0) {
        const rate = tokensPerMs[slot] ?? Number.NaN;
        const ahead = model.tokensAhead(slot, nowMs, rate);
        prefillMs[slot] = (ahead + (uncached[slot] ?? Number.NaN)) / rate;
        // The queue may have let go of prompts that are computed by now.
        if (prompts[slot] !== 0) busy += 1;
        decoding[slot] = model.columns.decoding(slot);
      }
      if (hasRefusals[slot] === 1) decoding[slot] = model.decodingAt(slot, nowMs);
    }
    return busy;
  }

  /** A later turn may be known at home from other pickers, and costs more elsewhere, as a first one does. */
  #favorHome(home: Home, slots: Int32Array): void {
    const { homes } = this.#model;
    const { uncached, tokensPerMs, prefillMs, copyMs } = this.#columns;
    const before = this.uncachedTokens(home.slot);
    const expected = Math.min(before, Math.max(1, this.#promptTokens - homes.heldTokens(home)));
    uncached[home.slot] = expected;
    const rate = at(tokensPerMs, home.slot);
    prefillMs[home.slot] = this.prefillMs(home.slot) - (before - expected) / rate;
    const tokens = homes.awayTokens(expected);
    this.#hasCopies = true;
    const homeCopyMs = at(copyMs, home.slot);
    const count = slots.length;
    for (let index = 0; index < count; index += 1) {
      const slot = slots[index] ?? 0;
      copyMs[slot] = (copyMs[slot] ?? 0) + tokens / (tokensPerMs[slot] ?? Number.NaN);
    }
    copyMs[home.slot] = homeCopyMs;
  }

  #priceAdapter(
    adapter: string,
    slots: Int32Array,
    { load, nowMs }: Pick<SchedulingContext, "load" | "nowMs">,
  ): void {
    const { adapters, homes, columns, durationMs: requestMs } = this.#model;
    const { isShared } = homes;
    const { adapterMs, adapterWaitMs } = this.#columns;
    const inputs: WaitInputs = { reported: undefined, isShared, requestMs, queued: 0, nowMs };
    this.#hasWaits = true;
    for (let index = 0; index < slots.length; index += 1) {
      const slot = slots[index] ?? 0;
      inputs.reported = load.adapters[slot];
      inputs.queued = columns.prompts[slot] ?? 0;
      const { ms, priceMs } = adapters.wait(adapter, slot, inputs);
      adapterWaitMs[slot] = ms;
      adapterMs[slot] = priceMs;
    }
  }

  #priceCopies(
    slots: Int32Array,
    match: PrefixMatch,
    { matchedBlocks, blockTokens }: MatchColumns,
  ): void {
    const { copyMs, tokensPerMs } = this.#columns;
    this.#copies.begin();
    const count = slots.length;
    let index = 0;
    while (index < count) {
      const slot = slots[index] ?? 0;
      const tokens = blockTokens[slot] ?? 0;
      const size = this.#copies.of(slot, match);
      const blocks = matchedBlocks[slot] ?? 0;
      // Most prompts are held by no endpoint, and have no copies.
      const hasCopies = size.lastHeld >= blocks;
      const lifetimesMs = hasCopies ? this.#lifetimesMs(slots, match) : copyMs;
      const lifetimeMs = lifetimesMs[slot] ?? -1;
      const extraTokens = hasCopies ? size.extraBlocksOf(blocks, lifetimeMs) * tokens : 0;
      if (hasCopies) copyMs[slot] = extraTokens / (tokensPerMs[slot] ?? Number.NaN);
      // Neighbors in a pool often have the same price, and the loop over them has no call.
      for (index += 1; index < count; index += 1) {
        const next = slots[index] ?? 0;
        if (blockTokens[next] !== tokens || matchedBlocks[next] !== blocks) break;
        if (!hasCopies) continue;
        if (lifetimesMs[next] !== lifetimeMs) break;
        copyMs[next] = extraTokens / (tokensPerMs[next] ?? Number.NaN);
      }
    }
  }

  /** Milliseconds by slot that a copy of a block lives; -1 if the endpoint has room for more. */
  #lifetimesMs(slots: Int32Array, match: PrefixMatch): Float64Array {
    const kept = match.evictionAges?.();
    const { lifetimeMs } = this.#columns;
    const isWritten = this.#hasCopies;
    this.#hasCopies = true;
    if (kept !== undefined) return kept;
    if (isWritten) return lifetimeMs;
    for (const slot of slots) lifetimeMs[slot] = match.evictionAgeMs?.(slot) ?? -1;
    return lifetimeMs;
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
