import { AdapterSets } from "./adapter-sets.ts";

/** End of a request: its own, the client's limit, the client or a fault. */
export type FinishReason = "stop" | "length" | "abort" | "error";

/** Upper bounds in seconds; vLLM's for the time to the first token. */
const ttftBuckets = [
  0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80,
  160, 640, 2_560,
];

/** Upper bounds in seconds; vLLM's for whole requests and for their time in the queue. */
const requestBuckets = [
  0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1_920, 7_680,
];

/** A Prometheus histogram of seconds. */
export class SecondsHistogram {
  readonly bounds: readonly number[];
  /** Observations in each bucket alone; the last one is above every bound. */
  readonly counts: number[];
  sum = 0;
  count = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = Array.from({ length: bounds.length + 1 }, () => 0);
  }

  observe(seconds: number): void {
    const above = this.bounds.findIndex((bound) => seconds <= bound);
    const bucket = above < 0 ? this.bounds.length : above;
    this.counts[bucket] = (this.counts[bucket] ?? 0) + 1;
    this.sum += seconds;
    this.count += 1;
  }
}

/** Measurements of an engine's requests since its start. */
export class EngineStats {
  readonly timeToFirstToken = new SecondsHistogram(ttftBuckets);
  readonly requestLatency = new SecondsHistogram(requestBuckets);
  readonly queueTime = new SecondsHistogram(requestBuckets);
  readonly adapterSets = new AdapterSets();
  readonly #ended: Record<FinishReason, number> = { stop: 0, length: 0, abort: 0, error: 0 };

  ended(reason: FinishReason): void {
    this.#ended[reason] += 1;
  }

  endedRequests(): Readonly<Record<FinishReason, number>> {
    return this.#ended;
  }
}
