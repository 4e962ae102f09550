import type { MemoryKind } from "../../../../core/plugin-states.ts";
import { AdapterSlots } from "./adapter-slots.ts";
import { CopyPrice } from "./copy-price.ts";
import { DecodePace } from "./decode-pace.ts";
import { LatencyInputs } from "./latency-inputs.ts";
import { PredictionAudit } from "./prediction-audit.ts";
import { PrefillQueue } from "./prefill-queue.ts";
import { PrefillRates } from "./prefill-rates.ts";
import { PrefixTrust } from "./prefix-trust.ts";
import { Refusals } from "./refusals.ts";
import { TpotObjectives } from "./tpot-objectives.ts";
import { TtftCorrection } from "./ttft-correction.ts";

/** Weight of one answer in the mean duration of requests. */
const durationWeight = 0.02;
const durationMsPrior = 5_000;

/** The requests of this picker on one endpoint. */
export class EndpointWork {
  readonly queue = new PrefillQueue();
  readonly refusals = new Refusals();
  /** Requests that generate here, now or once their prompts are computed. */
  placed = 0;

  /** Requests whose prompts are computed and that have not ended. */
  get decoding(): number {
    return this.placed - this.queue.stayingCount;
  }
}

/** Work on endpoints and their speeds, as the traffic of this picker tells. Its size is bounded by the pool. */
export class LatencyModel {
  readonly rates = new PrefillRates();
  readonly trust = new PrefixTrust();
  readonly adapters = new AdapterSlots();
  readonly copies = new CopyPrice();
  readonly pace = new DecodePace();
  readonly ttft = new TtftCorrection();
  readonly tpotObjectives = new TpotObjectives();
  readonly inputs = new LatencyInputs();
  readonly audit = new PredictionAudit();
  readonly #work: (EndpointWork | undefined)[] = [];
  #durationMs = durationMsPrior;

  workAt(slot: number): EndpointWork {
    return (this.#work[slot] ??= new EndpointWork());
  }

  /** Mean duration of a whole request. */
  get durationMs(): number {
    return this.#durationMs;
  }

  noteDuration(ms: number): void {
    this.#durationMs += durationWeight * (ms - this.#durationMs);
  }

  forget(slot: number): void {
    // Requests under way keep the work that they were counted in.
    this.#work[slot] = undefined;
    this.rates.forget(slot);
    this.trust.forget(slot);
    this.adapters.forget(slot);
    this.pace.forget(slot);
    this.tpotObjectives.forget(slot);
    this.audit.forget(slot);
  }
}

export const latencyModelMemory: MemoryKind<LatencyModel> = {
  create: () => new LatencyModel(),
  forget: (model, { slot }) => model.forget(slot),
};
