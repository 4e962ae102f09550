import type { Pool } from "../../gateway/pool.ts";
import { ReportWriter } from "../../state/report-writer.ts";
import type { Random } from "../../std/random.ts";
import type { LabEngine } from "./engine.ts";
import type { EventQueue } from "./event-queue.ts";
import { wallSecondsAt } from "./picker.ts";
import type { Setup } from "./setup.ts";
import { signalsOf } from "./virtual-endpoint.ts";

/** Share of the interval by which a scrape comes early or late. */
const jitter = 0.05;

interface ReportOptions {
  readonly pool: Pool;
  readonly setup: Pick<Setup, "reportEveryMs" | "reportDelayMs">;
  /** True if engines have LoRA adapters to tell of. */
  readonly hasAdapters: boolean;
}

/** The metrics of engines, as the scraper hands them to the picker. */
export class EngineReports {
  readonly #queue: EventQueue;
  readonly #options: ReportOptions;
  readonly #writer: ReportWriter;

  constructor(queue: EventQueue, options: ReportOptions) {
    this.#queue = queue;
    this.#options = options;
    this.#writer = new ReportWriter(options.pool.store.board, new Map());
  }

  /** Spreads the scrapes over the interval. */
  start(engines: readonly LabEngine[], random: Random): void {
    const { reportEveryMs } = this.#options.setup;
    if (reportEveryMs === undefined) return;
    for (const [slot, engine] of engines.entries()) {
      const scrape = () => {
        this.#scrape(slot, engine);
        const factor = 1 - jitter + 2 * jitter * random();
        this.#queue.add(this.#queue.nowMs + reportEveryMs * factor, scrape);
      };
      this.#queue.add(random() * reportEveryMs, scrape);
    }
  }

  /** Asks an engine now; the picker has the answer after the delay. */
  #scrape(slot: number, engine: LabEngine): void {
    const { pool, hasAdapters, setup } = this.#options;
    const { reportEveryMs: intervalMs = 0, reportDelayMs } = setup;
    engine.advance();
    const holder = { slot, generation: pool.store.board.generations[slot] ?? 0 };
    const asked = this.#writer.askedAt(slot, this.#queue.nowMs);
    const signals = signalsOf(engine.options, engine.snapshot, wallSecondsAt(engine.startedMs));
    const publish = () => {
      this.#writer.publish(holder, signals, { asked, intervalMs });
      if (hasAdapters) pool.facts.setAdapters(holder, signals.adapters);
    };
    if (reportDelayMs === 0) publish();
    else this.#queue.add(this.#queue.nowMs + reportDelayMs, publish);
  }
}
