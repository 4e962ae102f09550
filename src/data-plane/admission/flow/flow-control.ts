import type { Refusal } from "../../../core/errors.ts";
import type {
  FlowControlPlan,
  FlowHold,
  FlowOutcome,
  QueuedRequest,
} from "../../../core/flow-control.ts";
import type { PoolSnapshot } from "../../../core/pool-snapshot.ts";
import type { InferenceRequest } from "../../../core/request.ts";
import type { CancelTimer, Clock } from "../../../std/clock.ts";
import type { Band, Queued } from "./band.ts";
import { Bands, type BandRules } from "./bands.ts";
import { WaitBudget } from "./budget.ts";
import { overLimit } from "./capacity.ts";
import { DrainRate } from "./drain-rate.ts";
import { Gate, type GateReading, type GateRules } from "./gate.ts";
import { refusalOf, type RefusedOutcome } from "./outcomes.ts";
import { type Waiter, Waiting } from "./waiting.ts";

/** Requests sent in a row until other work of the process has a turn. */
const sentInARowMax = 64;

/**
 * Interval of checks while requests wait: for expired ones, and a safety net for sending, which arrivals, ends of requests
 * and changes of the pool start at once.
 */
const tickMs = 25;

/** Interval between two tries of the requests that no endpoint could take, if the pool does not change. */
const retryAsideMs = 1_000;

/** The queue under one configuration. */
export interface FlowRules extends BandRules, GateRules {
  readonly plan: FlowControlPlan;
  /** The flow of a request. */
  readonly fairnessIdOf: (request: InferenceRequest) => string;
  /** The maximum wait that a request asks for, in milliseconds; `Infinity` if it asks for none. */
  readonly askedTtlMsOf: (request: InferenceRequest) => number;
}

/** The end of a wait. */
export interface FlowEnd {
  readonly outcome: FlowOutcome;
  readonly waitedMs: number;
  /** False if it was refused at once. */
  readonly hasWaited: boolean;
}

/** Told of each request of the queue. */
export interface FlowObserver {
  /** A request was let through without a wait. */
  passed(request: InferenceRequest, fairnessId: string, band: number): void;
  /** The wait of a request begins. `tookMs`: time that its entry took. */
  entered(waiting: QueuedRequest, band: number, tookMs: number): void;
  /** The wait of a request is over, or it was refused at once. */
  left(waiting: QueuedRequest, band: number, end: FlowEnd): void;
  /** The queue was checked for requests to send. */
  checked(tookMs: number): void;
  /** A policy threw, which is a bug. */
  failed(cause: unknown): void;
}

export interface FlowDeps {
  readonly clock: Pick<Clock, "nowMs" | "after">;
  /** The pool now. */
  readonly snapshot: (nowMs: number) => PoolSnapshot;
  readonly observer: FlowObserver;
}

/** A request that comes to the queue. */
export interface FlowCase {
  readonly request: InferenceRequest;
  readonly pool: PoolSnapshot;
  readonly receivedMs: number;
  readonly waiter: () => Waiter;
}

/**
 * Lets requests wait while the pool is saturated, and sends them by priority, fairness and order as soon as it is not.
 *
 * Gate and decision use one snapshot: a request is scheduled and counted before the gate is read again. It stays in the
 * queue if no endpoint can take it. One instance lives as long as the gateway; `configure` changes its rules in place.
 */
export class FlowControl {
  readonly #deps: FlowDeps;
  #rules: FlowRules;
  readonly #bands: Bands;
  readonly #budget: WaitBudget;
  readonly #gate = new Gate();
  readonly #rate = new DrainRate();
  #size = 0;
  #aside = 0;
  #heldBytes = 0;
  #sequence = 0;
  #sent = 0;
  #dueMs = Number.POSITIVE_INFINITY;
  #triedAsideMs = 0;
  #poolSeen: Pick<PoolSnapshot, "endpoints" | "models"> | undefined;
  #cancelTick: CancelTimer | undefined;
  #isSending = false;
  #isWoken = false;
  #isDraining = false;

