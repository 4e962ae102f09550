import { Backoff } from "../../std/backoff.ts";
import type { CancelTimer, Clock } from "../../std/clock.ts";
import type { Random } from "../../std/random.ts";
import type { BatchSettings } from "./otel-environment.ts";
import type { SpanGroup, SpanSink } from "./span.ts";
import type { SendResult, SpanSender } from "./span-sender.ts";

/**
 * The reason that spans are dropped.
 *
 * - `queue-full`: too many wait, because the collector is slow or down.
 * - `request-full`: one request has more spans than are kept.
 * - `failed`: the collector could not be reached, or had no room, for too long.
 * - `refused`: the collector did not take them.
 * - `shutdown`: the process ended before they were sent.
 */
export const dropReasons = ["queue-full", "request-full", "failed", "refused", "shutdown"] as const;
export type DropReason = (typeof dropReasons)[number];

/** Pauses between tries of one batch, and the time after which it is given up. */
const pauses = { firstMs: 1_000, maxMs: 30_000 };
const triesMsMax = 60_000;

/** Longest pause that a collector may ask for. */
const askedPauseMsMax = 300_000;

export interface SpanBatchesParts {
  readonly settings: BatchSettings;
  readonly sender: SpanSender;
  readonly encode: (groups: readonly SpanGroup[]) => Buffer;
  readonly clock: Pick<Clock, "nowMs" | "after" | "sleep">;
  readonly random: Random;
  readonly onSent: (spans: number) => void;
  readonly onDropped: (reason: DropReason, spans: number) => void;
  /** Runs when the collector takes batches again, or `reason` says why it takes none. */
  readonly onState: (reason: string | undefined) => void;
}

/** Sends spans in batches, one at a time, with a bound on those that wait. */
export class SpanBatches implements SpanSink {
  readonly #parts: SpanBatchesParts;
  readonly #stop = new AbortController();
  readonly #cut = new AbortController();
  #groups: SpanGroup[] = [];
  #queuedSpans = 0;
  #cancelTimer: CancelTimer | undefined;
  #sending: Promise<void> | undefined;
  /** The pause that the collector has asked for is over then, by the clock. */
  #pausedUntilMs = 0;

  constructor(parts: SpanBatchesParts) {
    this.#parts = parts;
  }

  /** Spans that wait to be sent, with those of the batch that is being sent. */
  get queuedSpans(): number {
    return this.#queuedSpans;
  }

  add(group: SpanGroup): void {
    const { settings, clock, onDropped } = this.#parts;
    const count = group.spans.length;
    if (this.#stop.signal.aborted) return onDropped("shutdown", count);
    if (this.#queuedSpans + count > settings.queuedSpansMax) return onDropped("queue-full", count);
    this.#groups.push(group);
    this.#queuedSpans += count;
    if (this.#sending !== undefined) return;
    if (this.#queuedSpans >= settings.batchSpansMax) this.#begin();
    else this.#cancelTimer ??= clock.after(settings.delayMs, () => this.#begin());
  }

  async close(): Promise<void> {
    const { settings, clock, sender, onDropped } = this.#parts;
    // Ends a pause: what is left has its last try.
    this.#stop.abort();
    const timer = clock.after(settings.closeTimeoutMs, () => this.#cut.abort());
    if (this.#sending === undefined && this.#groups.length > 0) this.#begin();
    await this.#sending;
    timer();
    sender.close();
    if (this.#queuedSpans > 0) onDropped("shutdown", this.#queuedSpans);
    this.#queuedSpans = 0;
  }

  #begin(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#sending = this.#send().finally(() => (this.#sending = undefined));
  }

  /** Sends batches until no spans are left. */
  async #send(): Promise<void> {
    while (this.#groups.length > 0 && !this.#cut.signal.aborted) {
      await this.#pause(this.#pausedUntilMs - this.#parts.clock.nowMs());
      const batch = this.#take();
      await this.#sendOne(batch.groups, batch.spans);
    }
  }

  #take(): { readonly groups: readonly SpanGroup[]; readonly spans: number } {
    const { batchSpansMax } = this.#parts.settings;
    let spans = 0;
    let count = 0;
    for (const group of this.#groups) {
      if (count > 0 && spans + group.spans.length > batchSpansMax) break;
      spans += group.spans.length;
      count += 1;
    }
    return { groups: this.#groups.splice(0, count), spans };
  }

  async #sendOne(groups: readonly SpanGroup[], spans: number): Promise<void> {
    const { sender, encode, clock, random } = this.#parts;
    const bytes = encode(groups);
    const backoff = new Backoff(pauses, random);
    const startedMs = clock.nowMs();
    for (;;) {
      const result = await sender.send(bytes, this.#cut.signal);
      if (result.kind !== "retry") return this.#settled(result, spans);
      this.#parts.onState(result.reason);
      const pauseMs = Math.min(result.afterMs ?? backoff.next(), askedPauseMsMax);
      if (result.afterMs !== undefined) this.#pausedUntilMs = clock.nowMs() + pauseMs;
      if (this.#stop.signal.aborted) return this.#drop("shutdown", spans);
      if (clock.nowMs() + pauseMs - startedMs > triesMsMax) return this.#drop("failed", spans);
      await this.#pause(pauseMs);
    }
  }

  #settled(result: Exclude<SendResult, { kind: "retry" }>, spans: number): void {
    const { onSent, onState } = this.#parts;
    if (result.kind === "refused") {
      onState(result.reason);
      return this.#drop("refused", spans);
    }
    const rejected = Math.min(result.rejectedSpans, spans);
    onState(rejected > 0 ? `spans rejected: ${result.message}` : undefined);
    onSent(spans - rejected);
    this.#queuedSpans -= spans - rejected;
    if (rejected > 0) this.#drop("refused", rejected);
  }

  #drop(reason: DropReason, spans: number): void {
    this.#queuedSpans -= spans;
    this.#parts.onDropped(reason, spans);
  }

  async #pause(ms: number): Promise<void> {
    if (ms > 0) await this.#parts.clock.sleep(ms, this.#stop.signal);
  }
}
