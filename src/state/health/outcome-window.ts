const bucketMs = 5_000;
const bucketCount = 6;

/** Answers that count as recent. */
const recentMax = 20;
const recentMask = 2 ** recentMax - 1;

/** Results of the last answers: those of 30 seconds in steps of 5, and the last 20 at any time. */
export class OutcomeWindow {
  readonly #answers = new Uint32Array(bucketCount);
  readonly #failures = new Uint32Array(bucketCount);
  #current = 0;
  /** A bit for each recent answer, the last one lowest; 1 for a failure. */
  #recent = 0;
  #recentCount = 0;

  note(isFailure: boolean, nowMs: number): void {
    const at = this.#moveTo(nowMs);
    this.#answers[at] = (this.#answers[at] ?? 0) + 1;
    if (isFailure) this.#failures[at] = (this.#failures[at] ?? 0) + 1;
    this.#recent = ((this.#recent << 1) | Number(isFailure)) & recentMask;
    this.#recentCount = Math.min(recentMax, this.#recentCount + 1);
  }

  counts(nowMs: number): { readonly answers: number; readonly failures: number } {
    this.#moveTo(nowMs);
    return { answers: sum(this.#answers), failures: sum(this.#failures) };
  }

  /** Of the last 20 answers, or of fewer if there were no more. */
  get recent(): { readonly answers: number; readonly failures: number } {
    let failures = 0;
    for (let bits = this.#recent; bits !== 0; bits &= bits - 1) failures += 1;
    return { answers: this.#recentCount, failures };
  }

  clear(): void {
    this.#recent = 0;
    this.#recentCount = 0;
    this.#answers.fill(0);
    this.#failures.fill(0);
  }

  /** Index of the bucket of `nowMs`; skipped buckets are emptied. */
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