  constructor(rules: FlowRules, deps: FlowDeps) {
    this.#rules = rules;
    this.#deps = deps;
    this.#bands = new Bands(rules);
    this.#budget = new WaitBudget(rules.plan.noEndpointTtlMs);
  }

  /** Requests that wait. */
  get size(): number {
    return this.#size;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  get bands(): readonly Band[] {
    return this.#bands.all;
  }

  get plan(): FlowControlPlan {
    return this.#rules.plan;
  }

  /** Saturation as the gate read it last; NaN before the first request, and for stages without endpoints. */
  get saturation() {
    return this.#gate.last;
  }

  /** Returns undefined if the request may be scheduled at once, `waits` if it waits, or the reason to refuse it. */
  admit(asked: FlowCase): Refusal | "waits" | undefined {
    const { request, pool } = asked;
    this.#see(pool);
    const band = this.#bands.of(request.priority);
    const gate = this.#gate.read(this.#rules, pool, this.#bands.priorities);
    const isOpen = this.#bands.all.indexOf(band) < gate.openBands;
    // Requests that are aside wait for something else than those that come.
    if (isOpen && this.#size === this.#aside) return undefined;
    return this.#enter(asked, band, isOpen ? undefined : gate.hold);
  }

  /** Counts a request that was let through and scheduled. */
  passed(request: InferenceRequest): void {
    const band = this.#bands.of(request.priority);
    this.#leftAt(band, this.#deps.clock.nowMs());
    this.#deps.observer.passed(request, this.#rules.fairnessIdOf(request), band.priority);
  }

  /** Lets a request wait that was let through, but that no endpoint could take. */
  hold(asked: FlowCase): Refusal | "waits" {
    const band = this.#bands.of(asked.request.priority);
    return this.#enter(asked, band, { kind: "no-suitable-endpoint" });
  }

  /** Something changed that may let a request through: one ended or began its answer, or the pool is another one. */
  wake(): void {
    if (this.#size === 0 || this.#isWoken) return;
    this.#isWoken = true;
    // Many requests may end in one turn.
    queueMicrotask(() => {
      this.#isWoken = false;
      this.#see(this.#deps.snapshot(this.#deps.clock.nowMs()));
      this.#send();
    });
  }

  /** Puts other rules in force. Requests keep their places; those beyond a limit are refused. */
  configure(rules: FlowRules): void {
    this.#rules = rules;
    this.#budget.noEndpointTtlMs = rules.plan.noEndpointTtlMs;
    this.#bands.configure(rules);
    this.#dueMs = 0;
    for (const band of this.#bands.all.toReversed()) this.#refuseBeyond(band);
    this.wake();
  }

  /** From now on, no further request may wait; those that do are still served. */
  drain(): void {
    this.#isDraining = true;
  }

  /** Refuses all that wait, because the picker stops. */
  stop(): void {
    this.#isDraining = true;
    for (const waiting of this.#everyone()) {
      this.#refuse(waiting, "EvictedOther", "the gateway is shutting down");
    }
  }

  /** Sends all that wait, whatever the saturation, because flow control was turned off. */
  release(): void {
    this.#isDraining = true;
    for (const waiting of this.#everyone()) {
      const pool = this.#deps.snapshot(this.#deps.clock.nowMs());
      if (!this.#turn(waiting, pool)) {
        this.#refuse(waiting, "EvictedNoEndpoints", "no model server can take the request");
      }
    }
  }

  #everyone(): Queued[] {
    return this.#bands.all.flatMap((band) => [...band.requests()]);
  }

  #enter(asked: FlowCase, band: Band, hold: FlowHold | undefined): Refusal | "waits" {
    const { request, receivedMs } = asked;
    const nowMs = this.#deps.clock.nowMs();
    const rules = this.#rules;
    const arrival = {
      request,
      fairnessId: rules.fairnessIdOf(request),
      receivedMs,
      nowMs,
      askedTtlMs: rules.askedTtlMsOf(request),
      sequence: (this.#sequence += 1),
    };
    const waiting = new Waiting(arrival, band, asked.waiter());
    waiting.heldBy = hold;
    const refusal = this.#isDraining
      ? refusalOf(
          "RejectedOther",
          "the gateway is shutting down, and the request would have to wait",
        )
      : this.#refusalFor(waiting);
    if (refusal !== undefined) {
      const outcome = this.#outcomeAtEntry();
      this.#deps.observer.left(waiting, band.priority, { outcome, waitedMs: 0, hasWaited: false });
      return refusal;
    }
    waiting.entered(this.#aheadOf(band), this.#sent);
    this.#add(waiting);
    if (hold?.kind === "no-suitable-endpoint") this.#setAside(waiting);
    waiting.waiter.waits(() => this.#leave(waiting));
    this.#send();
    return "waits";
  }

  #outcomeAtEntry(): RefusedOutcome {
    if (this.#isDraining) return "RejectedOther";
    return this.#budget.isEmpty ? "RejectedNoEndpoints" : "RejectedCapacity";
  }

  /** Makes room for a request; returns its refusal if there is none. */
  #refusalFor(waiting: Queued): Refusal | undefined {
    const { plan } = this.#rules;
    for (;;) {
      const limit = overLimit(plan, { ...this.#all(), band: waiting.band }, waiting.heldBytes);
      if (limit === undefined) return undefined;
      const displaced = limit.isOfBand
        ? waiting.band.displacedBy(waiting)
        : this.#leastBelow(waiting.band);
      if (displaced === undefined) {
        const rate = limit.isOfBand ? waiting.band.rate : this.#rate;
        const seconds = rate.retryAfterSeconds(1, this.#deps.clock.nowMs());
        return refusalOf(this.#outcomeAtEntry(), limit.message, seconds);
      }
      this.#refuse(
        displaced,
        "RejectedCapacity",
        `a request that has precedence took its place: ${limit.message}`,
      );
    }
  }

  #all() {
    return { size: this.#size, heldBytes: this.#heldBytes };
  }

  /** The last request of the lowest band below this one; undefined if there is none. */
  #leastBelow(band: Band): Queued | undefined {
    const lowest = this.#bands.all.findLast(({ size }) => size > 0);
    return lowest === undefined || lowest.priority >= band.priority ? undefined : lowest.last;
  }

  #refuseBeyond(band: Band): void {
    for (;;) {
      const limit = overLimit(this.#rules.plan, { ...this.#all(), band }, 0, 0);
      const last = limit === undefined ? undefined : band.last;
      if (limit === undefined || last === undefined) return;
      this.#refuse(last, "RejectedCapacity", limit.message);
    }
  }

  #aheadOf({ priority }: Band): number {
    let count = 0;
    for (const band of this.#bands.all) {
      if (band.priority < priority) break;
      count += band.size;
    }
    return count;
  }

  #add(waiting: Queued): void {
    const { band } = waiting;
    band.add(waiting);
    this.#size += 1;
    this.#heldBytes += waiting.heldBytes;
    this.#dueMs = Math.min(this.#dueMs, this.#budget.dueMs(waiting, false));
    const tookMs = this.#deps.clock.nowMs() - waiting.enqueuedMs;
    this.#deps.observer.entered(waiting, band.priority, tookMs);
    this.#cancelTick ??= this.#deps.clock.after(tickMs, () => this.#tick());
  }

  #setAside(waiting: Queued): void {
    waiting.heldBy = { kind: "no-suitable-endpoint" };
    waiting.band.setAside(waiting);
    this.#aside += 1;
    this.#dueMs = Math.min(this.#dueMs, this.#budget.dueMs(waiting, true));
  }

  #remove(waiting: Queued, outcome: FlowOutcome): void {
    if (waiting.isAside) this.#aside -= 1;
    waiting.band.remove(waiting);
    this.#size -= 1;
    this.#heldBytes -= waiting.heldBytes;
    const waitedMs = this.#deps.clock.nowMs() - waiting.enqueuedMs;
    this.#deps.observer.left(waiting, waiting.band.priority, {
      outcome,
      waitedMs,
      hasWaited: true,
    });
    if (this.#size > 0) return;
    this.#cancelTick?.();
    this.#cancelTick = undefined;
  }

