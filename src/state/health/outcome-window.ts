const bucketMs = 5_000;
const bucketCount = 6;

/** How the answers of the last 30 seconds went, in steps of 5. */
export class OutcomeWindow {
  readonly #answers = new Uint32Array(bucketCount);
  readonly #failures = new Uint32Array(bucketCount);
  #current = 0;

  note(isFailure: boolean, nowMs: number): void {
    const at = this.#moveTo(nowMs);
    this.#answers[at] = (this.#answers[at] ?? 0) + 1;
    if (isFailure) this.#failures[at] = (this.#failures[at] ?? 0) + 1;
  }

  counts(nowMs: number): { readonly answers: number; readonly failures: number } {
    this.#moveTo(nowMs);
    return { answers: sum(this.#answers), failures: sum(this.#failures) };
  }

  clear(): void {
    this.#answers.fill(0);
    this.#failures.fill(0);
  }

  /** Index of the bucket of `nowMs`; those that time has passed over are empty. */
  #moveTo(nowMs: number): number {
    const bucket = Math.floor(nowMs / bucketMs);
    for (let passed = Math.max(this.#current + 1, bucket - bucketCount + 1); passed <= bucket;) {
      this.#answers[passed % bucketCount] = 0;
      this.#failures[passed % bucketCount] = 0;
      passed += 1;
    }
    this.#current = Math.max(this.#current, bucket);
    return this.#current % bucketCount;
  }
}

function sum(counts: Uint32Array): number {
  let total = 0;
  for (const count of counts) total += count;
  return total;
}
