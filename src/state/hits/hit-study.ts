import type { SchedulingContext, SentRequest } from "../../core/data-plane-plugin.ts";
import type { Decision } from "../../core/decision.ts";
import type { Endpoint } from "../../core/endpoint.ts";
import { fairnessIdOf } from "../../core/fairness-id.ts";
import { type CapacityStep, type HitLadder, type HitReport } from "../../core/hit-ladder.ts";
import type { PrefixMatch, PromptBlocks } from "../../core/prefix-match.ts";
import type { RequestFollower } from "../../core/request-follower.ts";
import type { RequestStudy } from "../../core/request-study.ts";
import { servesStage } from "../../core/roles.ts";
import { AnsweredRequests } from "./answered-requests.ts";
import type { BlockSampleOptions } from "./block-sample.ts";
import { type CacheCapacity, cacheCapacityOf } from "./cache-capacity.ts";
import { Copies } from "./copies.ts";
import { EngineCounts } from "./engine-counts.ts";
import { type HashPrompts, PromptSampler } from "./prompt-sampler.ts";
import { PromptStarts } from "./prompt-starts.ts";
import { ReuseCurve } from "./reuse-curve.ts";
import { addTo, ladderOf, requestSumCount, requestSums, startsOf } from "./sums.ts";
import { type TrafficGroup, TrafficGroups } from "./traffic-groups.ts";
import { windowMs, windowPartMs } from "./window-sums.ts";

/** Interval at which the sizes of the caches are read, and the same until one is known, in milliseconds. */
const capacityIntervalMs = 1_000;
const firstCapacityIntervalMs = 50;

/** Sizes of the caches to report hits for, in times of today's. */
const factors = [0.25, 0.5, 1, 2, 4, 8] as const;

export interface HitStudyOptions extends BlockSampleOptions {
  /** For prompts that no plugin hashes. */
  readonly hash: HashPrompts;
  /** Monotonic milliseconds. */
  readonly nowMs: () => number;
  /** The pool now, so that a report has what engines counted after the last request; without it only requests bring it. */
  readonly pool?: () => Pick<SchedulingContext, "endpoints" | "load">;
}

interface SeenChain {
  readonly chain: Uint32Array;
  /** Tokens of its last block. */
  readonly lastTokens: number;
  readonly sums: Float64Array;
  readonly tokens: number;
  readonly nowMs: number;
}

/** Learns from requests and their answers which hit rates the traffic, the caches and the routing allow, and what engines deliver. */
export class HitStudy implements RequestStudy {
  readonly #nowMs: () => number;
  readonly #pool: HitStudyOptions["pool"];
  readonly #groups = new TrafficGroups();
  readonly #answers: AnsweredRequests;
  readonly #starts = new PromptStarts();
  readonly #prompts: PromptSampler;
  readonly #curve = new ReuseCurve();
  readonly #copies = new Copies();
  readonly #counts = new EngineCounts();
  #capacity: CacheCapacity = { endpoints: 0, reporting: 0, tokens: Number.NaN };
  #capacityAtMs = Number.NEGATIVE_INFINITY;
  #firstAtMs: number | undefined;
  #windowPart = 0;
  #otherBlockSize = 0;
  #looksForPrefixes = true;

  constructor({ hash, nowMs, pool, ...options }: HitStudyOptions) {
    this.#nowMs = nowMs;
    this.#pool = pool;
    this.#prompts = new PromptSampler(hash, options);
    this.#answers = new AnsweredRequests(nowMs);
  }

