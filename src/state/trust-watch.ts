import type { Endpoint } from "../core/endpoint.ts";
import type { LoadSnapshot } from "../core/load.ts";

/** Interval between two checks. */
const lookMs = 1_000;

/** Notices when no endpoint's reports count any more, and when one's do again. */
export class TrustWatch {
  readonly #onChange: (isGone: boolean) => void;
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  #hasTrust = false;

  constructor(onChange: (isGone: boolean) => void) {
    this.#onChange = onChange;
  }

  look({ signalsTrust }: LoadSnapshot, endpoints: readonly Endpoint[], nowMs: number): void {
    if (nowMs - this.#lookedAtMs < lookMs) return;
    this.#lookedAtMs = nowMs;
    const hasTrust = endpoints.some(({ slot }) => (signalsTrust[slot] ?? 0) > 0);
    if (hasTrust === this.#hasTrust || endpoints.length === 0) return;
    this.#hasTrust = hasTrust;
    this.#onChange(!hasTrust);
  }
}
