import type { RolloutSettings, RolloutState } from "../../core/rollout-settings.ts";
import { ErrorTest } from "./error-test.ts";
import { type ArmName, PairedTimes } from "./paired-times.ts";

/** Conversations of a step whose errors are told apart. */
const conversationsMax = 10_000;

/** Times with less than this part of the pairs that others have need no proof. */
const rareShare = 0.25;

/** Times of a request that are compared. */
export const measures = ["ttft", "answer", "tpot"] as const;
export type Measure = (typeof measures)[number];

const measureNames: Readonly<Record<Measure, string>> = {
  ttft: "time to first token",
  answer: "time to the first byte of answers that do not stream",
  tpot: "time per further token",
};

/** A request that has ended. */
export interface ArmSample {
  readonly arm: ArmName;
  /** Tells conversations apart. */
  readonly conversation: number;
  readonly isError: boolean;
  /** In milliseconds; NaN if it has none. */
  readonly times: Readonly<Record<Measure, number>>;
  readonly startedMs: number;
}

export interface RolloutEvents {
  readonly stepped: (share: number, facts: object) => void;
  readonly promoted: (facts: object) => void;
  readonly rolledBack: (reasons: readonly string[], facts: object) => void;
}

/**
 * The steps in which a shadow document takes over requests. After each request of either document it looks if the shadow's are
 * worse, and else if the step has had its time and its requests. Before the last step is over, the shadow must be shown to be no
 * worse than what is tolerated; before, it is enough that it was not shown to be worse.
 */
export class Rollout {
  readonly settings: RolloutSettings;
  readonly #events: RolloutEvents;
  #state: RolloutState = "comparing";
  #step = 0;
  #since: number;
  #comparison: Comparison;
  #reasons: readonly string[] = [];

  constructor(settings: RolloutSettings, events: RolloutEvents, nowMs: number) {
    this.settings = settings;
    this.#events = events;
    this.#since = nowMs;
    this.#comparison = this.#newComparison();
  }

  get state(): RolloutState {
    return this.#state;
  }

