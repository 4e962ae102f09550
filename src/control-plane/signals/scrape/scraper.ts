import { aborted } from "../../../std/abort.ts";
import type { AdapterState } from "../../../core/load.ts";
import type { SecretValues } from "../../../core/secrets.ts";
import type { ReadingState } from "../../../core/signals.ts";
import type { CancelTimer, Clock } from "../../../std/clock.ts";
import type { Random } from "../../../std/random.ts";
import type { AskedAt, ReportWriter, SlotHolder } from "../../../state/report-writer.ts";
import type { ScrapeField, SignalBoard } from "../../../state/signal-board.ts";
import {
  EndpointScrape,
  type GoodScrape,
  isSameAdapters,
  type ScrapeResult,
} from "./endpoint-scrape.ts";
import { type EngineChoice, type EngineChooser, engineChooser } from "./engines/engine-choice.ts";
import { jitteredMs, nextIntervalMs, nextStretch, type Pace, stretchedMs } from "./pace.ts";
import { EndpointAccess, type EndpointAccessOptions } from "./endpoint-access.ts";
import type { MetricsAddresses, ScrapedEndpoint } from "./scrape-address.ts";
import { samplesMax } from "./exposition/prometheus-text.ts";
import type { ScrapeFailure } from "./scrape-once.ts";
import { type EndpointProbe, Probe, type ProbeSink } from "./probes/endpoint-probe.ts";
import type { ProbeSettings } from "./probes/probe-settings.ts";

/** Settings of the scraper; plain data that can go to another thread. */
export interface ScraperOptions extends MetricsAddresses, EndpointAccessOptions, Pace {
  /** Share of one core that scraping may use; intervals stretch to keep it. */
  readonly cpuBudgetRatio: number;
  /** Readings of every endpoint other than its metrics. */
  readonly probes: readonly ProbeSettings[];
  /** Metrics of the engines; undefined for the built-in ones. */
  readonly engines: EngineChoice | undefined;
}

/** Endpoints that join, leave or get other labels. */
export interface ScrapedChange {
  readonly added: readonly ScrapedEndpoint[];
  readonly removed: readonly { readonly slot: number }[];
  readonly updated: readonly ScrapedEndpoint[];
}

/** Receives the findings of scrapes, except the numbers, which are on the board. */
export interface ScrapeSink extends ProbeSink {
  scraped(outcome: "ok" | ScrapeFailure, seconds: number): void;
  /** A readable body had this many malformed lines of wanted families, at least 1. */
  malformed(lines: number): void;
  /** A body had this many families with too many series to read, at least 1. */
  crowded(families: number): void;
  /** Called if they differ from the last ones. */
  adapters(holder: SlotHolder, adapters: AdapterState | undefined): void;
  /** The engine whose metrics an endpoint has, when it is known or changes. */
  engine(holder: SlotHolder, name: string): void;
  /** State of an endpoint's scrapes, when it changes. */
  reading(holder: SlotHolder, state: ReadingState): void;
}

export interface ScraperDeps {
  readonly board: SignalBoard;
  readonly writer: ReportWriter;
  readonly clock: Clock;
  readonly random: Random;
  /** Milliseconds of CPU that this thread has used. */
  readonly cpuMs: () => number;
  readonly sink: ScrapeSink;
}

/**
 * Intervals of checks for due endpoints: if scrapes are frequent, and if idle. A thread that wakes
 * for each scrape alone spends more on waking than on scraping, so all endpoints that are due in
 * the next half of an interval start together.
 */
const tickMs = 25;
const idleTickMs = 200;
/** Scrapes at intervals below this are frequent. */
const hurriedMs = 4 * tickMs;
/** Requests sent within this time count as recent. */
const decidingMs = 2_000;
/** Interval of budget checks. */
const budgetMs = 1_000;
/**
 * Time that each new endpoint adds to the spread of first scrapes, and the maximum of the spread.
 */
const startSpreadMs = 1;
const startSpreadMsMax = 1_000;

