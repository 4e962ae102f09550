/** Refusals that count at one endpoint; further ones change nothing. */
const refusalsMax = 1_000;

/**
 * Requests that an endpoint refused or failed at once. Each counts as long as a request usually takes: an endpoint must
 * not look idle, and attract the others, because it serves none.
 */
export class Refusals {
  /** Times until which they count, in the order of the refusals. */
  #untilMs: number[] = [];

  note(untilMs: number): void {
    if (this.#untilMs.length < refusalsMax) this.#untilMs.push(untilMs);
  }

  clear(): void {
    this.#untilMs = [];
  }

  countAt(nowMs: number): number {
    if (this.#untilMs.length === 0) return 0;
    if ((this.#untilMs[0] ?? 0) <= nowMs) {
      this.#untilMs = this.#untilMs.filter((untilMs) => untilMs > nowMs);
    }
    return this.#untilMs.length;
  }
}
