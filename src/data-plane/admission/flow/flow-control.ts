import type { Refusal } from "../../../core/errors.ts";
import type {
  FlowControlPlan,
  FlowHold,
  FlowOutcome,
  RunningRequest,
} from "../../../core/flow-control.ts";
import type { PoolSnapshot } from "../../../core/pool-snapshot.ts";
import type { RequestFollower } from "../../../core/request-follower.ts";
import type { InferenceRequest } from "../../../core/request.ts";
import type { CancelTimer } from "../../../std/clock.ts";
import type { Band, Queued } from "./band.ts";
import { DrainRate } from "./drain-rate.ts";
import { Evictions } from "./evictions.ts";
import { Gate } from "./gate.ts";
import type { FlowCase, FlowDeps, FlowRules } from "./flow-parts.ts";
import { refusalOf, type RefusedOutcome } from "./outcomes.ts";
import { holdOf, PassedOver } from "./passed-over.ts";
import { WaitQueue } from "./wait-queue.ts";
import { type Unsent, Waiting } from "./waiting.ts";

/** Requests sent in a row until other work of the process has a turn. */
const sentInARowMax = 64;

/**
 * Interval of checks while requests wait: for expired ones, and a safety net for sending, which arrivals, ends of requests
 * and changes of the pool start at once.
 */
const tickMs = 25;

/**
 * Lets requests wait while the pool is saturated, and sends them by priority, fairness and order as soon as it is not.
 *
 * Gate and decision use one snapshot: a request is scheduled and counted before the gate is read again. It stays in the
 * queue if no endpoint can take it. One instance lives as long as the gateway; `configure` changes its rules in place.
 */
export class FlowControl {
  readonly #deps: FlowDeps;
  readonly #queue: WaitQueue;
  readonly #gate = new Gate();
  readonly #passedOver = new PassedOver();
  readonly #rate = new DrainRate();
  readonly evictions: Evictions;
  #rules: FlowRules;
  #sequence = 0;
  #sent = 0;
  #cancelTick: CancelTimer | undefined;
  #isSending = false;
  #isWoken = false;
  #isDraining = false;

  constructor(rules: FlowRules, deps: FlowDeps) {
    this.#rules = rules;
    this.#deps = deps;
    this.#queue = new WaitQueue(rules);
    this.evictions = new Evictions(deps.observer, () => deps.clock.nowMs());
  }

  /** Requests that wait. */
  get size(): number {
    return this.#queue.size;
  }

  /** Their memory. */
  get heldBytes(): number {
    return this.#queue.heldBytes;
  }

  get bands(): readonly Band[] {
    return this.#queue.bands.all;
  }

  get plan(): FlowControlPlan {
    return this.#rules.plan;
  }

  /** Saturation as the gate read it last; NaN before the first request, and for stages without endpoints. */
  get saturation() {
    return this.#gate.last;
  }

  /** Endpoints whose signals the detector cannot use, by its name; undefined if it reads none. */
  get stale(): { readonly detector: string; readonly endpoints: number } | undefined {
    const { stale } = this.#rules.detector;
    if (stale === undefined) return undefined;
    const { endpoints, load, nowMs } = this.#deps.snapshot(this.#deps.clock.nowMs());
    return { detector: stale.detector, endpoints: stale.count(endpoints, load, nowMs) };
  }

