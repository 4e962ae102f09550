/**
 * Requests of one endpoint that are followed until their first token; further ones are not used as
 * evidence.
 */
const followedMax = 64;
/** First tokens of one step may arrive in another order, within this time. */
const sameStepMs = 50;

/** A streaming request that waits for its first token, and whose time may be explained by work. */
export interface WaitingRequest {
  /** Called when the request has a place in the batch. */
  placed(nowMs: number): void;
}

interface Followed<T> {
  readonly order: number;
  readonly request: T;
  /** Requests ahead of it that must end before it has a place. */
  endsNeeded: number;
  readonly isQueued: boolean;
  /** The time at which a later request began. */
  overtakenMs: number;
}

/**
 * The requests of an endpoint that wait for a first token, in the order in which they were sent.
 *
 * A full engine starts the next request when one ends. So the time of a request that found it full
 * counts from the time at which enough of those ahead of it have ended. If a later request begins
 * before it, the engine does not keep the order, and its place is unknown.
 */
export class WaitingLine<T extends WaitingRequest> {
  /** In order. Short, so that a list is as fast as a map, whose old tables would keep requests that have ended. */
  readonly #followed: Followed<T>[] = [];
  #orders = 0;

  /** Returns the order of a request that is not followed itself. */
  pass(): number {
    this.#orders += 1;
    return this.#orders;
  }

  join(request: T, endsNeeded: number): number {
    const order = this.pass();
    if (this.#followed.length < followedMax) {
      const isQueued = endsNeeded > 0;
      this.#followed.push({ order, request, endsNeeded, isQueued, overtakenMs: Infinity });
    }
    return order;
  }

  /** True if a request has a place, and no later request shows that its turn was passed over. */
  hasPlace(order: number, nowMs: number): boolean {
    const followed = this.#followed[this.#indexOf(order)];
    return followed !== undefined && isPlaced(followed, nowMs);
  }

  /** Notes the first token of a request. */
  began(order: number, nowMs: number): void {
    this.leave(order);
    for (const followed of this.#followed) {
      if (followed.order >= order) break;
      followed.overtakenMs = Math.min(followed.overtakenMs, nowMs);
    }
  }

  /** Stops following a request, which may keep its place. */
  leave(order: number): void {
    const index = this.#indexOf(order);
    if (index >= 0) this.#followed.splice(index, 1);
  }

  ended(order: number, nowMs: number): void {
    this.leave(order);
    for (const followed of this.#followed) {
      if (followed.order < order || followed.endsNeeded === 0) continue;
      followed.endsNeeded -= 1;
      if (followed.endsNeeded === 0) followed.request.placed(nowMs);
    }
  }

  /** Requests that have a place and still wait. */
  placed(nowMs: number): readonly T[] {
    return this.#followed.flatMap((followed) =>
      isPlaced(followed, nowMs) ? [followed.request] : [],
    );
  }

  #indexOf(order: number): number {
    return this.#followed.findIndex((followed) => followed.order === order);
  }
}

function isPlaced(
  { endsNeeded, isQueued, overtakenMs }: Followed<unknown>,
  nowMs: number,
): boolean {
  return endsNeeded === 0 && !(isQueued && nowMs - overtakenMs > sameStepMs);
}
