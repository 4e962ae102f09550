import type { Decision } from "../../../../core/decision.ts";
import type { Endpoint } from "../../../../core/endpoint.ts";
import type { RequestFollower, ResponseHead } from "../../../../core/request-follower.ts";
import type { RequestRecord } from "../../../../core/request-record.ts";
import type { InferenceRequest } from "../../../../core/request.ts";
import { isFailedStatus } from "../../shared/failed-status.ts";
import type { EndpointWork, LatencyModel } from "./latency-model.ts";
import type { Prediction } from "./prediction.ts";
import type { Home } from "./shared-homes.ts";
import { type PlacedPrompt, WholeAnswer } from "./whole-answer.ts";

/** True if the engine was asked for nothing wrong, but did not serve it: another one might have. */
function isRefusal(httpStatus: number): boolean {
  return httpStatus === 429 || httpStatus >= 500;
}

export interface SentFacts {
  readonly request: InferenceRequest;
  readonly decision: Decision;
  readonly prediction: Prediction;
  readonly nowMs: number;
}

/**
 * One request on its way: its prompt waits in the queue of the endpoint that computes it, and then it decodes on the
 * endpoint that was picked. Its first token and its end teach the model.
 */
export class FollowedRequest implements RequestFollower {
  readonly #model: LatencyModel;
  readonly #sentMs: number;
  readonly #isStreaming: boolean;
  readonly #promptTokens: number;
  readonly #matchedTokens: number;
  /** As predicted, and in the end as the engine reports it. */
  #uncachedTokens: number;
  /** Slot of the endpoint that the first token is expected from, and its expected times. */
  readonly #computingSlot: number;
  readonly #ttftMs: number;
  readonly #prefillMs: number;
  readonly #adapterWaitMs: number;
  /** True if the wait is the time of a load alone, and not also for a place among other adapters. */
  readonly #isLoad: boolean;
  readonly #adapter: string | undefined;
  readonly #objectiveMs: number | undefined;
  /** The home of a conversation that only other pickers have sent there, if that was picked. */
  readonly #home: Home | undefined;
  #leaveAdapter: (() => void) | undefined;
  #leaveObjective: (() => void) | undefined;
  /** True if other endpoints compute the prompt than the one that was picked. */
  readonly #isSplit: boolean;
  /** Where the prompt is computed: at the helpers if there are any, else at the target. */
  #prompts: readonly PlacedPrompt[];
  #targetSlot: number;
  readonly #targetId: string;
  #target: EndpointWork;
  #isPlaced = false;
  #decodingAtStart = 0;
  #showsFirstToken = false;
  #hasRateSample = false;
  #hasFailed = false;
  /** False if another endpoint than the one that was picked has served. */
  #isServedAsPicked = true;
  /** False if the first token is not visible, so that its time says nothing. */
  #isStream = true;
  /** Undefined if the answer is expected to show its first token. */
  readonly #whole: WholeAnswer | undefined;

  constructor(model: LatencyModel, { request, decision, prediction, nowMs }: SentFacts) {
    this.#model = model;
    this.#sentMs = nowMs;
    this.#isStreaming = request.isStreaming;
    const { endpoint } = decision.targets[0];
    const { slot } = endpoint;
    this.#targetSlot = slot;
    this.#targetId = endpoint.id;
    this.#target = model.workAt(slot);
    this.#matchedTokens = prediction.matchedTokens(slot);
    this.#uncachedTokens = prediction.uncachedTokens(slot);
    this.#promptTokens = prediction.promptTokens;
    this.#home = strangeHomeOf(prediction, slot);
    this.#isSplit = decision.helpers.length > 0;
    const computing = this.#isSplit ? decision.helpers : [endpoint];
    this.#computingSlot = slowestOf(computing, prediction) ?? slot;
    this.#ttftMs = prediction.ttftMs(this.#computingSlot);
    this.#prefillMs = prediction.prefillMs(this.#computingSlot);
    this.#adapterWaitMs = prediction.adapterWaitMs(this.#computingSlot);
    this.#isLoad = this.#adapterWaitMs <= model.adapters.loadMs;
    this.#adapter = prediction.adapter;
    this.#objectiveMs = prediction.objective.tpotMs;
    if (!this.#expectsFirstToken) {
      this.#whole = new WholeAnswer(this.#target, nowMs, model.rates.tokensPerMs(slot));
    }
    this.#hold(nowMs);
    model.inputs.noteRequest(prediction.wasPromptRead);
    this.#prompts = computing.map((each) =>
      this.#promptAt(each.slot, prediction.uncachedTokens(each.slot), nowMs),
    );
    // A target that others compute for has the request once its answer begins.
    if (!this.#isSplit) this.#place();
  }

  responseHead(head: ResponseHead, atMs: number): void {
    const { httpStatus, served, failedBefore, isEventStream } = head;
    this.#isStream = isEventStream;
    for (const { slot } of failedBefore) this.#refused(slot, atMs);
    if (isFailedStatus(httpStatus)) {
      this.#hasFailed = true;
      if (isRefusal(httpStatus)) this.#refused((served ?? { slot: this.#targetSlot }).slot, atMs);
      this.#leaveQueues();
      this.#leave();
      return undefined;
    }
    if (served !== undefined && served.id !== this.#targetId) {
      this.#isServedAsPicked = false;
      this.#moveTo(served.slot, atMs);
    }
    this.#place();
    if (!isEventStream) this.#expectNoFirstToken();
    return undefined;
  }