  sent(sent: SentRequest, match: PrefixMatch | undefined): RequestFollower | undefined {
    const { context, decision, isAgain = false } = sent;
    const { request, nowMs } = context;
    if (request.prompts.length === 0) return undefined;
    const { slot } = computingOf(decision);
    const group = this.#groups.of(request.targetModel, fairnessIdOf(request), nowMs);
    const matched = match === undefined ? 0 : match.matchedBlocks(slot) * match.blockTokens(slot);
    const predicted = Math.min(request.promptTokens, matched);
    if (!isAgain) {
      // Its further attempts are the same prompt.
      const blocks = this.#prompts.blocksOf(context, match, slot);
      if (blocks === "uncached") return undefined;
      this.#looksForPrefixes = match !== undefined;
      if (blocks === "other-size") this.#otherBlockSize += 1;
      else this.#see(context, blocks, { group, predicted });
    }
    const predictedRatio = predicted / Math.max(1, request.promptTokens);
    return this.#answers.follow({ decision, group, predictedRatio });
  }

  /** The ladder of all requests. */
  summary(): Pick<HitReport, "total" | "cache" | "sample" | "counted" | "deliveredBy"> {
    const nowMs = this.#nowMs();
    const pool = this.#firstAtMs === undefined ? undefined : this.#pool?.();
    if (pool !== undefined) this.#counts.read(pool.endpoints, pool.load, nowMs);
    const all = new Float64Array(requestSumCount);
    for (const { sums } of this.#groups.list()) {
      const ofGroup = sums.total(nowMs);
      for (let place = 0; place < all.length; place += 1) addTo(all, place, ofGroup[place] ?? 0);
    }
    const { blockTokens, sample } = this.#prompts;
    const { rate, size: blocks, memoryBytes } = sample;
    const { tokens, ...counts } = this.#capacity;
    const counted = this.#counts.total(nowMs);
    const total = ladderOf(all, this.#known);
    const { delivered = counted.ratio } = total.rungs;
    const byAnswers = total.rungs.delivered === undefined ? undefined : "answers";
    return {
      total: { ...total, rungs: { ...total.rungs, delivered } },
      counted,
      deliveredBy: byAnswers ?? (delivered === undefined ? undefined : "engines"),
      cache: { ...counts, tokens: Number.isNaN(tokens) ? undefined : tokens },
      sample: { blockTokens, rate, blocks, memoryBytes },
    };
  }

  report(): HitReport {
    const nowMs = this.#nowMs();
    const summary = this.summary();
    const groups = this.#groups.list().flatMap((group) => {
      const sums = group.sums.total(nowMs);
      if (sums[requestSums.requests] === 0) return [];
      const { model, tenant } = group;
      const isOthers = group === this.#groups.others;
      const starts = startsOf(sums);
      return [{ model, tenant, isOthers, ...ladderOf(sums, this.#known), starts }];
    });
    const counts = this.#counts.byEndpoint(nowMs);
    return {
      ...summary,
      watchedMs: this.#firstAtMs === undefined ? 0 : nowMs - this.#firstAtMs,
      windowMs,
      steps: this.#stepsOf(summary.total, nowMs),
      groups: groups.toSorted((a, b) => b.promptTokens - a.promptTokens),
      endpoints: this.#answers
        .list()
        .map((each) => Object.assign(each, { counted: counts.get(each.id) })),
      otherBlockSize: this.#otherBlockSize,
      splitAnswers: this.#answers.splitAnswers,
      looksForPrefixes: this.#looksForPrefixes,
    };
  }

  get #known() {
    return {
      capacity: !Number.isNaN(this.#capacity.tokens),
      predictions: this.#looksForPrefixes,
    };
  }

  /** Hits in caches of other sizes, scaled so that those of an infinite cache are the ceiling. */
  #stepsOf({ promptTokens, rungs }: HitLadder, nowMs: number): readonly CapacityStep[] {
    const { tokens } = this.#capacity;
    const { ceiling } = rungs;
    if (Number.isNaN(tokens) || ceiling === undefined) return [];
    const sizes = factors.map((factor) => factor * tokens);
    const [everything = 0, ...hits] = this.#curve.hits([Number.MAX_SAFE_INTEGER, ...sizes], nowMs);
    return factors.map((factor, index) => ({
      factor,
      tokens: factor * tokens,
      // Counted as misses, as the rungs are: blocks that the sample lacks or has by chance hardly ever miss.
      ratio: Math.max(0, ceiling - (everything - (hits[index] ?? 0)) / promptTokens),
    }));
  }

  #see(
    context: SchedulingContext,
    { chains, totalBlocks, blockTokens }: PromptBlocks,
    { group, predicted }: { readonly group: TrafficGroup; readonly predicted: number },
  ): void {
    const { request, nowMs } = context;
    const { promptTokens: tokens } = request;
    this.#firstAtMs ??= nowMs;
    this.#readCapacity(context);
    this.#widen(nowMs);
    this.#copies.note(tokens, this.#capacity.endpoints, nowMs);
    const sums = group.sums.at(nowMs);
    addTo(sums, requestSums.requests, 1);
    addTo(sums, requestSums.promptTokens, tokens);
    addTo(sums, requestSums.predictedTokens, predicted);
    // The last block of each prompt has what is left, and tokens beyond the last block are in none.
    const count = Math.max(1, chains.length);
    const rest = (tokens - (totalBlocks - count) * blockTokens) / count;
    const lastTokens = Math.min(blockTokens, Math.max(0, rest));
    for (const chain of chains) this.#seeChain({ chain, lastTokens, sums, tokens, nowMs });
    const [chain, parts] = [chains[0], request.prompts[0]];
    if (chain === undefined || parts === undefined) return;
    this.#starts.see(group, { parts, chain, blockTokens, nowMs });
  }

