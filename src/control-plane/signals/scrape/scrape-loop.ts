import type { Dispatcher } from "undici";
import { type Endpoint, hostPortOf } from "../../../core/endpoint.ts";
import type { EngineSignals } from "../../../core/signals.ts";
import type { Clock } from "../../../std/clock.ts";
import type { Random } from "../../../std/random.ts";
import type { EndpointStore } from "../../../state/endpoint-store.ts";
import type { Engine } from "./engines/engine.ts";
import type { EngineOf } from "./engines/registry.ts";
import { PrometheusTextParser } from "./prometheus-text.ts";
import {
  type Exposition,
  type ScrapeFailure,
  scrapeOnce,
  type ScrapeTarget,
} from "./scrape-once.ts";
import { WantedFamilies } from "./wanted-families.ts";

/** Every pause is longer or shorter by up to this share, so that scrapes never fall into step. */
const jitterRatio = 0.1;
/** Good scrapes in a row after which an endpoint counts as recovered: one may be luck. */
const recoveryScrapes = 3;

/** What the scraper tells about its own work. */
export interface ScrapeObserver {
  /** One scrape is over, after `seconds`. */
  scraped(outcome: "ok" | ScrapeFailure, seconds: number): void;
  /** A body that could be read had this many malformed lines of wanted families, at least 1. */
  malformed(lines: number): void;
}

interface ScrapeLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface ScraperDeps {
  readonly store: Pick<EndpointStore, "endpoints" | "onChange" | "recordSignals">;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: ScrapeLog;
  readonly metrics: ScrapeObserver;
}

export interface ScrapePace {
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly backoffMsMax: number;
}

export interface ScrapeLoopOptions extends ScrapePace {
  readonly scheme: "http" | "https";
  readonly path: string;
  /** Undefined: the port the endpoint serves on. */
  readonly port: number | undefined;
  readonly engineOf: EngineOf;
}

/** Scrapes one endpoint over and over, one scrape at a time. */
export class ScrapeLoop {
  readonly #options: ScrapeLoopOptions;
  readonly #deps: ScraperDeps & { readonly dispatcher: Dispatcher };
  readonly #target: ScrapeTarget;
  #endpoint: Endpoint;
  #engine: Engine;
  #parser: PrometheusTextParser;
  #failuresInRow = 0;
  #goodInRow = 0;
  /** A warning has been logged and the endpoint has not recovered since. */
  #isFailing = false;

  constructor(
    endpoint: Endpoint,
    options: ScrapeLoopOptions,
    deps: ScraperDeps & { readonly dispatcher: Dispatcher },
  ) {
    this.#options = options;
    this.#deps = deps;
    const { scheme, path, port, timeoutMs } = options;
    const origin = `${scheme}://${hostPortOf(endpoint.address, port ?? endpoint.port)}`;
    this.#target = { origin, path, timeoutMs };
    this.#endpoint = endpoint;
    this.#engine = this.#options.engineOf(endpoint);
    this.#parser = parserOf(this.#engine);
  }

  /** The same endpoint under other labels, which may name another engine. */
  relabel(endpoint: Endpoint): void {
    this.#endpoint = endpoint;
    this.#engine = this.#options.engineOf(endpoint);
    // A scrape under way keeps the parser it began with.
    this.#parser = parserOf(this.#engine);
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#deps;
    // Loops that start together spread over one interval.
    await clock.sleep(random() * this.#options.intervalMs, signal);
    /* oxlint-disable no-await-in-loop -- one scrape after another is the point of this loop */
    while (!signal.aborted) {
      const startMs = clock.nowMs();
      await this.#scrape(startMs, signal);
      const jitter = 1 + jitterRatio * (2 * random() - 1);
      const elapsedMs = clock.nowMs() - startMs;
      await clock.sleep(jitter * pauseMsOf(this.#options, this.#failuresInRow, elapsedMs), signal);
    }
    /* oxlint-enable no-await-in-loop */
  }

  async #scrape(startMs: number, signal: AbortSignal): Promise<void> {
    const { clock, dispatcher, metrics, store } = this.#deps;
    const engine = this.#engine;
    const deps = { dispatcher, parser: this.#parser, clock };
    const exposition = await scrapeOnce(this.#target, deps, signal);
    if (signal.aborted || exposition.kind === "stopped") return;

    const nowMs = clock.nowMs();
    const seconds = (nowMs - startMs) / 1_000;
    const reading = readingOf(exposition, engine);
    if (reading.malformedLines > 0) metrics.malformed(reading.malformedLines);
    if (reading.kind === "failed") {
      metrics.scraped(reading.failure, seconds);
      this.#noteFailure(reading.failure, reading.reason);
      return;
    }
    store.recordSignals(this.#endpoint, reading.signals, nowMs);
    metrics.scraped("ok", seconds);
    this.#noteSuccess();
  }

  #noteFailure(failure: ScrapeFailure, reason: string): void {
    this.#failuresInRow += 1;
    this.#goodInRow = 0;
    if (this.#isFailing) return;
    this.#isFailing = true;
    this.#deps.log.warn(
      { ...this.#logFields(), failure, reason },
      "endpoint's metrics cannot be read",
    );
  }

  #noteSuccess(): void {
    this.#failuresInRow = 0;
    this.#goodInRow += 1;
    if (!this.#isFailing || this.#goodInRow < recoveryScrapes) return;
    this.#isFailing = false;
    this.#deps.log.info(this.#logFields(), "endpoint's metrics can be read again");
  }

  #logFields() {
    return { endpoint: this.#endpoint.id, url: `${this.#target.origin}${this.#target.path}` };
  }
}

/**
 * Milliseconds from the end of a scrape to the next one.
 *
 * Scrapes start every `intervalMs`, but an engine that takes long to answer rests for half of it
 * at least. Each failure in a row doubles the pause, up to `backoffMsMax`.
 */
export function pauseMsOf(pace: ScrapePace, failuresInRow: number, elapsedMs: number): number {
  const { intervalMs, backoffMsMax } = pace;
  if (failuresInRow === 0) return Math.max(intervalMs - elapsedMs, intervalMs / 2);
  return Math.min(intervalMs * 2 ** failuresInRow, Math.max(intervalMs, backoffMsMax));
}

function parserOf({ families }: Engine): PrometheusTextParser {
  return new PrometheusTextParser(new WantedFamilies(families));
}

type Reading = { readonly malformedLines: number } & (
  | { readonly kind: "ok"; readonly signals: EngineSignals }
  | { readonly kind: "failed"; readonly failure: ScrapeFailure; readonly reason: string }
);

/** A body without one usable signal is no success: as such it would make "unknown" look fresh. */
function readingOf(exposition: Exclude<Exposition, { kind: "stopped" }>, engine: Engine): Reading {
  if (exposition.kind === "failed") return { ...exposition, malformedLines: 0 };
  const { families, malformedLines } = exposition.parsed;
  const signals = engine.signalsOf(families);
  const { attributes, ...others } = signals;
  if (attributes.size > 0 || Object.values(others).some((signal) => signal !== undefined)) {
    return { kind: "ok", signals, malformedLines };
  }
  const reason = `no usable signal of engine ${engine.name}`;
  return { kind: "failed", failure: "parse", reason, malformedLines };
}
