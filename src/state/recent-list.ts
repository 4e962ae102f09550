import type { RecentEndpoints } from "../core/plugin-states.ts";

/** Endpoints by their last use, least recent first: the order of the set. */
export class RecentList implements RecentEndpoints {
  readonly #ids = new Set<string>();
  endpointsMax: number;

  constructor(endpointsMax: number) {
    this.endpointsMax = endpointsMax;
  }

  get ids(): Iterable<string> {
    return this.#ids;
  }

  use(endpointId: string): void {
    this.#ids.delete(endpointId);
    this.#ids.add(endpointId);
    for (const oldest of this.#ids) {
      if (this.#ids.size <= this.endpointsMax) return;
      this.#ids.delete(oldest);
    }
  }

  forget(endpointId: string): void {
    this.#ids.delete(endpointId);
  }
}