  #seeChain({ chain, lastTokens, sums, tokens, nowMs }: SeenChain): void {
    const { blockTokens, sample } = this.#prompts;
    const last = chain.length / 2 - 1;
    if (last < 0) return;
    addTo(sums, requestSums.blockTokens, last * blockTokens + lastTokens);
    const known = this.#capacity.tokens / blockTokens;
    const capacityBlocks = Number.isNaN(known) ? Number.POSITIVE_INFINITY : known;
    const uses = sample.see(chain, { nowMs, tokens, capacityBlocks, copiesOf: this.#copies.of });
    const { count, positions, blocksSince, isReached, blocksEach } = uses;
    let [fresh, evicted, unreached] = [0, 0, 0];
    for (let index = 0; index < count; index += 1) {
      const since = blocksSince[index] ?? 0;
      const ofBlock = (positions[index] === last ? lastTokens : blockTokens) * blocksEach;
      if (since === Number.POSITIVE_INFINITY) fresh += ofBlock;
      else this.#curve.add(since * blockTokens, ofBlock, nowMs);
      if (since >= capacityBlocks) evicted += ofBlock;
      if (isReached[index] === 0) unreached += ofBlock;
    }
    addTo(sums, requestSums.newTokens, fresh);
    addTo(sums, requestSums.evictedTokens, evicted);
    addTo(sums, requestSums.unreachedTokens, unreached);
  }

  #readCapacity({ endpoints, load, nowMs }: SchedulingContext): void {
    const isUnknown = this.#capacity.reporting === 0;
    const intervalMs = isUnknown ? firstCapacityIntervalMs : capacityIntervalMs;
    if (nowMs - this.#capacityAtMs < intervalMs) return;
    this.#capacityAtMs = nowMs;
    this.#capacity = cacheCapacityOf(endpoints, load);
    this.#counts.read(endpoints, load, nowMs);
  }

  #widen(nowMs: number): void {
    const part = Math.floor(nowMs / windowPartMs);
    if (part === this.#windowPart) return;
    this.#windowPart = part;
    this.#prompts.sample.widen(nowMs);
  }
}

/** The endpoint that computes the prompt: a helper that prefills, if there is one. */
function computingOf({ helpers, targets }: Decision): Endpoint {
  const prefilling = helpers.find((helper) => servesStage(helper, "prefill"));
  return prefilling ?? helpers[0] ?? targets[0].endpoint;
}
