import type { AdapterState } from "../../../core/load.ts";
import type { SecretValues } from "../../../core/secrets.ts";
import type { ReadingState } from "../../../core/signals.ts";
import type { SlotHolder } from "../../../state/report-writer.ts";
import type { SharedBoard } from "../../../state/signal-board.ts";
import type { ScrapedChange, ScraperOptions } from "./scraper.ts";
import type { ScrapeFailure } from "./scrape-once.ts";

/** Data that a scraper thread starts with. */
export interface ThreadStart {
  readonly options: ScraperOptions;
  readonly board: SharedBoard;
  /** Columns of attributes by name, in shared memory: those of engines, and those of probes. */
  readonly attributes: ReadonlyMap<string, Float64Array>;
  readonly probeAttributes: ReadonlyMap<string, Float64Array>;
  /**
   * The main thread's clock and the process's clock at the same moment: threads count from
   * different starts.
   */
  readonly clockMs: number;
  readonly processMs: number;
}

/** Milliseconds by the clock that all threads of the process share. */
export function processMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Messages to the thread. */
export type ToThread =
  | { readonly kind: "change"; readonly change: ScrapedChange }
  /** Requests are sent again after a pause. */
  | { readonly kind: "wake" }
  /** Values of Secrets for headers of scrapes; never logged. */
  | { readonly kind: "secrets"; readonly values: SecretValues }
  /** End everything and then the thread. */
  | { readonly kind: "stop" };

/** Messages from the thread. */
export type FromThread =
  | {
      readonly kind: "adapters";
      readonly holder: SlotHolder;
      readonly adapters: AdapterState | undefined;
    }
  | {
      readonly kind: "models";
      readonly holder: SlotHolder;
      readonly models: readonly string[] | undefined;
    }
  | { readonly kind: "check"; readonly holder: SlotHolder; readonly isWell: boolean }
  | { readonly kind: "engine"; readonly holder: SlotHolder; readonly name: string }
  | { readonly kind: "reading"; readonly holder: SlotHolder; readonly state: ReadingState }
  | {
      readonly kind: "log";
      readonly level: "info" | "warn";
      readonly fields: object;
      readonly message: string;
    }
  | { readonly kind: "scrapes"; readonly scrapes: ScrapesDone };

/** Results of the scrapes since the last message. */
export interface ScrapesDone {
  readonly outcomes: ReadonlyMap<"ok" | ScrapeFailure, number>;
  /** Duration in seconds of each success. */
  readonly okSeconds: readonly number[];
  readonly malformedLines: number;
  /** Families that were left out for the number of their series. */
  readonly crowdedFamilies: number;
  readonly cpuSeconds: number;
}
