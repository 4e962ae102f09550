/** Clients that are distinguished: two are enough to know that there are several. */
const clientsMax = 2;
/**
 * A client that sends nothing for this long, or up to twice as long, no longer counts as one of the
 * pool's.
 */
const clientMs = 60_000;

/** Determines if the pool has one client or several. */
export class Clients {
  readonly #lately = new Set<number | undefined>();
  #sinceMs = Number.NEGATIVE_INFINITY;

  note(client: number | undefined, nowMs: number): void {
    if (nowMs - this.#sinceMs >= clientMs) {
      this.#lately.clear();
      this.#sinceMs = nowMs;
    }
    if (this.#lately.size < clientsMax) this.#lately.add(client);
  }

  get areSeveral(): boolean {
    return this.#lately.size >= clientsMax;
  }
}