  /** Returns undefined if the request may be scheduled at once, `waits` if it waits, or the reason to refuse it. */
  admit(asked: FlowCase): Refusal | "waits" | undefined {
    const { request, pool } = asked;
    const { bands } = this.#queue;
    this.#queue.see(pool);
    const band = bands.of(request.priority);
    const gate = this.#gate.read(this.#rules, pool, bands.priorities);
    const isOpen = bands.all.indexOf(band) < gate.openBands;
    // Requests that are aside wait for something else than those that come.
    if (isOpen && (!this.#hasReady || asked.isReturned === true)) return undefined;
    return this.#enter(asked, band, isOpen ? undefined : gate.hold);
  }

  /** Counts a request that was let through and scheduled. */
  passed({ request, pool }: Pick<FlowCase, "request" | "pool">): void {
    const band = this.#queue.bands.of(request.priority);
    this.#leftAt(band, pool.nowMs);
    this.#deps.observer.passed(request, this.#rules.fairnessIdOf(request), band.priority);
  }

  /** Lets a request wait that was let through, but that no endpoint could take, or that would wait in its engine. */
  hold(asked: FlowCase, reason: Unsent): Refusal | "waits" {
    const band = this.#queue.bands.of(asked.request.priority);
    return this.#enter(asked, band, holdOf(reason, this.#ceilingOf(band)));
  }

  /** Share of the longest wait in an engine from which a request is held; undefined if it is sent in any case. */
  heldFrom(request: InferenceRequest): number | undefined {
    return this.#isDraining ? undefined : this.#heldFromIn(this.#queue.bands.of(request.priority));
  }

  /** Follows a request that leaves for its engine; undefined if it is never evicted. */
  follow(request: InferenceRequest, running: RunningRequest): RequestFollower | undefined {
    const isEvictable = this.#rules.plan.evicts && request.priority < 0;
    return isEvictable ? this.evictions.follow(running, request.priority) : undefined;
  }

  /** False while the picker drains. */
  get mayWait(): boolean {
    return !this.#isDraining;
  }

  /** Something changed that may let a request through: one ended or began its answer, or the pool is another one. */
  wake(): void {
    if (this.size === 0 || this.#isWoken) return;
    this.#isWoken = true;
    // Many requests may end in one turn.
    queueMicrotask(() => {
      this.#isWoken = false;
      this.#queue.see(this.#deps.snapshot(this.#deps.clock.nowMs()));
      this.#send();
    });
  }

  /** Puts other rules in force. Requests keep their places; those beyond a limit are refused. */
  configure(rules: FlowRules): void {
    this.#rules = rules;
    this.#queue.configure(rules);
    for (let found = this.#queue.beyondLimits(); found; found = this.#queue.beyondLimits()) {
      this.#refuse(found.last, "RejectedCapacity", found.limit.message);
    }
    this.wake();
  }

  /** From now on, no further request may wait; those that do are still served. */
  drain(): void {
    this.#isDraining = true;
  }

  /** Refuses all that wait, because the picker stops; returns their number. */
  stop(): number {
    this.#isDraining = true;
    const all = this.#queue.requests;
    for (const waiting of all) {
      this.#refuse(waiting, "EvictedOther", "the gateway is shutting down");
    }
    return all.length;
  }

  /**
   * Sends all that wait, whatever the saturation, because flow control was turned off. Those that no endpoint can take now
   * keep their places.
   */
  release(): void {
    this.#isDraining = true;
    for (const waiting of this.#queue.requests) {
      this.#turn(waiting, this.#deps.snapshot(this.#deps.clock.nowMs()), undefined);
    }
  }

  /** True if a request waits that may be sent when the gate opens. */
  get #hasReady(): boolean {
    return this.#queue.size > this.#queue.asideCount;
  }

  #enter(asked: FlowCase, band: Band, hold: FlowHold | undefined): Refusal | "waits" {
    const waiting = this.#arrived(asked, band);
    waiting.heldBy = hold;
    const refusal = waiting.isReturned ? undefined : this.#refusalFor(waiting);
    if (refusal !== undefined) {
      const outcome = this.#outcomeAtEntry();
      this.#deps.observer.left(waiting, band.priority, { outcome, waitedMs: 0 });
      return refusal;
    }
    waiting.entered(this.#queue.aheadOf(band), this.#sent);
    this.#queue.add(waiting);
    if (hold?.kind === "no-suitable-endpoint") this.#queue.setAside(waiting);
    const tookMs = this.#deps.clock.nowMs() - waiting.enqueuedMs;
    this.#deps.observer.entered(waiting, band.priority, tookMs);
    this.#cancelTick ??= this.#deps.clock.after(tickMs, () => this.#tick());
    waiting.waiter.waits(() => this.#leave(waiting));
    // One that was scheduled a moment ago would get the same answer.
    if (hold?.kind !== "engine-wait") this.#send();
    return "waits";
  }

  #arrived(asked: FlowCase, band: Band): Queued {
    const { request, receivedMs, pool, isReturned = false, waiter: waiterOf } = asked;
    this.#sequence += 1;
    const waiter = waiterOf();
    const arrival = {
      request,
      fairnessId: this.#rules.fairnessIdOf(request),
      receivedMs,
      nowMs: this.#deps.clock.nowMs(),
      askedTtlMs: this.#rules.askedTtlMsOf(request),
      ownMs: band.readsOwnMs ? waiter.ownMs(pool) : Number.NaN,
      sequence: this.#sequence,
      isReturned,
    };
    return new Waiting(arrival, band, waiter);
  }

  #outcomeAtEntry(): RefusedOutcome {
    if (this.#isDraining) return "RejectedOther";
    return this.#queue.isPoolEmpty ? "RejectedNoEndpoints" : "RejectedCapacity";
  }

  /** Makes room for a request; returns its refusal if there is none. */
  #refusalFor(waiting: Queued): Refusal | undefined {
    const outcome = this.#outcomeAtEntry();
    if (this.#isDraining) {
      return refusalOf(outcome, "the gateway is shutting down, and the request would have to wait");
    }
    for (;;) {
      const room = this.#queue.roomFor(waiting);
      if (room.kind === "free") return undefined;
      const { limit } = room;
      if (room.kind === "full") {
        const rate = limit.isOfBand ? waiting.band.rate : this.#rate;
        const seconds = rate.retryAfterSeconds(1, waiting.enqueuedMs);
        return refusalOf(outcome, limit.message, seconds);
      }
      const reason = `a request that has precedence took its place: ${limit.message}`;
      this.#refuse(room.displaced, "RejectedCapacity", reason);
    }
  }

  #remove(waiting: Queued, outcome: FlowOutcome): void {
    this.#queue.remove(waiting);
    const waitedMs = this.#deps.clock.nowMs() - waiting.enqueuedMs;
    this.#deps.observer.left(waiting, waiting.band.priority, { outcome, waitedMs });
    if (this.size > 0) return;
    this.#cancelTick?.();
    this.#cancelTick = undefined;
  }

