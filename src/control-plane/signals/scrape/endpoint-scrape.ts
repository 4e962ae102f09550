import type { Dispatcher } from "undici";
import { hostPortOf } from "../../../core/endpoint.ts";
import type { AdapterState } from "../../../core/load.ts";
import type { EngineSignals } from "../../../core/signals.ts";
import type { Clock } from "../../../std/clock.ts";
import { EndpointEngine } from "./engines/endpoint-engine.ts";
import type { EngineChooser } from "./engines/registry.ts";
import { type ScrapeFailure, scrapeOnce, type ScrapeTarget } from "./scrape-once.ts";

/** Good scrapes in a row after which an endpoint counts as recovered: one may be luck. */
const recoveryScrapes = 3;

/** An endpoint as its scraper has to know it; plain data that can go to another thread. */
export interface ScrapedEndpoint {
  readonly slot: number;
  /** Of the slot, while it belongs to this endpoint. */
  readonly generation: number;
  /** `namespace/name` */
  readonly id: string;
  readonly address: string;
  readonly port: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly podName?: string | undefined;
  readonly nodeAddress?: string | undefined;
}

export interface ScrapeAddress {
  readonly scheme: "http" | "https";
  readonly path: string;
  /** Undefined: the port the endpoint serves on. */
  readonly port: number | undefined;
  readonly timeoutMs: number;
}

/** `scheme://ip:port` of what is read of an endpoint. */
export function originOf(
  endpoint: ScrapedEndpoint,
  { scheme, port }: Pick<ScrapeAddress, "scheme" | "port">,
): string {
  return `${scheme}://${hostPortOf(endpoint.address, port ?? endpoint.port)}`;
}

interface ScrapeSize {
  readonly bytes: number;
  readonly malformedLines: number;
  /** Families that were given up because they have too many series. */
  readonly crowdedFamilies?: readonly string[] | undefined;
}

export interface GoodScrape extends ScrapeSize {
  readonly kind: "ok";
  /** Whose metrics they are. */
  readonly engine: string;
  readonly signals: EngineSignals;
}

interface FailedScrape extends ScrapeSize {
  readonly kind: "failed";
  readonly failure: ScrapeFailure;
  readonly reason: string;
}

/** How one scrape ended. */
export type ScrapeResult = GoodScrape | FailedScrape;

interface EndpointScrapeDeps {
  readonly dispatcher: Dispatcher;
  readonly clock: Clock;
  readonly engineOf: EngineChooser;
}

/** What is worth a log line about an endpoint's metrics. */
export type ScrapeNews = "failing" | "recovered" | undefined;

/** One endpoint and what is remembered of its scrapes. */
export class EndpointScrape {
  readonly #deps: EndpointScrapeDeps;
  readonly #target: ScrapeTarget;
  readonly #engine: EndpointEngine;
  readonly #stop = new AbortController();
  #endpoint: ScrapedEndpoint;
  #last: EngineSignals | undefined;
  #goodInRow = 0;
  /** A warning has been logged and the endpoint has not recovered since. */
  #isFailing = false;

  failuresInRow = 0;
  /** The last report differed from the one before. */
  hasChanged = false;

  constructor(endpoint: ScrapedEndpoint, address: ScrapeAddress, deps: EndpointScrapeDeps) {
    this.#endpoint = endpoint;
    this.#deps = deps;
    const { path, timeoutMs } = address;
    const origin = originOf(endpoint, address);
    this.#target = { origin, path, accept: "text/plain;version=0.0.4", timeoutMs };
    this.#engine = new EndpointEngine(deps.engineOf, endpoint.labels);
  }

  get endpoint(): ScrapedEndpoint {
    return this.#endpoint;
  }

  get url(): string {
    return `${this.#target.origin}${this.#target.path}`;
  }

  /** The same endpoint under other labels, which may name another engine. */
  relabel(endpoint: ScrapedEndpoint): void {
    this.#endpoint = endpoint;
    this.#engine.relabel(endpoint.labels);
  }

  /** Gives up the scrape under way; there is none after it. */
  stop(): void {
    this.#stop.abort();
  }

  /** Scrapes once; undefined where it was stopped meanwhile. Never rejects. */
  async scrape(): Promise<ScrapeResult | undefined> {
    const { dispatcher, clock } = this.#deps;
    const deps = { dispatcher, reader: this.#engine.parser, clock };
    const exposition = await scrapeOnce(this.#target, deps, this.#stop.signal);
    if (exposition.kind === "stopped" || this.#stop.signal.aborted) return undefined;
    const { bytes } = exposition;
    if (exposition.kind === "failed") return { ...exposition, malformedLines: 0 };
    const { malformedLines, crowdedFamilies } = exposition.parsed;
    const size = { bytes, malformedLines, crowdedFamilies };
    const reading = this.#engine.read(exposition.parsed);
    // As a success it would make "unknown" look fresh.
    if (reading === undefined) {
      const reason = "no usable signal of any known engine";
      return { kind: "failed", failure: "parse", reason, ...size };
    }
    return { kind: "ok", ...reading, ...size };
  }

  /** Remembers how a scrape ended. */
  note(result: ScrapeResult): ScrapeNews {
    if (result.kind === "failed") {
      this.failuresInRow += 1;
      this.#goodInRow = 0;
      if (this.#isFailing) return undefined;
      this.#isFailing = true;
      return "failing";
    }
    this.hasChanged = this.#last === undefined || !isSameLoad(this.#last, result.signals);
    this.#last = result.signals;
    this.failuresInRow = 0;
    this.#goodInRow += 1;
    if (!this.#isFailing || this.#goodInRow < recoveryScrapes) return undefined;
    this.#isFailing = false;
    return "recovered";
  }
}

function isSameLoad(a: EngineSignals, b: EngineSignals): boolean {
  return (
    a.waitingRequests === b.waitingRequests &&
    a.runningRequests === b.runningRequests &&
    a.kvCacheUsedRatio === b.kvCacheUsedRatio
  );
}

/** Whether two reports of adapters say the same. */
export function isSameAdapters(a: AdapterState | undefined, b: AdapterState | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return (
    a.adaptersMax === b.adaptersMax &&
    isSameSet(a.active, b.active) &&
    isSameSet(a.waiting, b.waiting)
  );
}

function isSameSet(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && [...a].every((name) => b.has(name));
}
