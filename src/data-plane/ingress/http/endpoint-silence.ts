import type { Endpoint } from "../../../core/endpoint.ts";
import type { CancelTimer, Clock } from "../../../std/clock.ts";
import { type Placed, UnorderedList } from "../../../std/unordered-list.ts";

/** Times of the predicted time to the first token for which an endpoint may be silent. */
const patienceFactor = 10;

/** Interval between two looks at the tries that wait. */
const lookMs = 250;

/** A try at the time at which it is sent. */
export interface SilentCase {
  /** The predicted time to the first byte; undefined if it may come with the last token, or is not predicted. */
  readonly predictedMs: number | undefined;
  /** Sends the request to another endpoint; false if none may take it now. */
  readonly leave: () => boolean;
}

/** An endpoint with tries. */
interface HeardEndpoint {
  readonly id: string;
  /** Time of the last byte of any answer. */
  heardMs: number;
  /** Time at which health ejected it. */
  ejectedMs: number;
  tries: number;
}

/**
 * Finds tries whose endpoint has been silent for too long: no byte of any answer since the try was sent, neither of its own
 * nor of another request. A busy engine is heard all the time, and a long prompt has a long prediction. A try that no other
 * endpoint may take goes on waiting.
 */
export class EndpointSilence {
  readonly #silenceMsMin: number;
  readonly #clock: Pick<Clock, "nowMs" | "after">;
  readonly #endpoints = new Map<string, HeardEndpoint>();
  readonly #waiting = new UnorderedList<WaitingTry>();
  #cancelLook: CancelTimer | undefined;

  /** `silenceMsMin`: the shortest silence that counts; 0 to count ejections alone. */
  constructor(silenceMsMin: number, clock: Pick<Clock, "nowMs" | "after">) {
    this.#silenceMsMin = silenceMsMin;
    this.#clock = clock;
  }

  /** Follows a try from the moment at which it is sent. */
  watch(endpoint: Endpoint, silent: SilentCase): WaitingTry {
    const nowMs = this.#clock.nowMs();
    const { id } = endpoint;
    const never = Number.NEGATIVE_INFINITY;
    const heard = this.#endpoints.get(id) ?? { id, heardMs: never, ejectedMs: never, tries: 0 };
    heard.tries += 1;
    this.#endpoints.set(id, heard);
    const limitMs = this.#limitMsOf(silent);
    const waiting = new WaitingTry({ ...silent, heard, limitMs, sentMs: nowMs, silence: this });
    this.#waiting.add(waiting);
    this.#lookLater();
    return waiting;
  }

  /** Health has found that the endpoint does not answer: its tries need not wait any longer. */
  ejected({ id }: Endpoint): void {
    const heard = this.#endpoints.get(id);
    if (heard === undefined) return;
    heard.ejectedMs = this.#clock.nowMs();
    // A decision may be under way.
    queueMicrotask(() => this.#look());
  }

  heard(endpoint: HeardEndpoint): void {
    endpoint.heardMs = this.#clock.nowMs();
  }

  begun(waiting: WaitingTry): void {
    this.#waiting.delete(waiting);
  }

  over(endpoint: HeardEndpoint): void {
    endpoint.tries -= 1;
    if (endpoint.tries === 0) this.#endpoints.delete(endpoint.id);
  }

  #limitMsOf({ predictedMs }: SilentCase): number {
    if (this.#silenceMsMin === 0 || predictedMs === undefined || Number.isNaN(predictedMs)) {
      return Infinity;
    }
    return Math.max(this.#silenceMsMin, patienceFactor * predictedMs);
  }

  #lookLater(): void {
    if (this.#cancelLook !== undefined || this.#waiting.size === 0) return;
    this.#cancelLook = this.#clock.after(lookMs, () => {
      this.#cancelLook = undefined;
      this.#look();
      this.#lookLater();
    });
  }

  #look(): void {
    const nowMs = this.#clock.nowMs();
    for (const waiting of this.#waiting.list()) {
      // One that leaves may end others.
      if (waiting.place !== -1 && waiting.isSilent(nowMs)) waiting.leave();
    }
  }
}

interface WaitingParts extends SilentCase {
  readonly heard: HeardEndpoint;
  readonly limitMs: number;
  readonly sentMs: number;
  readonly silence: EndpointSilence;
}

/** One try, until its request is over. */
export class WaitingTry implements Placed {
  place = -1;
  readonly #parts: WaitingParts;
  #isOver = false;

  constructor(parts: WaitingParts) {
    this.#parts = parts;
  }

  isSilent(nowMs: number): boolean {
    const { heard, sentMs, limitMs } = this.#parts;
    if (heard.ejectedMs > Math.max(sentMs, heard.heardMs)) return true;
    return nowMs - Math.max(sentMs, heard.heardMs) >= limitMs;
  }

  leave(): void {
    this.#parts.leave();
  }

  /** Bytes of its answer have come. */
  heard(): void {
    this.#parts.silence.heard(this.#parts.heard);
  }

  /** The client gets its answer. */
  begun(): void {
    this.#parts.silence.begun(this);
  }

  over(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.begun();
    this.#parts.silence.over(this.#parts.heard);
  }
}
