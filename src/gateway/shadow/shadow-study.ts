import type { ShadowPage } from "../../admin/shadow-page.ts";
import { cut } from "../../core/client-values.ts";
import type { SentRequest } from "../../core/data-plane-plugin.ts";
import type { Endpoint } from "../../core/endpoint.ts";
import type { LatencyPrediction } from "../../core/latency-prediction.ts";
import type { PoolSnapshot } from "../../core/pool-snapshot.ts";
import type { PrefixMatch } from "../../core/prefix-match.ts";
import type { RequestFollower } from "../../core/request-follower.ts";
import type { RequestStudy } from "../../core/request-study.ts";
import type { InferenceRequest } from "../../core/request.ts";
import { latencyOf, prefixHitOf } from "../../data-plane/scheduling/picked-facts.ts";
import type {
  Opinion,
  SecondScheduler,
  SecondView,
} from "../../data-plane/scheduling/second-scheduler.ts";
import type { Clock } from "../../std/clock.ts";
import type { Random } from "../../std/random.ts";
import type { CpuBudget, StudyWork } from "./cpu-budget.ts";
import { LastDifferences } from "./last-differences.ts";
import type { Comparison, ShadowTally } from "./shadow-tally.ts";
import { ShadowFollower } from "./shadow-follower.ts";
import { conversationPlace } from "./sticky-place.ts";

export interface StudyParts {
  readonly second: SecondScheduler;
  /** Predicts latencies if neither document does. */
  readonly ruler: () => SecondScheduler | undefined;
  /** Facts about the pool besides its columns, which a decision has. */
  readonly pool: () => Pick<PoolSnapshot, "standing" | "models" | "pastModels">;
  readonly tally: ShadowTally;
  readonly budget: CpuBudget;
  readonly random: Random;
  readonly clock: Pick<Clock, "nowMs" | "wallMs">;
  /** True if it has to look at every request, whatever that takes. */
  readonly comparesAll: () => boolean;
  readonly onFailure: (cause: unknown) => void;
}

/** Compares one shadow document with the one in force, at each request that leaves. */
export class ShadowStudy implements RequestStudy {
  readonly #parts: StudyParts;
  readonly #differences = new LastDifferences();
  failures = 0;

  constructor(parts: StudyParts) {
    this.#parts = parts;
  }

  get differences(): ShadowPage["differences"] {
    return this.#differences.list();
  }

  sent(
    sent: SentRequest,
    match: PrefixMatch | undefined,
    prediction: LatencyPrediction | undefined,
  ): RequestFollower | undefined {
    const { clock } = this.#parts;
    const startedMs = clock.nowMs();
    const isAll = this.#parts.comparesAll();
    const spent = this.#spending(isAll);
    const work = isAll ? "compare" : this.#affordable(sent.context.request, startedMs);
    const follower = work && this.#followed(sent, { work, match, prediction }, spent);
    spent(clock.nowMs() - startedMs);
    return follower;
  }

  /** Time of a rollout is counted, and leaves the shares unchanged. */
  #spending(isAll: boolean): (ms: number) => void {
    const { budget } = this.#parts;
    return isAll ? (ms) => budget.spentBeyond(ms) : (ms) => budget.spent(ms);
  }

  #affordable(request: InferenceRequest, nowMs: number): StudyWork | undefined {
    const { budget, random } = this.#parts;
    // Whole conversations, so that their prefixes are learned.
    return budget.workOn(nowMs, { learn: () => conversationPlace(request, 0), compare: random });
  }

  #followed(sent: SentRequest, found: Found, spent: (ms: number) => void): RequestFollower {
    const onFailure = (cause: unknown) => this.#failed(cause);
    const follower = new ShadowFollower({ onFailure, spent, clock: this.#parts.clock });
    try {
      this.#study(sent, found, follower);
    } catch (cause) {
      this.#failed(cause);
    }
    return follower;
  }

  #study(sent: SentRequest, found: Found, follower: ShadowFollower): void {
    const { second, tally } = this.#parts;
    const { endpoints, load, nowMs, request } = sent.context;
    const snapshot = { ...this.#parts.pool(), endpoints, load, nowMs };
    const follow = (plugin: RequestFollower) => follower.add(plugin);
    // Predictions are valid until their producer makes the next ones.
    const ruler = found.prediction === undefined ? this.#parts.ruler() : undefined;
    const measured = ruler?.lookAt(sent, snapshot);
    if (found.work === "learn") {
      const view = second.lookAt(sent, snapshot);
      if (view !== undefined) second.learn(view, sent, follow);
    } else {
      const opinion = second.decide(sent, snapshot);
      const comparison = comparisonOf(sent, opinion, withRuler(found, measured));
      const hold = tally.begin(request);
      follower.onEnd((record) => tally.ended(hold, comparison, record));
      if (comparison.reason !== "same") this.#differ(sent, opinion.pick, comparison);
      second.learn(opinion, sent, follow);
    }
    if (measured !== undefined) ruler?.learn(measured, sent, follow);
  }

  #differ({ context, decision }: SentRequest, pick: Endpoint | undefined, found: Comparison): void {
    const { clock } = this.#parts;
    const { request } = context;
    this.#differences.add({
      wallMs: clock.wallMs(),
      requestId: cut(request.head.id),
      model: cut(request.targetModel),
      picked: decision.targets[0].endpoint.id,
      shadowPick: pick?.id ?? null,
      reason: found.reason,
      ttftDifferenceMs: finiteOrNull(found.ttftMs),
      hitDifferenceTokens: finiteOrNull(found.hitTokens),
    });
  }

  #failed(cause: unknown): void {
    this.failures += 1;
    this.#parts.onFailure(cause);
  }
}

interface Found {
  readonly work: StudyWork;
  /** Of the decision in force. */
  readonly match: PrefixMatch | undefined;
  readonly prediction: LatencyPrediction | undefined;
}

function withRuler({ match, prediction }: Found, measured: SecondView | undefined) {
  return { match, prediction, measured };
}

/** Measures both picks by one model: that in force, else that of the shadow document, else the ruler's. */
function comparisonOf(
  { decision }: SentRequest,
  opinion: Opinion,
  found: ReturnType<typeof withRuler>,
): Comparison {
  const { reason, pick, helpers } = opinion;
  const nothing = { reason, ttftMs: Number.NaN, hitTokens: Number.NaN };
  if (pick === undefined) return nothing;
  const { endpoint } = decision.targets[0];
  const prediction = found.prediction ?? opinion.prediction ?? found.measured?.prediction;
  const match = found.match ?? opinion.match ?? found.measured?.match;
  const named = prediction && { producer: "", prediction };
  const ttftMs = (at: Endpoint, besides: readonly Endpoint[]) =>
    named === undefined ? Number.NaN : latencyOf(named, at, besides).ttftMs;
  const hits = (at: Endpoint) =>
    (match && prefixHitOf({ producer: "", match }, at)?.tokens) ?? Number.NaN;
  return {
    reason,
    ttftMs: ttftMs(pick, helpers) - ttftMs(endpoint, decision.helpers),
    hitTokens: hits(pick) - hits(endpoint),
  };
}

function finiteOrNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
