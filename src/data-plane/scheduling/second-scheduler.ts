import type { SchedulingContext, SentRequest } from "../../core/data-plane-plugin.ts";
import type { Endpoint } from "../../core/endpoint.ts";
import type { LatencyPrediction } from "../../core/latency-prediction.ts";
import type { PoolSnapshot } from "../../core/pool-snapshot.ts";
import type { PrefixMatch } from "../../core/prefix-match.ts";
import type { RequestFollower } from "../../core/request-follower.ts";
import type { DecisionFacts } from "./decision-log.ts";
import { differenceReason } from "./difference.ts";
import { predictionIn, prefixIn } from "./picked-facts.ts";
import { Scheduler, type SchedulerOptions, type SchedulingGraph } from "./scheduler.ts";
import { ScoreRows } from "./score-rows.ts";

/** Data of a second scheduler about a request. */
export interface SecondView {
  readonly context: SchedulingContext;
  readonly match: PrefixMatch | undefined;
  readonly prediction: LatencyPrediction | undefined;
}

/** Its decision about the request, which has no effect. */
export interface Opinion extends SecondView {
  /** Undefined if it would have refused the request. */
  readonly pick: Endpoint | undefined;
  readonly helpers: readonly Endpoint[];
  /** `same`, `refused`, `helpers`, or as `differenceReason` says. */
  readonly reason: string;
}

/**
 * Decides about requests that another scheduler has decided, on the same columns, and changes nothing about them. Its plugins
 * learn from the decisions that really were made.
 */
export class SecondScheduler {
  readonly #graph: SchedulingGraph;
  readonly #scheduler: Scheduler;
  readonly #last = new LastDecision();

  constructor(graph: SchedulingGraph, options: Omit<SchedulerOptions, "log" | "nowMs">) {
    this.#graph = graph;
    this.#scheduler = new Scheduler(graph, { ...options, log: this.#last });
  }

  /** Valid until its next decision. */
  decide({ context: { request }, decision }: SentRequest, snapshot: PoolSnapshot): Opinion {
    const scheduled = this.#scheduler.schedule({ request, snapshot });
    const { context, primary } = this.#last.take();
    const view = this.#viewOf(context);
    if (scheduled.kind === "refused") {
      return { ...view, pick: undefined, helpers: [], reason: "refused" };
    }
    const { helpers, targets } = scheduled.decision;
    const pick = targets[0].endpoint;
    const other = decision.targets[0].endpoint;
    const isSame = pick.slot === other.slot;
    const haveSameHelpers = helpers[0]?.slot === decision.helpers[0]?.slot;
    const same = haveSameHelpers ? "same" : "helpers";
    const reason = isSame || primary === undefined ? same : differenceReason(primary, other);
    return { ...view, pick, helpers, reason };
  }

  /** Looks at a request without a decision; undefined if it has no candidates. */
  lookAt({ context: { request } }: SentRequest, snapshot: PoolSnapshot): SecondView | undefined {
    const context = this.#scheduler.lookAt({ request, snapshot });
    return context && this.#viewOf(context);
  }

  /** Lets its plugins learn from the decision that was made; calls `follow` with each follower of theirs. */
  learn(
    { context }: SecondView,
    { decision }: SentRequest,
    follow: (follower: RequestFollower) => void,
  ): void {
    this.#scheduler.sent({ context, decision }, follow);
  }

  #viewOf(context: SchedulingContext): SecondView {
    return {
      context,
      match: prefixIn(context, this.#graph)?.match,
      prediction: predictionIn(context, this.#graph)?.prediction,
    };
  }
}

/** Keeps the last decision alone, without a copy. */
class LastDecision {
  readonly rows = new ScoreRows();
  readonly chance = Number.NaN;
  #facts: DecisionFacts | undefined;

  take(): DecisionFacts {
    const facts = this.#facts;
    if (facts === undefined) throw new Error("a decision leaves a record");
    // It holds the prompt.
    this.#facts = undefined;
    return facts;
  }

  isNextWhole(): boolean {
    return false;
  }

  record(facts: DecisionFacts): number {
    this.#facts = facts;
    return 0;
  }
}
