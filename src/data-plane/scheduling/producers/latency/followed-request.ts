import type { Decision } from "../../../../core/decision.ts";
import type { RequestFollower, ResponseHead } from "../../../../core/request-follower.ts";
import type { RequestRecord } from "../../../../core/request-record.ts";
import type { InferenceRequest } from "../../../../core/request.ts";
import type { EndpointWork, LatencyModel } from "./latency-model.ts";
import type { QueuedPrompt } from "./prefill-queue.ts";
import type { Prediction } from "./prediction.ts";

/** From this status on, the engine did not compute the prompt. */
const failedStatus = 400;

/** The work of one request on one endpoint. */
interface PlacedWork {
  readonly slot: number;
  readonly work: EndpointWork;
  readonly prompt: QueuedPrompt;
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
  readonly #promptTokens: number;
  readonly #matchedTokens: number;
  readonly #uncachedTokens: number;
  /** Expected times of the endpoint that was picked. */
  readonly #prefillMs: number;
  readonly #adapterWaitMs: number;
  readonly #leaveAdapter: (() => void) | undefined;
  /** Where the prompt is computed: at the helpers if there are any, else at the target. */
  #places: readonly PlacedWork[];
  #targetSlot: number;
  readonly #targetId: string;
  #target: EndpointWork;
  #decodingAtStart = 0;
  #isDecoding = false;
  /** False if the time of the answer says nothing about the endpoint that was predicted. */
  #isSample = true;

  constructor(model: LatencyModel, { request, decision, prediction, nowMs }: SentFacts) {
    this.#model = model;
    this.#sentMs = nowMs;
    const { endpoint } = decision.targets[0];
    const { slot } = endpoint;
    this.#targetSlot = slot;
    this.#targetId = endpoint.id;
    this.#target = model.workAt(slot);
    this.#matchedTokens = prediction.matchedTokens(slot);
    this.#uncachedTokens = prediction.uncachedTokens(slot);
    this.#promptTokens = prediction.promptTokens;
    this.#prefillMs = prediction.prefillMs(slot);
    this.#adapterWaitMs = prediction.adapterWaitMs(slot);
    const { adapter } = prediction;
    this.#leaveAdapter =
      adapter === undefined ? undefined : model.adapters.enter(adapter, slot, nowMs);
    const computing = decision.helpers.length > 0 ? decision.helpers : [endpoint];
    this.#places = computing.map((each) =>
      this.#placeAt(each.slot, prediction.uncachedTokens(each.slot), request.isStreaming),
    );
  }

  responseHead({ httpStatus, served, isEventStream }: ResponseHead): undefined {
    if (httpStatus !== undefined && httpStatus >= failedStatus) {
      this.#isSample = false;
      this.#leaveQueues();
    } else if (served !== undefined && served.id !== this.#targetId) {
      this.#isSample = false;
      this.#moveTo(served.slot, isEventStream);
    } else if (!isEventStream) this.#isSample = false;
    return undefined;
  }

  firstToken(atMs: number): void {
    const model = this.#model;
    for (const { slot, work, prompt } of this.#places) {
      if (prompt.isOut) continue;
      const tookMs = work.queue.finished(prompt, atMs);
      if (this.#isSample && this.#adapterWaitMs === 0)
        model.rates.note(slot, prompt.tokens, tookMs);
    }
    if (!this.#isSample) return;
    const ttftMs = atMs - this.#sentMs;
    if (this.#adapterWaitMs > 0) model.adapters.noteLoad(ttftMs - this.#prefillMs);
    else model.ttft.note(this.#prefillMs, ttftMs);
    this.#isDecoding = true;
    this.#target.decoding += 1;
    this.#decodingAtStart = this.#target.decoding;
  }

  ended(record: RequestRecord): void {
    this.#leaveQueues();
    this.#leaveAdapter?.();
    const decodingAtEnd = this.#target.decoding;
    if (this.#isDecoding) this.#target.decoding -= 1;
    if (record.end !== "complete" || record.failure !== undefined) return;
    if (record.httpStatus !== undefined && record.httpStatus >= failedStatus) return;
    this.#model.noteDuration(record.endedMs - this.#sentMs);
    this.#learnCached(record);
    if (this.#isSample && this.#isDecoding) this.#learnPace(record, decodingAtEnd);
  }

  #placeAt(slot: number, tokens: number, showsFirstToken: boolean): PlacedWork {
    const work = this.#model.workAt(slot);
    // NaN for an endpoint that was no candidate.
    const known = tokens >= 0 ? tokens : this.#promptTokens;
    const prompt = work.queue.push({ tokens: known, sentMs: this.#sentMs, showsFirstToken });
    return { slot, work, prompt };
  }

  #leaveQueues(): void {
    for (const { work, prompt } of this.#places) work.queue.remove(prompt);
  }

  /** Another endpoint has served, which begins only now as far as the picker knows. */
  #moveTo(slot: number, showsFirstToken: boolean): void {
    this.#leaveQueues();
    this.#targetSlot = slot;
    this.#target = this.#model.workAt(slot);
    this.#places = [this.#placeAt(slot, this.#promptTokens, showsFirstToken)];
  }

  /** Learns from the cached tokens that the engine reports. Its tokens and those of the estimate differ by a factor. */
  #learnCached({ usage }: RequestRecord): void {
    if (usage === undefined || !(usage.promptTokens > 0) || !this.#isSample) return;
    const { cachedTokens, promptTokens } = usage;
    const reported =
      cachedTokens === undefined
        ? undefined
        : Math.min(1, cachedTokens / promptTokens) * this.#promptTokens;
    const cached = this.#model.trust.note(this.#targetSlot, this.#matchedTokens, reported);
    if (cached === undefined) return;
    const uncached = Math.max(1, this.#promptTokens - cached);
    this.#model.rates.correct(this.#targetSlot, uncached - this.#uncachedTokens);
  }

  #learnPace({ usage, firstTokenMs, lastChunkMs }: RequestRecord, decodingAtEnd: number): void {
    const steps = (usage?.outputTokens ?? 0) - 1;
    if (steps < 1 || firstTokenMs === undefined || lastChunkMs === undefined) return;
    const decoding = (this.#decodingAtStart + decodingAtEnd) / 2;
    this.#model.pace.note(this.#targetSlot, decoding, (lastChunkMs - firstTokenMs) / steps);
  }
}
