import type { CancelTimer, Clock } from "../../../../std/clock.ts";

/** Bytes with which a client earns one more second of waiting. */
const bytesPerSecondMin = 1_024;

/**
 * The patience with a body: waiting for the client uses it up, bytes restore it. So one pause is at most as long as the
 * whole patience, and a client that sends less than 1 KiB/s in the long run uses it up.
 */
export class BodyPace {
  readonly #patienceMsMax: number;
  readonly #clock: Pick<Clock, "nowMs" | "after">;
  readonly #tooSlow: () => void;
  #patienceMs: number;
  #waitingSinceMs: number | undefined;
  #cancel: CancelTimer | undefined;

  /** `tooSlow` runs at most once. */
  constructor(patienceMsMax: number, clock: Pick<Clock, "nowMs" | "after">, tooSlow: () => void) {
    this.#patienceMsMax = patienceMsMax;
    this.#patienceMs = patienceMsMax;
    this.#clock = clock;
    this.#tooSlow = tooSlow;
  }

  /** The next bytes are awaited from now on. */
  waits(): void {
    this.#waitingSinceMs ??= this.#clock.nowMs();
    this.#cancel ??= this.#clock.after(this.#patienceMs, () => this.#look());
  }

  /** Bytes have come, and no more are awaited until `waits`. */
  received(bytes: number): void {
    const waitedMs = this.#clock.nowMs() - (this.#waitingSinceMs ?? this.#clock.nowMs());
    const restoredMs = (bytes / bytesPerSecondMin) * 1_000;
    this.#patienceMs = Math.min(this.#patienceMs - waitedMs + restoredMs, this.#patienceMsMax);
    this.#waitingSinceMs = undefined;
  }

  stop(): void {
    this.#waitingSinceMs = undefined;
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /** The timer is not restarted for each piece: it looks again if there is patience left. */
  #look(): void {
    this.#cancel = undefined;
    if (this.#waitingSinceMs === undefined) return;
    const leftMs = this.#patienceMs - (this.#clock.nowMs() - this.#waitingSinceMs);
    if (leftMs > 0) {
      this.#cancel = this.#clock.after(leftMs, () => this.#look());
      return;
    }
    this.stop();
    this.#tooSlow();
  }
}

/** The pieces of a body. Time counts only while the reader wants the next one. */
export async function* paced(
  pieces: AsyncIterable<Uint8Array>,
  pace: BodyPace,
): AsyncIterable<Uint8Array> {
  try {
    pace.waits();
    for await (const piece of pieces) {
      pace.received(piece.length);
      yield piece;
      pace.waits();
    }
  } finally {
    pace.stop();
  }
}