  /** Share of the requests that the shadow document decides about. */
  get share(): number {
    if (this.#state === "comparing") return this.settings.steps[this.#step] ?? 1;
    return this.#state === "promoted" ? 1 : 0;
  }

  /** Reasons of a rollback. */
  get reasons(): readonly string[] {
    return this.#reasons;
  }

  /** Monotonic milliseconds at which the step, or the last state, began. */
  get sinceMs(): number {
    return this.#since;
  }

  /**
   * Part of the time between the least and the longest time of a step that this one has used: 0 before the first of them, 1 from the
   * second on.
   */
  overdueRatio(nowMs: number): number {
    if (this.#state !== "comparing") return 0;
    const { stepMs, stepMsMax } = this.settings;
    const overdueMs = nowMs - this.#since - stepMs;
    if (overdueMs <= 0) return 0;
    return Math.min(1, overdueMs / Math.max(1, stepMsMax - stepMs));
  }

  get comparison(): Comparison {
    return this.#comparison;
  }

  /** Conditions of the next step that are not met; empty unless it compares. */
  waitsFor(nowMs: number): readonly string[] {
    if (this.#state !== "comparing") return [];
    const { stepMs, stepRequests, steps } = this.settings;
    const { requests } = this.#comparison.errors;
    const leftMs = this.#since + stepMs - nowMs;
    const isLast = this.#step === steps.length - 1;
    return [
      ...(leftMs > 0 ? [`${Math.ceil(leftMs / 1_000)} s of the step`] : []),
      ...(requests.shadow < stepRequests
        ? [`${stepRequests - requests.shadow} requests of the shadow document`]
        : []),
      ...(isLast ? this.#comparison.unproven() : []),
    ];
  }

  /** The document in force decides in another way now: what was compared with it counts no more. */
  restartStep(nowMs: number): void {
    if (this.#state === "comparing") this.#begin(nowMs);
  }

  ended(sample: ArmSample, nowMs: number): void {
    // What began under another share was decided in another mix of documents.
    if (this.#state !== "comparing" || sample.startedMs < this.#since) return;
    const hasNews = this.#comparison.add(sample);
    const reasons = hasNews ? this.#comparison.faults() : noReasons;
    if (reasons.length > 0) return this.#rollBack(reasons, nowMs);
    const elapsedMs = nowMs - this.#since;
    if (elapsedMs < this.settings.stepMs) return;
    const waits = this.waitsFor(nowMs);
    if (waits.length === 0) this.#next(nowMs);
    else if (elapsedMs >= this.settings.stepMsMax) this.#rollBack([overdue(waits)], nowMs);
  }

  #next(nowMs: number): void {
    const facts = this.#comparison.facts();
    this.#step += 1;
    if (this.#step < this.settings.steps.length) {
      this.#begin(nowMs);
      this.#events.stepped(this.share, facts);
      return;
    }
    this.#state = "promoted";
    this.#since = nowMs;
    this.#events.promoted(facts);
  }

  #rollBack(reasons: readonly string[], nowMs: number): void {
    this.#state = "rolledBack";
    this.#reasons = reasons;
    this.#since = nowMs;
    this.#events.rolledBack(reasons, this.#comparison.facts());
  }

  #begin(nowMs: number): void {
    this.#since = nowMs;
    this.#comparison = this.#newComparison();
  }

  #newComparison(): Comparison {
    const { confidence, steps } = this.settings;
    // Each test of each step has its part of the risk.
    return new Comparison(this.settings, (1 - confidence) / (steps.length * (measures.length + 1)));
  }
}

const noReasons: readonly string[] = [];

/** The requests of both documents in one step. */
export class Comparison {
  readonly errors = new ErrorTest();
  readonly times: Readonly<Record<Measure, PairedTimes>>;
  readonly #settings: RolloutSettings;
  readonly #risk: number;
  /** Conversations with an error. */
  readonly #failed = new Set<number>();

  constructor(settings: RolloutSettings, risk: number) {
    this.#settings = settings;
    this.#risk = risk;
    const times = () => new PairedTimes(risk);
    this.times = { ttft: times(), answer: times(), tpot: times() };
  }

  /** Returns true if the tests may say something else now. */
  add({ arm, conversation, isError, times }: ArmSample): boolean {
    // A client that fails again and again stays with one document, and would count against it each time.
    const isFirst = isError && !this.#failed.has(conversation);
    if (isFirst && this.#failed.size < conversationsMax) this.#failed.add(conversation);
    this.errors.add(arm, isFirst);
    if (isError) return isFirst;
    let hasNews = false;
    for (const measure of measures) {
      if (this.times[measure].add(arm, times[measure])) hasNews = true;
    }
    return hasNews;
  }

  /** Errors and times that are shown to be worse with the shadow document, and by more than is tolerated. */
  faults(): readonly string[] {
    const { errors } = this;
    const faults: string[] = [];
    if (errors.won >= 1 / this.#risk && errors.rise >= this.#settings.errorRiseMax) {
      faults.push(
        `errors: ${errors.errors.shadow} in ${errors.requests.shadow} requests, ` +
          `${errors.errors.inForce} in ${errors.requests.inForce} with the document in force`,
      );
    }
    for (const measure of measures) {
      const rise = this.times[measure].rise;
      if (rise === undefined || rise.lower <= 0 || rise.mean < this.#tolerated(measure)) continue;
      faults.push(`${measureNames[measure]}: ${riseText(rise)}`);
    }
    return faults;
  }

  /** Times that are not shown to be tolerable. Times that few requests have need no proof. */
  unproven(): readonly string[] {
    const most = Math.max(...measures.map((measure) => this.times[measure].count));
    const measured = measures.filter((measure) => this.times[measure].count >= most * rareShare);
    if (most === 0) return ["times of both documents"];
    return measured.flatMap((measure) => {
      const { rise } = this.times[measure];
      const riseMax = this.#tolerated(measure);
      const name = measureNames[measure];
      if (rise === undefined) return [`more requests to compare the ${name}`];
      if (rise.upper < riseMax) return [];
      return [`${name}: ${riseText(rise)}, and must be below ${percentText(riseMax)}`];
    });
  }

  /** For logs. */
  facts(): object {
    const { requests, errors } = this.errors;
    const rises = measures.flatMap((measure) => {
      const { rise } = this.times[measure];
      return rise === undefined ? [] : [[measure, rise] as const];
    });
    return { requests, errors, rises: Object.fromEntries(rises) };
  }

  #tolerated(measure: Measure): number {
    return measure === "tpot" ? this.#settings.tpotRiseMax : this.#settings.ttftRiseMax;
  }
}

function overdue(waits: readonly string[]): string {
  return `the step took too long; it waited for ${waits.join(", and for ")}`;
}

function riseText({ mean, lower, upper }: Record<"mean" | "lower" | "upper", number>): string {
  return `${percentText(mean)} (between ${percentText(lower)} and ${percentText(upper)})`;
}

function percentText(ratio: number): string {
  const percent = Math.round(ratio * 1_000) / 10;
  return `${percent > 0 ? "+" : ""}${percent} %`;
}
