import type { PoolSnapshot } from "../../../core/pool-snapshot.ts";
import type { Band, Queued } from "./band.ts";
import { BandShares } from "./band-shares.ts";
import { Bands, type BandRules } from "./bands.ts";
import { WaitBudget } from "./budget.ts";
import { type LimitReached, overLimit } from "./capacity.ts";

/** Interval between two tries of the requests that no endpoint could take, if the pool does not change. */
const retryAsideMs = 1_000;

/** The answer to a request that wants a place. */
type Room =
  | { readonly kind: "free" }
  /** Another request gives its place. */
  | { readonly kind: "displaces"; readonly displaced: Queued; readonly limit: LimitReached }
  | { readonly kind: "full"; readonly limit: LimitReached };

const free: Room = { kind: "free" };

/**
 * The requests that wait, by band, with their limits and times. A request that no endpoint of the pool can take is aside
 * until the pool changes. Decides nothing by itself.
 */
export class WaitQueue {
  readonly bands: Bands;
  readonly #budget: WaitBudget;
  readonly #shares = new BandShares<Band>();
  #rules: BandRules;
  #size = 0;
  #asideCount = 0;
  #heldBytes = 0;
  #triedAsideMs = 0;
  /** No wait ends before this time, in monotonic milliseconds. */
  #dueMs = Number.POSITIVE_INFINITY;
  #poolSeen: Pick<PoolSnapshot, "endpoints" | "models"> | undefined;

  constructor(rules: BandRules) {
    this.#rules = rules;
    this.bands = new Bands(rules);
    this.#budget = new WaitBudget(rules.plan.noEndpointTtlMs);
  }

  /** Requests that wait, those aside too. */
  get size(): number {
    return this.#size;
  }

  get asideCount(): number {
    return this.#asideCount;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** True if the pool was empty, or nothing of it could be reached, when it was seen last. */
  get isPoolEmpty(): boolean {
    return this.#budget.isEmpty;
  }

  /** Requests in no order. */
  get requests(): readonly Queued[] {
    return this.bands.all.flatMap((band) => [...band.requests()]);
  }

  configure(rules: BandRules): void {
    this.#rules = rules;
    this.#budget.noEndpointTtlMs = rules.plan.noEndpointTtlMs;
    this.bands.configure(rules);
    this.#dueMs = 0;
  }

  /** Takes note of the pool: another one may have endpoints for requests that are aside. */
  see(pool: PoolSnapshot): void {
    const isEmpty = pool.endpoints.length === 0 || pool.standing.isCutOff;
    if (this.#budget.seen(isEmpty, pool.nowMs)) this.#dueMs = 0;
    const seen = this.#poolSeen;
    if (seen?.endpoints === pool.endpoints && seen.models === pool.models) return;
    this.#poolSeen = { endpoints: pool.endpoints, models: pool.models };
    this.#resume(pool.nowMs);
  }

  /** Requests of this band and of those above. */
  aheadOf({ priority }: Band): number {
    let count = 0;
    for (const band of this.bands.all) {
      if (band.priority < priority) break;
      count += band.size;
    }
    return count;
  }

  roomFor(waiting: Queued): Room {
    const { band, heldBytes } = waiting;
    const limit = overLimit(this.#taken(band), { count: 1, bytes: heldBytes });
    if (limit === undefined) return free;
    const displaced = limit.isOfBand ? band.displacedBy(waiting) : this.#lastBelow(band);
    return displaced === undefined
      ? { kind: "full", limit }
      : { kind: "displaces", displaced, limit };
  }

  /** A request beyond a limit, of the lowest band first, and the limit; undefined if all fit. */
  beyondLimits(): { readonly last: Queued; readonly limit: LimitReached } | undefined {
    for (const band of this.bands.all.toReversed()) {
      const limit = overLimit(this.#taken(band), { count: 0, bytes: 0 });
      const { last } = band;
      if (limit !== undefined && last !== undefined) return { last, limit };
    }
    return undefined;
  }

  add(waiting: Queued): void {
    waiting.band.add(waiting);
    this.#size += 1;
    this.#heldBytes += waiting.heldBytes;
    this.#dueMs = Math.min(this.#dueMs, this.#budget.dueMs(waiting, false));
  }

  remove(waiting: Queued): void {
    if (waiting.isAside) this.#asideCount -= 1;
    waiting.band.remove(waiting);
    this.#size -= 1;
    this.#heldBytes -= waiting.heldBytes;
  }

  setAside(waiting: Queued): void {
    waiting.band.setAside(waiting);
    this.#asideCount += 1;
    this.#dueMs = Math.min(this.#dueMs, this.#budget.dueMs(waiting, true));
  }

  /** Puts requests back that are aside, if it is time to try them again. */
  retryAside(nowMs: number): void {
    if (nowMs - this.#triedAsideMs >= retryAsideMs) this.#resume(nowMs);
  }

  #resume(nowMs: number): void {
    this.#triedAsideMs = nowMs;
    if (this.#asideCount === 0) return;
    for (const band of this.bands.all) band.resume();
    this.#asideCount = 0;
  }

  /** True if a request above this priority may be sent when the gate opens. */
  hasReadyAbove(priority: number): boolean {
    return this.bands.all.some((band) => band.priority > priority && band.size > band.asideCount);
  }

  /**
   * The request whose turn is next, above this priority; it stays. It is of the first bands, or of one whose share has
   * precedence: if any band is open, that one is.
   */
  next(openBands: number, abovePriority: number, nowMs: number): Queued | undefined {
    const byShare = openBands > 0 ? this.#shares.next(this.bands.all, abovePriority) : undefined;
    const first = byShare?.next(nowMs);
    if (first !== undefined) return first;
    for (const band of this.bands.all.slice(0, openBands)) {
      if (band.priority <= abovePriority) break;
      const next = band.next(nowMs);
      if (next !== undefined) return next;
    }
    return undefined;
  }

  /** The place of the band whose ceiling counts for this one. */
  gateIndexOf(band: Band): number {
    return this.#shares.isPicked(band) ? 0 : this.bands.all.indexOf(band);
  }

  /** Counts a request that was sent, and has left. */
  sent({ band, request: { promptTokens } }: Queued): void {
    this.#shares.sent(this.bands.all, band, Math.max(1, promptTokens));
  }

  /** The request that was next could not be sent. */
  unsent(): void {
    this.#shares.unsent();
  }

  /** A look through the queue has ended. */
  lookEnded(): void {
    this.#shares.end();
  }

  /** Requests whose time to wait is over; they stay. */
  expired(nowMs: number): readonly Queued[] {
    if (nowMs < this.#dueMs) return none;
    this.#dueMs = Number.POSITIVE_INFINITY;
    return this.requests.filter((waiting) => {
      const dueMs = this.#budget.dueMs(waiting, waiting.isAside);
      if (dueMs > nowMs) this.#dueMs = Math.min(this.#dueMs, dueMs);
      return dueMs <= nowMs;
    });
  }

  #taken(band: Band) {
    const { plan } = this.#rules;
    return { plan, size: this.#size, heldBytes: this.#heldBytes, band };
  }

  /** The last request of the lowest band below this one; undefined if there is none. */
  #lastBelow(band: Band): Queued | undefined {
    const lowest = this.bands.all.findLast(({ size }) => size > 0);
    return lowest === undefined || lowest.priority >= band.priority ? undefined : lowest.last;
  }
}

const none: readonly Queued[] = [];
