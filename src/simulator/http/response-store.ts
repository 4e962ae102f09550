import type { StoredResponse } from "./conversation.ts";

/** Responses that are kept; the oldest one is dropped beyond it, as if it had never been stored. */
const storedMax = 10_000;

/** The responses that an engine keeps in its memory until it restarts. */
export class ResponseStore {
  readonly #responses = new Map<string, StoredResponse>();

  get(id: string): StoredResponse | undefined {
    return this.#responses.get(id);
  }

  set(id: string, response: StoredResponse): void {
    this.#responses.set(id, response);
    const [oldest] = this.#responses.keys();
    if (this.#responses.size > storedMax && oldest !== undefined) this.#responses.delete(oldest);
  }

  clear(): void {
    this.#responses.clear();
  }
}
