/** A request that is under way, with its place in the list of all. */
export interface OpenRequest {
  /** Kept by `OpenRequests`. */
  place: number;
}

/**
 * The requests under way, in no order. A list and not a `Set`: a set that many items pass through makes a new table
 * again and again, and each old table keeps the next one and its items until the next full garbage collection.
 */
export class OpenRequests<T extends OpenRequest> {
  readonly #requests: T[] = [];

  get size(): number {
    return this.#requests.length;
  }

  add(request: T): void {
    request.place = this.#requests.length;
    this.#requests.push(request);
  }

  delete(request: T): void {
    const last = this.#requests.pop();
    if (last === undefined || last === request) return;
    this.#requests[request.place] = last;
    last.place = request.place;
  }

  /** A copy, since requests may end meanwhile. */
  list(): readonly T[] {
    return [...this.#requests];
  }
}