  #leave(waiting: Queued): void {
    if (waiting.isQueued) this.#remove(waiting, "EvictedContextCancelled");
  }

  #refuse(waiting: Queued, outcome: RefusedOutcome, message: string): void {
    const nowMs = this.#deps.clock.nowMs();
    const { band } = waiting;
    const stay = waiting.stay(outcome, { nowMs, sent: this.#sent });
    const ahead = this.#queue.aheadOf(band);
    this.#remove(waiting, outcome);
    const isForLoad = outcome === "EvictedTTL" || outcome === "RejectedCapacity";
    const seconds = isForLoad ? band.rate.retryAfterSeconds(ahead, nowMs) : undefined;
    waiting.waiter.refuse(refusalOf(outcome, message, seconds), stay);
  }

  #tick(): void {
    this.#cancelTick = this.#deps.clock.after(tickMs, () => this.#tick());
    const nowMs = this.#deps.clock.nowMs();
    this.#queue.see(this.#deps.snapshot(nowMs));
    for (const waiting of this.#queue.expired(nowMs)) this.#expire(waiting, nowMs);
    this.#queue.retryAside(nowMs);
    this.#send();
  }

  #expire(waiting: Queued, nowMs: number): void {
    if (this.#queue.isPoolEmpty || waiting.isAside) {
      this.#refuse(waiting, "EvictedNoEndpoints", "no model server became ready in time");
    } else {
      const waitedMs = Math.round(nowMs - waiting.enqueuedMs);
      this.#refuse(waiting, "EvictedTTL", `the request waited ${waitedMs} ms, its limit`);
    }
  }

  /** Sends requests until the gate closes. */
  #send(): void {
    if (this.#isSending || !this.#hasReady) return;
    const startMs = this.#deps.clock.nowMs();
    const restPriority = this.#passedOver.restPriority(startMs);
    if (!this.#queue.hasReadyAbove(restPriority)) return;
    this.#isSending = true;
    const sentBefore = this.#sent;
    try {
      this.#sendWhileOpen(restPriority);
    } catch (cause) {
      // The next check tries again, and the time to wait ends in any case.
      this.#deps.observer.failed(cause);
    } finally {
      const endMs = this.#deps.clock.nowMs();
      this.#passedOver.end(this.#sent > sentBefore, startMs, endMs);
      this.#queue.lookEnded();
      this.#isSending = false;
      this.#deps.observer.checked(endMs - startMs);
    }
  }

  #sendWhileOpen(restPriority: number): void {
    for (let count = 0; this.#hasReady && !this.#passedOver.isFull; count += 1) {
      if (count === sentInARowMax) {
        this.#deps.clock.after(0, () => this.#send());
        return;
      }
      const pool = this.#deps.snapshot(this.#deps.clock.nowMs());
      this.#queue.see(pool);
      const { openBands } = this.#gate.read(this.#rules, pool, this.#queue.bands.priorities);
      if (openBands < this.bands.length && this.#rules.plan.evicts) this.#evict(pool, openBands);
      const next = this.#queue.next(openBands, restPriority, pool.nowMs);
      if (next === undefined) return;
      const unsent = this.#turn(next, pool, this.#heldFromIn(next.band));
      if (unsent !== undefined) this.#postpone(next, unsent);
    }
  }

  /** Ends running requests in favor of those that the gate holds. */
  #evict(pool: PoolSnapshot, from: number): void {
    const { ceilingAt, last } = this.#gate;
    const saturation = last.effective;
    const retryAfterSeconds = this.#rate.retryAfterSeconds(this.size, pool.nowMs);
    const { bands, evictions } = this;
    evictions.makeRoom({ bands, from, ceilingAt, saturation, pool, retryAfterSeconds });
  }

  #postpone(waiting: Queued, unsent: Unsent): void {
    waiting.heldBy = holdOf(unsent, this.#ceilingOf(waiting.band));
    this.#queue.unsent();
    if (unsent === "unplaced") this.#queue.setAside(waiting);
    else this.#passedOver.add(waiting, unsent);
  }

  /** Gives a request its turn. Returns the reason if it waits on. */
  #turn(waiting: Queued, pool: PoolSnapshot, heldFrom: number | undefined): Unsent | undefined {
    const { nowMs } = pool;
    const stay = waiting.stay("Dispatched", { nowMs, sent: this.#sent });
    const unsent = waiting.waiter.turn(pool, { stay, heldFrom });
    if (unsent !== undefined) return unsent;
    waiting.band.sent(waiting);
    this.#remove(waiting, "Dispatched");
    this.#queue.sent(waiting);
    this.#leftAt(waiting.band, nowMs);
    return undefined;
  }

  /** The ceiling of a band counts for the engine of each of its requests as it does for the pool. */
  #heldFromIn(band: Band): number | undefined {
    return this.#rules.detector.hold === undefined ? undefined : this.#ceilingOf(band);
  }

  #ceilingOf(band: Band): number {
    return this.#gate.ceilingAt(this.#queue.gateIndexOf(band));
  }

  #leftAt(band: Band, nowMs: number): void {
    this.#sent += 1;
    this.#rate.left(nowMs);
    band.rate.left(nowMs);
  }
}