/** An endpoint that is scraped, with the last reports to the sink and the state of its pace. */
interface Watched {
  readonly scrape: EndpointScrape;
  readonly probes: readonly EndpointProbe[];
  isRunning: boolean;
  /** Our counts of it when it was last asked. */
  asked: AskedAt | undefined;
  dueAtMs: number;
  /** Interval planned from the last scrape to the next, before it is stretched. */
  intervalMs: number;
  /** Count at the last check. */
  sentRequests: number;
  /** Count when it joined. */
  readonly finishedRequests: number;
  /** The last reports to the sink. */
  engine: string | undefined;
  adapters: AdapterState | undefined;
  reading: string | undefined;
  /** Families with too many series that were logged last. */
  crowdedFamilies: string;
}

/** Reads the load of its endpoints from their metrics, each at its own pace. */
export class Scraper {
  readonly #options: ScraperOptions;
  readonly #deps: ScraperDeps;
  readonly #access: EndpointAccess;
  readonly #engineOf: EngineChooser;
  readonly #probes: readonly Probe[];
  readonly #watched = new Map<number, Watched>();
  readonly #running = new Set<Promise<void>>();
  #tickMs = tickMs;
  #wake: () => void = () => undefined;
  #decidedAtMs = Number.NEGATIVE_INFINITY;
  #stretch = 1;
  #budgetAtMs: number;
  #budgetCpuMs: number;

  constructor(options: ScraperOptions, deps: ScraperDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#engineOf = engineChooser(options.engines ?? {});
    const { clock, sink } = deps;
    const { secureAccess } = options;
    this.#access = new EndpointAccess(options, { clock, log: sink.log.bind(sink) });
    this.#probes = options.probes.map((settings) => new Probe(settings, { ...deps, secureAccess }));
    this.#budgetAtMs = deps.clock.nowMs();
    this.#budgetCpuMs = deps.cpuMs();
  }

  apply({ added, removed, updated }: ScrapedChange): void {
    // First, since an endpoint that joins may have the slot of one that leaves.
    for (const { slot } of removed) this.#remove(slot);
    for (const endpoint of updated) this.#watched.get(endpoint.slot)?.scrape.relabel(endpoint);
    const { intervalMs } = this.#options;
    const spreadMs = Math.min(startSpreadMsMax, Math.max(intervalMs, added.length * startSpreadMs));
    for (const endpoint of added) this.#watched.set(endpoint.slot, this.#watch(endpoint, spreadMs));
  }

