/** Counts requests by their adapter; those for the base model do not count. */
export class AdapterCounts {
  readonly #counts = new Map<string, number>();

  add(adapter: string | undefined): void {
    if (adapter !== undefined) this.#counts.set(adapter, (this.#counts.get(adapter) ?? 0) + 1);
  }

  remove(adapter: string | undefined): void {
    if (adapter === undefined) return;
    const count = (this.#counts.get(adapter) ?? 0) - 1;
    if (count > 0) this.#counts.set(adapter, count);
    else this.#counts.delete(adapter);
  }

  has(adapter: string): boolean {
    return this.#counts.has(adapter);
  }

  /** The adapters with requests, in the order of the first request of each. */
  names(): readonly string[] {
    return [...this.#counts.keys()];
  }
}