  firstToken(atMs: number): void {
    // The first byte of an error.
    if (this.#hasFailed) return;
    // The first byte of a whole answer says nothing about its first token.
    if (this.#whole !== undefined && !this.#isStream) return;
    const model = this.#model;
    const isSample = this.#isServedAsPicked && this.#isStream;
    for (const { slot, work, prompt } of this.#prompts) {
      if (prompt.isOut) continue;
      const { tokens, tookMs } = work.queue.finished(prompt, atMs);
      if (!isSample || this.#adapterWaitMs > 0 || !this.#isCurrent(slot, work)) continue;
      model.rates.note(slot, tokens, tookMs);
      this.#hasRateSample = true;
    }
    this.#place();
    if (!isSample || this.#isCold) return;
    const ttftMs = atMs - this.#sentMs;
    if (this.#isTargetCurrent) {
      model.audit.noteTtft(this.#computingSlot, { predictedMs: this.#ttftMs, ttftMs, atMs });
    }
    if (this.#adapterWaitMs === 0) model.ttft.note(this.#prefillMs, ttftMs);
    else if (this.#isLoad) model.adapters.noteLoad(ttftMs - this.#prefillMs);
    this.#showsFirstToken = true;
    this.#decodingAtStart = this.#target.decoding;
  }

  ended(record: RequestRecord): void {
    const isGood = record.end === "complete" && record.failure === undefined && !this.#hasFailed;
    if (this.#isCold) this.#uncachedTokens = this.#promptTokens;
    if (isGood && !this.#showsFirstToken) this.#finishWhole(record);
    this.#leaveQueues();
    this.#letGo();
    const decodingAtEnd = this.#target.decoding;
    this.#leave();
    if (!isGood) return;
    this.#model.noteDuration(record.endedMs - this.#sentMs);
    this.#model.inputs.noteAnswer({
      isStreaming: this.#isStreaming,
      showsFirstToken: this.#isStream && record.firstTokenMs !== undefined,
      hasCachedTokens: this.#learnCached(record),
    });
    if (!this.#isTargetCurrent) return;
    if (this.#showsFirstToken) this.#learnPace(record, decodingAtEnd);
    else this.#learnWhole(record, decodingAtEnd);
  }

  get #expectsFirstToken(): boolean {
    return this.#isStreaming && this.#model.inputs.streamsShowFirstTokens;
  }

  /** True if the engine restarted just before, so that less was cached than predicted. */
  get #isCold(): boolean {
    for (const { prompt } of this.#prompts) if (prompt.isCold) return true;
    return false;
  }

  /** False once another endpoint has the target's slot. */
  get #isTargetCurrent(): boolean {
    return this.#isCurrent(this.#targetSlot, this.#target);
  }

  #isCurrent(slot: number, work: EndpointWork): boolean {
    return this.#model.workAt(slot) === work;
  }

  /** Takes the place of the adapter at the target, and counts the objective there. */
  #hold(nowMs: number): void {
    const { adapters, tpotObjectives } = this.#model;
    const slot = this.#targetSlot;
    if (this.#adapter !== undefined) {
      this.#leaveAdapter = adapters.enter(this.#adapter, slot, nowMs);
    }
    if (this.#objectiveMs !== undefined) {
      this.#leaveObjective = tpotObjectives.enter(slot, this.#objectiveMs);
    }
  }

  #letGo(): void {
    this.#leaveAdapter?.();
    this.#leaveObjective?.();
  }

  #promptAt(slot: number, tokens: number, sentMs: number): PlacedPrompt {
    const work = this.#model.workAt(slot);
    const prompt = work.queue.push({
      // NaN for an endpoint that was no candidate.
      tokens: tokens >= 0 ? tokens : this.#promptTokens,
      wholeTokens: this.#promptTokens,
      sentMs,
      // A helper generates nothing for this request, even if it is the target too.
      stays: !this.#isSplit,
      showsFirstToken: this.#expectsFirstToken,
    });
    return { slot, work, prompt };
  }

  /** An endpoint that does not serve is no faster for it: the request counts there as if it did. */
  #refused(slot: number, atMs: number): void {
    const isTarget = slot === this.#targetSlot;
    const work = isTarget ? this.#target : this.#model.workAt(slot);
    work.noteRefusal(atMs + this.#model.durationMs);
    const tokens = isTarget ? this.#uncachedTokens : this.#promptTokens;
    const refused = { tokens, wholeTokens: undefined, sentMs: atMs };
    work.queue.push({ ...refused, stays: false, showsFirstToken: false });
  }

  #leaveQueues(): void {
    for (const { work, prompt } of this.#prompts) work.queue.leave(prompt);
  }

  /** From here on, the queues let the prompts go when the engine has had the time to compute them. */
  #expectNoFirstToken(): void {
    for (const { work, prompt } of this.#prompts) work.queue.expectNoFirstToken(prompt);
  }

  #place(): void {
    if (this.#isPlaced) return;
    this.#isPlaced = true;
    this.#target.addPlaced(1);
  }

  #leave(): void {
    if (!this.#isPlaced) return;
    this.#isPlaced = false;
    this.#target.addPlaced(-1);
  }

  /** Another endpoint has served, which begins only now as far as the picker knows. */
  #moveTo(slot: number, atMs: number): void {
    this.#leave();
    this.#letGo();
    this.#targetSlot = slot;
    this.#target = this.#model.workAt(slot);
    this.#hold(atMs);
    // Helpers compute the prompt wherever its response is generated.
    if (this.#isSplit) return;
    this.#leaveQueues();
    this.#prompts = [this.#promptAt(slot, this.#promptTokens, atMs)];
  }

  /**
   * Learns from the cached tokens that the engine reports. Its tokens and those of the estimate differ by a factor.
   *
   * @returns true if the cached tokens are known
   */
  #learnCached({ usage }: RequestRecord): boolean {
    if (usage === undefined || !(usage.promptTokens > 0)) return false;
    const { cachedTokens, promptTokens } = usage;
    // If others computed the prompt, all of it is cached where the answer comes from.
    const isPredicted = this.#isServedAsPicked && !this.#isSplit && this.#isTargetCurrent;
    if (!isPredicted) return cachedTokens !== undefined;
    const model = this.#model;
    const slot = this.#targetSlot;
    const reported =
      cachedTokens === undefined
        ? undefined
        : Math.min(1, cachedTokens / promptTokens) * this.#promptTokens;
    const matchedTokens = this.#isCold ? 0 : this.#matchedTokens;
    const cached = model.trust.note(slot, matchedTokens, reported);
    if (cached === undefined) return false;
    if (this.#home !== undefined) model.homes.noteHeld(this.#home, cached);
    model.audit.noteCached(slot, this.#promptTokens - this.#uncachedTokens, cached);
    const uncached = Math.max(1, this.#promptTokens - cached);
    if (this.#hasRateSample) model.rates.correct(slot, uncached - this.#uncachedTokens);
    if (this.#whole !== undefined) {
      this.#target.queue.correctComputed(uncached - this.#uncachedTokens);
    }
    this.#uncachedTokens = uncached;
    return true;
  }

  #finishWhole({ usage, endedMs }: RequestRecord): void {
    for (const placed of this.#prompts) {
      this.#whole?.finishPrompt(placed, usage?.outputTokens ?? 0, endedMs);
    }
  }

  #learnWhole({ usage, endedMs }: RequestRecord, decoding: number): void {
    const isPredicted = this.#isServedAsPicked && !this.#isSplit && this.#adapterWaitMs === 0;
    if (this.#whole === undefined || usage === undefined || !isPredicted) return;
    const { rates, pace, durationMs: usualMs } = this.#model;
    const slot = this.#targetSlot;
    const { uncachedTokens, outputTokens } = { ...usage, uncachedTokens: this.#uncachedTokens };
    const tokensPerMs = rates.tokensPerMs(slot);
    this.#target.computed.noteEnd(this.#target.placed);
    const facts = { uncachedTokens, outputTokens, decoding, endedMs, tokensPerMs, usualMs };
    const { promptTokens, prefillMs, tokenMs } = this.#whole.split(facts);
    rates.note(slot, promptTokens, prefillMs);
    if (tokenMs !== undefined) pace.note(slot, decoding, tokenMs);
  }

  #learnPace({ usage, firstTokenMs, lastChunkMs }: RequestRecord, decodingAtEnd: number): void {
    const steps = (usage?.outputTokens ?? 0) - 1;
    if (steps < 1 || firstTokenMs === undefined || lastChunkMs === undefined) return;
    // All tokens came at once, as through a proxy with a buffer.
    if (lastChunkMs <= firstTokenMs) return;
    const decoding = (this.#decodingAtStart + decodingAtEnd) / 2;
    this.#model.pace.note(this.#targetSlot, decoding, (lastChunkMs - firstTokenMs) / steps);
  }
}

/** The home if the request goes there and most of what its earlier turns had was not sent there by this picker. */
function strangeHomeOf(prediction: Prediction, slot: number): Home | undefined {
  const { home } = prediction;
  if (home === undefined || home.isFirst || home.slot !== slot) return undefined;
  return prediction.matchedTokens(slot) < home.earlierTokens / 2 ? home : undefined;
}

/** Slot of the endpoint from which the first token is expected last; undefined if none was a candidate. */
function slowestOf(computing: readonly Endpoint[], prediction: Prediction): number | undefined {
  let slowest: number | undefined;
  let latestMs = Number.NEGATIVE_INFINITY;
  for (const { slot } of computing) {
    const ttftMs = prediction.ttftMs(slot);
    if (!(ttftMs > latestMs)) continue;
    slowest = slot;
    latestMs = ttftMs;
  }
  return slowest;
}