  /** Scrapes until `signal` aborts; resolves when no scrape and no connection is left. */
  async run(signal: AbortSignal): Promise<void> {
    let cancelTick: CancelTimer | undefined;
    const tick = () => {
      cancelTick?.();
      this.#startDue();
      cancelTick = this.#deps.clock.after(this.#tickMs, tick);
    };
    this.#wake = tick;
    const following = [this.#access, ...this.#probes].map((each) => each.run(signal));
    if (!signal.aborted) tick();
    await aborted(signal);
    cancelTick?.();
    this.#wake = () => undefined;
    for (const slot of this.#watched.keys()) this.#remove(slot);
    await Promise.all([...this.#running, ...following]);
    await Promise.all([this.#access, ...this.#probes].map((each) => each.close()));
  }

  #watch(endpoint: ScrapedEndpoint, spreadMs: number): Watched {
    const { clock, random, board } = this.#deps;
    const { slot, generation } = endpoint;
    const startedAtSeconds = startOnBoard(board, { slot, generation });
    const deps = { access: this.#access, clock, engineOf: this.#engineOf, startedAtSeconds };
    return {
      scrape: new EndpointScrape(endpoint, this.#options, deps),
      probes: this.#probes.map((probe) => probe.of(endpoint)),
      isRunning: false,
      asked: undefined,
      dueAtMs: clock.nowMs() + random() * spreadMs,
      intervalMs: this.#options.intervalMs,
      sentRequests: board.sentRequests[endpoint.slot] ?? 0,
      finishedRequests: board.finishedRequests[endpoint.slot] ?? 0,
      engine: undefined,
      adapters: undefined,
      reading: undefined,
      crowdedFamilies: "",
    };
  }

  /** Values of Secrets for headers of scrapes. */
  set secrets(values: SecretValues) {
    this.#access.secrets = values;
  }

  /** Requests are sent again after a pause: checks at once which endpoints are due. */
  wake(): void {
    this.#wake();
  }

  #startDue(): void {
    const nowMs = this.#deps.clock.nowMs();
    this.#keepBudget(nowMs);
    this.#noteDecisions(nowMs);
    let isHurried = false;
    const soonMs = nowMs + this.#tickMs / 2;
    for (const watched of this.#watched.values()) {
      this.#hasten(watched, nowMs);
      isHurried ||= watched.intervalMs < hurriedMs;
      for (const probe of watched.probes) this.#keep(probe.startDue(soonMs));
      if (watched.isRunning || soonMs < watched.dueAtMs) continue;
      this.#keep(this.#scrape(watched));
    }
    this.#tickMs = isHurried ? tickMs : idleTickMs;
  }

  /** Tracks a task until it has ended. */
  #keep(running: Promise<void> | undefined): void {
    if (running === undefined) return;
    const kept = running.finally(() => this.#running.delete(kept));
    this.#running.add(kept);
  }

  /** Makes an endpoint due soon that gets a request while it is scraped seldom. */
  #hasten(watched: Watched, nowMs: number): void {
    const { asked } = watched;
    if (asked === undefined || watched.isRunning || watched.scrape.failuresInRow > 0) return;
    const intervalMs = this.#intervalOf(watched, nowMs);
    if (intervalMs >= watched.intervalMs) return;
    watched.intervalMs = intervalMs;
    watched.dueAtMs = Math.min(
      watched.dueAtMs,
      asked.atMs + stretchedMs(intervalMs, this.#stretch, this.#isBusy(watched)),
    );
  }

  /** True if it works on requests of ours. */
  #isBusy({ scrape }: Watched): boolean {
    return (this.#deps.board.inFlightRequests[scrape.endpoint.slot] ?? 0) > 0;
  }

  #intervalOf(watched: Watched, nowMs: number): number {
    const { scrape, asked, intervalMs } = watched;
    const { slot } = scrape.endpoint;
    const { sentRequests } = this.#deps.board;
    const isBusy = this.#isBusy(watched);
    const isSentTo = sentRequests[slot] !== asked?.sentBefore;
    const { hasChanged, failuresInRow } = scrape;
    const isDeciding = nowMs - this.#decidedAtMs < decidingMs;
    const activity = { isBusy, isSentTo, hasChanged, isDeciding, failuresInRow, intervalMs };
    if (scrape.isUncertain && failuresInRow === 0) return this.#options.intervalMs;
    return nextIntervalMs(this.#options, activity);
  }

  async #scrape(watched: Watched): Promise<void> {
    const { clock, random, writer } = this.#deps;
    const { scrape } = watched;
    const asked = writer.askedAt(scrape.endpoint.slot, clock.nowMs());
    watched.asked = asked;
    watched.isRunning = true;
    const result = await scrape.scrape();
    watched.isRunning = false;
    if (result === undefined) return;
    const nowMs = clock.nowMs();
    scrape.hasServed ||= asked.finishedBefore > watched.finishedRequests;
    const news = scrape.note(result);
    watched.intervalMs = this.#intervalOf(watched, nowMs);
    const intervalMs = stretchedMs(watched.intervalMs, this.#stretch, this.#isBusy(watched));
    // An engine that takes long to answer rests for half the interval at least.
    const jitteredDueMs = asked.atMs + jitteredMs(intervalMs, random);
    watched.dueAtMs = Math.max(jitteredDueMs, nowMs + intervalMs / 2);
    if (result.kind === "ok") {
      const plannedMs = watched.dueAtMs - asked.atMs;
      writer.publish(scrape.endpoint, result.signals, { asked, intervalMs: plannedMs });
      this.#tell(watched, result);
    }
    this.#tellReading(watched);
    this.#count(scrape, result, nowMs - asked.atMs);
    this.#tellCrowded(watched, result.crowdedFamilies);
    if (news !== undefined) this.#log(scrape, result);
  }

  #count({ endpoint: { slot, generation } }: EndpointScrape, result: ScrapeResult, ms: number) {
    const { board, sink } = this.#deps;
    const outcome = result.kind === "ok" ? "ok" : result.failure;
    if (result.malformedLines > 0) sink.malformed(result.malformedLines);
    sink.scraped(outcome, ms / 1_000);
    if (board.generations[slot] !== generation) return;
    const { scrapes } = board;
    const add = (field: ScrapeField, amount: number) => {
      scrapes[field][slot] = (scrapes[field][slot] ?? 0) + amount;
    };
    add(outcome, 1);
    add("malformedLines", result.malformedLines);
    add("bytes", result.bytes);
    scrapes.durationMs[slot] = ms;
  }

  #tell(watched: Watched, { engine, signals: { adapters } }: GoodScrape): void {
    const { sink } = this.#deps;
    const { endpoint } = watched.scrape;
    // A scraper with other settings may have read adapters before this one, so none is a finding too.
    const isFirst = watched.engine === undefined;
    if (watched.engine !== engine) sink.engine(endpoint, engine);
    if (isFirst || !isSameAdapters(watched.adapters, adapters)) sink.adapters(endpoint, adapters);
    watched.engine = engine;
    watched.adapters = adapters;
  }

  #tellReading(watched: Watched): void {
    const { state, endpoint } = watched.scrape;
    const text = JSON.stringify(state);
    if (text === watched.reading) return;
    watched.reading = text;
    this.#deps.sink.reading(endpoint, state);
  }

  #tellCrowded(watched: Watched, families: readonly string[] = []): void {
    const { sink } = this.#deps;
    if (families.length > 0) sink.crowded(families.length);
    const names = families.join(" ");
    const isNews = families.length > 0 && names !== watched.crowdedFamilies;
    watched.crowdedFamilies = names;
    if (!isNews) return;
    const { endpoint, url } = watched.scrape;
    const fields = { endpoint: endpoint.id, url, families, seriesMax: samplesMax };
    sink.log("warn", fields, "metric families skipped");
  }

  #log(scrape: EndpointScrape, result: ScrapeResult): void {
    const { sink } = this.#deps;
    const fields = { endpoint: scrape.endpoint.id, url: scrape.url };
    if (result.kind === "ok") {
      sink.log("info", fields, "endpoint scrape restored");
    } else {
      const { failure, reason } = result;
      sink.log("warn", { ...fields, failure, reason }, "endpoint scrape failed");
    }
  }

  /** Notes if requests were sent to any endpoint since the last check. */
  #noteDecisions(nowMs: number): void {
    const { sentRequests } = this.#deps.board;
    for (const watched of this.#watched.values()) {
      const sent = sentRequests[watched.scrape.endpoint.slot] ?? 0;
      if (sent !== watched.sentRequests) this.#decidedAtMs = nowMs;
      watched.sentRequests = sent;
    }
  }

  #keepBudget(nowMs: number): void {
    const elapsedMs = nowMs - this.#budgetAtMs;
    if (elapsedMs < budgetMs) return;
    const cpuMs = this.#deps.cpuMs();
    this.#stretch = nextStretch(this.#stretch, {
      usedRatio: (cpuMs - this.#budgetCpuMs) / elapsedMs,
      budgetRatio: this.#options.cpuBudgetRatio,
    });
    this.#budgetAtMs = nowMs;
    this.#budgetCpuMs = cpuMs;
  }

  #remove(slot: number): void {
    const watched = this.#watched.get(slot);
    watched?.scrape.stop();
    for (const probe of watched?.probes ?? []) probe.stop();
    this.#watched.delete(slot);
  }
}

/** The start time that an earlier scraper of the same endpoint found. */
function startOnBoard(board: SignalBoard, { slot, generation }: SlotHolder): number | undefined {
  const row = board.rowOf(slot);
  if (board.field(row, "generation") !== generation) return undefined;
  const seconds = board.field(row, "startedAtSeconds");
  return Number.isFinite(seconds) ? seconds : undefined;
}
