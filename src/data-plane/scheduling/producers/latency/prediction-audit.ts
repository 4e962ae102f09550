/** Time after which a prediction has half its weight in the mean error. */
const halfLifeMs = 120_000;
/** Age of the last sample from which the mean error says nothing about now. */
const ageMsMax = 600_000;
/** Shortest time that an error is taken relative to: below it, the clock and the network decide. */
const ttftMsMin = 1;

/** Predictions of one endpoint against its answers: sums since the endpoint joined, and a mean of the last minutes. */
export interface EndpointAudit {
  ttftCount: number;
  predictedTtftMs: number;
  ttftMs: number;
  /** Sum of the absolute errors. */
  ttftErrorMs: number;
  predictedCachedTokens: number;
  cachedTokens: number;
  /** Weighted sum of the relative errors, and of their weights. */
  errorSum: number;
  errorWeight: number;
  errorAtMs: number;
}

/** Compares the predictions for endpoints with their answers. Its size is bounded by the pool. */
export class PredictionAudit {
  readonly #endpoints: (EndpointAudit | undefined)[] = [];

  of(slot: number): EndpointAudit | undefined {
    return this.#endpoints[slot];
  }

  /** Mean relative error of TTFT over the last minutes; NaN without answers. */
  ttftErrorRatio(slot: number, nowMs: number): number {
    const audit = this.#endpoints[slot];
    if (audit === undefined || nowMs - audit.errorAtMs > ageMsMax) return Number.NaN;
    return audit.errorSum / audit.errorWeight;
  }

  noteTtft(slot: number, { predictedMs, ttftMs, atMs }: TtftSample): void {
    if (!Number.isFinite(predictedMs)) return;
    const audit = this.#at(slot, atMs);
    const errorMs = Math.abs(predictedMs - ttftMs);
    audit.ttftCount += 1;
    audit.predictedTtftMs += predictedMs;
    audit.ttftMs += ttftMs;
    audit.ttftErrorMs += errorMs;
    const memory = 0.5 ** (Math.max(0, atMs - audit.errorAtMs) / halfLifeMs);
    audit.errorSum = audit.errorSum * memory + errorMs / Math.max(ttftMsMin, ttftMs);
    audit.errorWeight = audit.errorWeight * memory + 1;
    audit.errorAtMs = atMs;
  }

  /** Of prompts of which the engine says how many tokens it found cached. */
  noteCached(slot: number, predictedTokens: number, tokens: number): void {
    const audit = this.#at(slot, Number.NEGATIVE_INFINITY);
    audit.predictedCachedTokens += predictedTokens;
    audit.cachedTokens += tokens;
  }

  forget(slot: number): void {
    this.#endpoints[slot] = undefined;
  }

  #at(slot: number, nowMs: number): EndpointAudit {
    return (this.#endpoints[slot] ??= {
      ttftCount: 0,
      predictedTtftMs: 0,
      ttftMs: 0,
      ttftErrorMs: 0,
      predictedCachedTokens: 0,
      cachedTokens: 0,
      errorSum: 0,
      errorWeight: 0,
      errorAtMs: nowMs,
    });
  }
}

interface TtftSample {
  readonly predictedMs: number;
  readonly ttftMs: number;
  readonly atMs: number;
}
