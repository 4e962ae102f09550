import type { CancelTimer, Clock } from "../std/clock.ts";
import type {
  EngineEvent,
  EngineRequest,
  EngineSnapshot,
  SubmitResult,
} from "./engine-contract.ts";
import { EngineModel } from "./engine-model.ts";
import { type EngineOptions, kvBlocksOf } from "./engine-options.ts";
import { EngineStats } from "./engine-stats.ts";

/** A timer of more than 2^31 - 1 ms would fire at once; an early wake-up does no harm. */
const timerMsMax = 60_000;

/** Events of a request: those of the model, or a restart of the engine. */
export type RunnerEvent = EngineEvent | { readonly kind: "failed" };

export type RunnerResult =
  | {
      readonly kind: "accepted";
      /** Ends the request early; harmless once it has ended. */
      readonly cancel: () => void;
    }
  | Exclude<SubmitResult, { readonly kind: "accepted" }>;

interface Member {
  readonly submittedAtMs: number;
  wasAdmitted: boolean;
  readonly listener: (event: RunnerEvent) => void;
}

/**
 * Runs an engine model in real time: one timer, set only while the model has work.
 *
 * Steps end at the times that the model computes, so a late timer delays the reports and not the
 * computation. After `close` nothing is reported and no timer is left.
 */
export class EngineRunner {
  readonly #clock: Clock;
  #model: EngineModel;
  #stats = new EngineStats();
  #startedAtWallMs: number;
  readonly #members = new Map<number, Member>();
  #requests = 0;
  #isDelivering = false;
  #isClosed = false;
  #cancelTimer: CancelTimer | undefined;

  constructor(options: EngineOptions, clock: Clock) {
    this.#clock = clock;
    this.#model = new EngineModel(options);
    this.#startedAtWallMs = clock.wallMs();
  }

  get options(): EngineOptions {
    return this.#model.options;
  }

  get stats(): EngineStats {
    return this.#stats;
  }

  /** Time of the engine's last start or restart, in milliseconds since the Unix epoch. */
  get startedAtWallMs(): number {
    return this.#startedAtWallMs;
  }

  /** `listener` is first called after this has returned. */
  submit(request: Omit<EngineRequest, "id">, listener: (event: RunnerEvent) => void): RunnerResult {
    const id = this.#requests;
    this.#requests += 1;
    const nowMs = this.#clock.nowMs();
    const result = this.#model.submit({ ...request, id }, nowMs);
    if (result.kind === "rejected") return result;
    this.#members.set(id, { submittedAtMs: nowMs, wasAdmitted: false, listener });
    this.#setTimer();
    return { kind: "accepted", cancel: () => this.#cancel(id) };
  }

  snapshot(): EngineSnapshot {
    this.#deliver();
    return this.#model.snapshot();
  }

  /** A change of the block size or of the cache size restarts the engine; others do not. */
  reconfigure(options: EngineOptions): void {
    const isSameCache =
      options.blockTokens === this.options.blockTokens &&
      kvBlocksOf(options) === kvBlocksOf(this.options);
    if (!isSameCache) {
      this.restart(options);
      return;
    }
    this.#model.reconfigure(options, this.#clock.nowMs());
    this.#deliver();
  }

  /** Fails every request, empties the cache and sets all counters to zero. */
  restart(options: EngineOptions = this.options): void {
    const members = [...this.#members.values()];
    this.#members.clear();
    this.#model = new EngineModel(options);
    this.#stats = new EngineStats();
    this.#startedAtWallMs = this.#clock.wallMs();
    for (const { listener } of members) listener({ kind: "failed" });
    this.#setTimer();
  }

  close(): void {
    this.#isClosed = true;
    this.#members.clear();
    this.#setTimer();
  }

  #cancel(id: number): void {
    if (!this.#members.delete(id)) return;
    this.#stats.ended("abort");
    this.#model.cancel(id, this.#clock.nowMs());
    this.#setTimer();
  }

  #deliver(): void {
    // A listener may cancel or submit; the resulting events follow those before them.
    if (this.#isDelivering) return;
    this.#isDelivering = true;
    for (const event of this.#model.advance(this.#clock.nowMs())) this.#hear(event);
    this.#isDelivering = false;
    this.#setTimer();
  }

  #hear(event: EngineEvent): void {
    const member = this.#members.get(event.id);
    if (member === undefined) return;
    const ageSeconds = (event.atMs - member.submittedAtMs) / 1_000;
    if (event.kind === "first-token") this.#stats.timeToFirstToken.observe(ageSeconds);
    if (event.kind === "admitted" && !member.wasAdmitted) {
      member.wasAdmitted = true;
      this.#stats.queueTime.observe(ageSeconds);
    }
    if (event.kind === "finished") {
      this.#members.delete(event.id);
      this.#stats.requestLatency.observe(ageSeconds);
    }
    member.listener(event);
  }

  #setTimer(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    if (this.#isClosed) return;
    const atMs = this.#model.nextStepAtMs();
    if (atMs === undefined) return;
    const delayMs = Math.min(timerMsMax, Math.max(0, atMs - this.#clock.nowMs()));
    this.#cancelTimer = this.#clock.after(delayMs, () => this.#deliver());
  }
}
