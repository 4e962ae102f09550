import type { EngineReport } from "./engine-signs.ts";

/** Decay of the longest answer without streaming, for each shorter one. */
const longestForget = 0.995;

/** Requests of one endpoint that wait for the first sign of an answer. */
export class Waits {
  /** Streaming requests, whose first token will be seen. */
  streams = 0;
  /** Requests without streaming, answered only when the whole answer is ready. */
  whole = 0;
  lastAnswerMs = Number.NEGATIVE_INFINITY;
  /** The longest recent answer without streaming. */
  longestWholeMs = 0;
  #sinceMs = 0;
  /** The last report as text, and the time since which it has not changed. */
  #report = "";
  #reportSinceMs = 0;

  sent(isStreaming: boolean, nowMs: number): void {
    if (this.streams + this.whole === 0) this.#sinceMs = nowMs;
    if (isStreaming) this.streams += 1;
    else this.whole += 1;
  }

  /** @param answeredMs NaN if there was no answer and will be none */
  over(isStreaming: boolean, sentMs: number, answeredMs: number): void {
    if (isStreaming) this.streams -= 1;
    else this.whole -= 1;
    if (answeredMs > this.lastAnswerMs) this.lastAnswerMs = answeredMs;
    if (isStreaming || Number.isNaN(answeredMs)) return;
    this.longestWholeMs = Math.max(answeredMs - sentMs, this.longestWholeMs * longestForget);
  }

  /** Time that requests have waited without any answer; 0 if none waits. */
  silentMs(nowMs: number): number {
    if (this.streams + this.whole === 0) return 0;
    return nowMs - Math.max(this.#sinceMs, this.lastAnswerMs);
  }

  noteReport(report: EngineReport | undefined, nowMs: number): void {
    const text =
      report === undefined
        ? ""
        : `${report.waitingRequests} ${report.runningRequests} ${report.kvCacheUsedRatio}`;
    if (text === this.#report) return;
    this.#report = text;
    this.#reportSinceMs = nowMs;
  }

  /** Time for which the engine's report has not changed. */
  unchangedMs(nowMs: number): number {
    return nowMs - this.#reportSinceMs;
  }
}
