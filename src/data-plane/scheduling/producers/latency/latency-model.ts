import type { MemoryKind } from "../../../../core/plugin-states.ts";
import { AdapterSlots } from "./adapter-slots.ts";
import { ComputedTokens } from "./computed-tokens.ts";
import { CopyPrice } from "./copy-price.ts";
import { DecodePace } from "./decode-pace.ts";
import { LatencyInputs } from "./latency-inputs.ts";
import { PredictionAudit } from "./prediction-audit.ts";
import { PrefillQueue } from "./prefill-queue.ts";
import { PrefillRates } from "./prefill-rates.ts";
import { PrefixTrust } from "./prefix-trust.ts";
import { Refusals } from "./refusals.ts";
import { SharedHomes } from "./shared-homes.ts";
import { TpotObjectives } from "./tpot-objectives.ts";
import { TtftCorrection } from "./ttft-correction.ts";
import { detach, WorkColumns, type WorkPlace } from "./work-columns.ts";
import { WorkCosts } from "./work-costs.ts";

/** Weight of one answer in the mean duration of requests. */
const durationWeight = 0.02;
const durationMsPrior = 5_000;

/** The requests of this picker on one endpoint. */
export class EndpointWork {
  readonly queue: PrefillQueue;
  readonly computed: ComputedTokens;
  readonly costs = new WorkCosts();
  readonly #place: WorkPlace;
  readonly #refusals = new Refusals();

  constructor(columns: WorkColumns, slot: number) {
    columns.fit(slot + 1);
    this.#place = { columns, slot };
    this.queue = new PrefillQueue(this.#place);
    this.computed = new ComputedTokens(this.queue);
  }

  /** Requests whose prompts are computed and that have not ended. */
  get decoding(): number {
    const { columns, slot } = this.#place;
    return columns.decoding(slot);
  }

  /** Requests that generate here, now or once their prompts are computed. */
  get placed(): number {
    const { columns, slot } = this.#place;
    return columns.placed[slot] ?? 0;
  }

  /** Adds requests that generate here, now or once their prompts are computed. */
  addPlaced(requests: 1 | -1): void {
    const { columns, slot } = this.#place;
    columns.placed[slot] = (columns.placed[slot] ?? 0) + requests;
  }

  /** Counts a refused request until then. */
  noteRefusal(untilMs: number): void {
    const { columns, slot } = this.#place;
    this.#refusals.note(untilMs);
    columns.hasRefusals[slot] = 1;
  }

  /** Requests that were sent after the restart are the new engine's. */
  restart(restartMs: number): void {
    const { columns, slot } = this.#place;
    this.queue.restart(restartMs);
    this.#refusals.clear();
    columns.hasRefusals[slot] = 0;
  }

  refusalsAt(nowMs: number): number {
    const { columns, slot } = this.#place;
    const count = this.#refusals.countAt(nowMs);
    columns.hasRefusals[slot] = Number(count > 0);
    return count;
  }

  /** Requests under way still count here after another endpoint got the slot. */
  detach(): void {
    detach(this.#place);
  }
}

/** Work on endpoints and their speeds, as the traffic of this picker tells. Its size is bounded by the pool. */
export class LatencyModel {
  readonly rates = new PrefillRates();
  readonly trust = new PrefixTrust();
  readonly adapters = new AdapterSlots();
  readonly copies = new CopyPrice();
  readonly homes = new SharedHomes();
  readonly pace = new DecodePace();
  readonly ttft = new TtftCorrection();
  readonly tpotObjectives = new TpotObjectives();
  readonly inputs = new LatencyInputs();
  readonly audit = new PredictionAudit();
  /** The work on endpoints, for decisions to read. */
  readonly columns = new WorkColumns();
  readonly #work: (EndpointWork | undefined)[] = [];
  #durationMs = durationMsPrior;

  workAt(slot: number): EndpointWork {
    return (this.#work[slot] ??= new EndpointWork(this.columns, slot));
  }

  /** Makes room for this many slots in what a decision reads. */
  fit(slots: number): void {
    this.columns.fit(slots);
    this.rates.fit(slots);
    this.trust.fit(slots);
  }

  /** Tokens that the endpoint computes before a prompt that is sent now. */
  tokensAhead(slot: number, nowMs: number, tokensPerMs: number): number {
    const ahead = this.columns.tokensAhead(slot, nowMs, tokensPerMs);
    return Number.isNaN(ahead) ? this.workAt(slot).queue.tokensAhead(nowMs, tokensPerMs) : ahead;
  }

  /** Requests that count as decoding: those that do, and those that the endpoint refused. */
  decodingAt(slot: number, nowMs: number): number {
    const decoding = this.columns.decoding(slot);
    return this.columns.hasRefusals[slot] === 1
      ? decoding + this.workAt(slot).refusalsAt(nowMs)
      : decoding;
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
    this.#work[slot]?.detach();
    this.#work[slot] = undefined;
    this.trust.forget(slot);
    this.adapters.forget(slot);
    this.pace.forget(slot);
    this.tpotObjectives.forget(slot);
    this.audit.forget(slot);
    this.rates.forget(slot);
  }

  /**
   * Forgets what the engine had in memory. Its speeds depend on the hardware, and an engine restarts on the same one as a
   * rule.
   */
  restart(slot: number, restartMs: number): void {
    this.#work[slot]?.restart(restartMs);
    this.trust.forget(slot);
    this.adapters.restart(slot, restartMs);
    this.audit.forget(slot);
  }
}

export const latencyModelMemory: MemoryKind<LatencyModel> = {
  create: () => new LatencyModel(),
  forget: (model, { slot }) => model.forget(slot),
  restart: (model, { slot }, restartMs) => model.restart(slot, restartMs),
};