  #leave(waiting: Queued): void {
    if (waiting.place >= 0 || waiting.isAside) this.#remove(waiting, "EvictedContextCancelled");
  }

  #refuse(waiting: Queued, outcome: RefusedOutcome, message: string): void {
    const nowMs = this.#deps.clock.nowMs();
    const { band } = waiting;
    const stay = waiting.stay(outcome, { nowMs, sent: this.#sent });
    this.#remove(waiting, outcome);
    const seconds = band.rate.retryAfterSeconds(this.#aheadOf(band) + 1, nowMs);
    waiting.waiter.refuse(refusalOf(outcome, message, seconds), stay);
  }

  #tick(): void {
    this.#cancelTick = this.#deps.clock.after(tickMs, () => this.#tick());
    const nowMs = this.#deps.clock.nowMs();
    this.#see(this.#deps.snapshot(nowMs));
    if (nowMs >= this.#dueMs) this.#expire(nowMs);
    if (this.#aside > 0 && nowMs - this.#triedAsideMs >= retryAsideMs) this.#resume();
    this.#send();
  }

  /** Takes note of a pool that has changed: other endpoints may take requests that are aside. */
  #see(pool: PoolSnapshot): void {
    if (this.#budget.seen(pool.endpoints.length === 0, pool.nowMs)) this.#dueMs = 0;
    const seen = this.#poolSeen;
    if (seen?.endpoints === pool.endpoints && seen.models === pool.models) return;
    this.#poolSeen = { endpoints: pool.endpoints, models: pool.models };
    this.#resume();
  }

  #resume(): void {
    this.#triedAsideMs = this.#deps.clock.nowMs();
    if (this.#aside === 0) return;
    for (const band of this.#bands.all) band.resume();
    this.#aside = 0;
  }

  #expire(nowMs: number): void {
    this.#dueMs = Number.POSITIVE_INFINITY;
    for (const waiting of this.#everyone()) {
      const dueMs = this.#budget.dueMs(waiting, waiting.isAside);
      if (dueMs > nowMs) this.#dueMs = Math.min(this.#dueMs, dueMs);
      else if (this.#budget.isEmpty || waiting.isAside) {
        this.#refuse(waiting, "EvictedNoEndpoints", "no model server became ready in time");
      } else {
        const waitedMs = Math.round(nowMs - waiting.enqueuedMs);
        this.#refuse(waiting, "EvictedTTL", `the request waited ${waitedMs} ms, its limit`);
      }
    }
  }

  /** Sends requests until the gate closes. */
  #send(): void {
    if (this.#isSending || this.#size === this.#aside) return;
    this.#isSending = true;
    const startMs = this.#deps.clock.nowMs();
    try {
      for (let count = 0; this.#size > this.#aside; count += 1) {
        if (count === sentInARowMax) {
          this.#deps.clock.after(0, () => this.#send());
          return;
        }
        const pool = this.#deps.snapshot(this.#deps.clock.nowMs());
        this.#see(pool);
        const next = this.#next(this.#gate.read(this.#rules, pool, this.#bands.priorities), pool);
        if (next === undefined) return;
        if (!this.#turn(next, pool)) this.#setAside(next);
      }
    } catch (cause) {
      // The next check tries again, and the time to wait ends in any case.
      this.#deps.observer.failed(cause);
    } finally {
      this.#isSending = false;
      this.#deps.observer.checked(this.#deps.clock.nowMs() - startMs);
    }
  }

  #next({ openBands }: GateReading, { nowMs }: PoolSnapshot): Queued | undefined {
    for (const band of this.#bands.all.slice(0, openBands)) {
      const next = band.next(nowMs);
      if (next !== undefined) return next;
    }
    return undefined;
  }

  /** Gives a request its turn. False if no endpoint can take it. */
  #turn(waiting: Queued, pool: PoolSnapshot): boolean {
    const { nowMs } = pool;
    const stay = waiting.stay("Dispatched", { nowMs, sent: this.#sent });
    if (!waiting.waiter.turn(pool, stay)) return false;
    this.#remove(waiting, "Dispatched");
    this.#leftAt(waiting.band, nowMs);
    return true;
  }

  #leftAt(band: Band, nowMs: number): void {
    this.#sent += 1;
    this.#rate.left(nowMs);
    band.rate.left(nowMs);
  }
}
