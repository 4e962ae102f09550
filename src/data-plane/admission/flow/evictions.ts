import type { RunningRequest } from "../../../core/flow-control.ts";
import type { PoolSnapshot } from "../../../core/pool-snapshot.ts";
import type { RequestFollower } from "../../../core/request-follower.ts";
import { type Placed, UnorderedList } from "../../../std/unordered-list.ts";

/** Requests evicted by one decision. */
const evictedAtOnceMax = 2;
/** Time until the engine of an evicted request is expected to have room. */
const graceMs = 50;
/** Time after which an eviction counts as done, although its request has not ended. */
const confirmMs = 10_000;
/** Evictions that may follow each other at once, and how fast this budget fills again. */
const budgetMax = 10;
const budgetPerSecond = 1;
/** Share of its answer from which a request is kept: less work is left than would be lost. */
const keptFrom = 0.5;

/** A band that may need room. */
interface DemandingBand {
  readonly priority: number;
  readonly size: number;
  readonly asideCount: number;
}

/** The queue, while its gate holds bands. */
interface GatedState {
  /** By descending priority. */
  readonly bands: readonly DemandingBand[];
  /** Index of the first band that has to wait. */
  readonly from: number;
  readonly ceilingAt: (index: number) => number;
  readonly saturation: number;
  readonly pool: Pick<PoolSnapshot, "endpoints" | "load" | "standing" | "nowMs">;
  /** Seconds until an evicted request may come again. */
  readonly retryAfterSeconds: number;
}

/** Told of evictions, for metrics. */
export interface EvictionObserver {
  /** `priority`: that of the requests that wait for the room. */
  evictionIssued(priority: number): void;
  evictionEnded(outcome: "confirmed" | "timed_out", tookMs: number): void;
}

/** A request that runs and may be evicted, in one of two lists. */
class Tracked implements Placed {
  place = -1;
  readonly running: RunningRequest;
  readonly priority: number;
  readonly sentMs: number;
  /** Undefined before its eviction. */
  issuedMs: number | undefined;

  constructor(running: RunningRequest, priority: number, sentMs: number) {
    this.running = running;
    this.priority = priority;
    this.sentMs = sentMs;
  }
}

/**
 * Chooses running requests of a priority below 0 that make room for waiting ones of a higher priority: the lowest priority
 * first, and of those the newest. One decision follows the other only once its requests have ended.
 *
 * All times are monotonic milliseconds.
 */
export class Evictions {
  readonly #observer: EvictionObserver;
  readonly #nowMs: () => number;
  readonly #running = new UnorderedList<Tracked>();
  readonly #issued = new UnorderedList<Tracked>();
  #coolUntilMs = 0;
  #budget = budgetMax;
  #filledMs = 0;
  /** Saturation to be reclaimed, as it was computed last; and the part of it that was issued and has not ended. */
  target = 0;
  #credit = 0;

  constructor(observer: EvictionObserver, nowMs: () => number) {
    this.#observer = observer;
    this.#nowMs = nowMs;
  }

  get pending(): number {
    return this.#issued.size * this.#credit;
  }

  /** Requests that may be evicted. */
  get size(): number {
    return this.#running.size;
  }

  follow(running: RunningRequest, priority: number): RequestFollower {
    const tracked = new Tracked(running, priority, this.#nowMs());
    this.#running.add(tracked);
    return { ended: () => this.#ended(tracked) };
  }

  /** Ends running requests, if waiting ones of a higher priority need their room and it is time. */
  makeRoom(state: GatedState): void {
    const { pool, saturation } = state;
    if (this.#running.size === 0 || pool.endpoints.length === 0 || pool.standing.isCutOff) return;
    if (!this.#isOpen(pool.nowMs)) return;
    const index = demandIn(state, this.#lowestPriority);
    const demand = state.bands[index];
    if (demand === undefined) return;
    this.target = saturation - state.ceilingAt(index);
    this.#credit = saturation / Math.max(1, inFlightIn(pool));
    const wanted = Math.max(1, Math.ceil(this.target / this.#credit));
    const count = Math.min(wanted, evictedAtOnceMax, Math.floor(this.#filled(pool.nowMs)));
    const { priority } = demand;
    for (const victim of this.#victimsBelow(priority).slice(0, count)) {
      this.#issue(victim, priority, pool.nowMs);
      const message = `the request was evicted: requests of priority ${priority} wait`;
      const { retryAfterSeconds } = state;
      // One that has just ended by itself needs no eviction.
      if (!victim.running.evict({ code: "evicted", message, retryAfterSeconds })) {
        this.#issued.delete(victim);
      }
    }
  }

  #issue(tracked: Tracked, priority: number, nowMs: number): void {
    this.#budget -= 1;
    this.#running.delete(tracked);
    tracked.issuedMs = nowMs;
    this.#issued.add(tracked);
    this.#observer.evictionIssued(priority);
  }

  #ended(tracked: Tracked): void {
    const { issuedMs } = tracked;
    if (issuedMs === undefined) return void this.#running.delete(tracked);
    if (!this.#issued.delete(tracked)) return;
    const nowMs = this.#nowMs();
    this.#coolUntilMs = nowMs + graceMs;
    this.#observer.evictionEnded("confirmed", nowMs - issuedMs);
  }

  /** True if all earlier evictions have had their effect. */
  #isOpen(nowMs: number): boolean {
    for (const tracked of this.#issued.list()) {
      const tookMs = nowMs - (tracked.issuedMs ?? nowMs);
      if (tookMs < confirmMs) return false;
      this.#issued.delete(tracked);
      this.#observer.evictionEnded("timed_out", tookMs);
    }
    return nowMs >= this.#coolUntilMs;
  }

  #filled(nowMs: number): number {
    const seconds = (nowMs - this.#filledMs) / 1_000;
    this.#filledMs = nowMs;
    this.#budget = Math.min(budgetMax, this.#budget + seconds * budgetPerSecond);
    return this.#budget;
  }

  get #lowestPriority(): number {
    let lowest = Number.POSITIVE_INFINITY;
    for (const { priority } of this.#running.list()) if (priority < lowest) lowest = priority;
    return lowest;
  }

  #victimsBelow(priority: number): readonly Tracked[] {
    return this.#running
      .list()
      .filter((tracked) => tracked.priority < priority && tracked.running.progress() < keptFrom)
      .toSorted((a, b) => a.priority - b.priority || b.sentMs - a.sentMs);
  }
}

/** The index of the first band that waits for the room of requests of this priority; -1 if no band does. */
function demandIn({ bands, from, ceilingAt, saturation }: GatedState, lowest: number): number {
  return bands.findIndex(({ priority, size, asideCount }, index) => {
    if (index < from || priority <= lowest || size <= asideCount) return false;
    const ceiling = ceilingAt(index);
    return ceiling > 0 && saturation >= ceiling;
  });
}

function inFlightIn({ endpoints, load }: GatedState["pool"]): number {
  let sum = 0;
  for (const { slot } of endpoints) sum += load.inFlightRequests[slot] ?? 0;
  return sum;
}
