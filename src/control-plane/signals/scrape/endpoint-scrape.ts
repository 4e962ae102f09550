import type { AdapterState } from "../../../core/load.ts";
import type { EngineSignals, MissingSignal, ReadingState } from "../../../core/signals.ts";
import type { Clock } from "../../../std/clock.ts";
import { EndpointEngine } from "./engines/endpoint-engine.ts";
import { type EngineChooser, engineNamedBy } from "./engines/engine-choice.ts";
import { explained } from "./failure-words.ts";
import type { EndpointAccess } from "./endpoint-access.ts";
import {
  hostHeaderOf,
  type MetricsAddresses,
  type MetricsPlace,
  metricsPlacesOf,
  type ScrapedEndpoint,
} from "./scrape-address.ts";
import { type ScrapeFailure, scrapeOnce } from "./scrape-once.ts";
import { StartTimes } from "./start-times.ts";

/** Good scrapes in a row after which an endpoint counts as recovered: a single one may be luck. */
const recoveryScrapes = 3;
/** Failures in a row after which the other places are tried, even if this one answered before. */
const lostScrapes = 3;
/**
 * Scrapes in a row without the same signals before they count as missing: a single one may be cut
 * short.
 */
const missingScrapes = 3;

interface ScrapeSize {
  readonly bytes: number;
  readonly malformedLines: number;
  /** Families that were dropped because they have too many series. */
  readonly crowdedFamilies?: readonly string[] | undefined;
}

export interface GoodScrape extends ScrapeSize {
  readonly kind: "ok";
  /** Name of the engine. */
  readonly engine: string;
  readonly signals: EngineSignals;
  /** Signals that it does not report. */
  readonly missing: readonly MissingSignal[];
}

interface FailedScrape extends ScrapeSize {
  readonly kind: "failed";
  readonly failure: ScrapeFailure;
  readonly reason: string;
}

/** Outcome of one scrape. */
export type ScrapeResult = GoodScrape | FailedScrape;

interface EndpointScrapeDeps {
  readonly access: EndpointAccess;
  readonly clock: Clock;
  readonly engineOf: EngineChooser;
  /** Unix seconds at which its engine started, if an earlier scraper read it. */
  readonly startedAtSeconds: number | undefined;
}

/** A change of an endpoint's scrapes that is worth a log line. */
export type ScrapeNews = "failing" | "recovered" | undefined;

/** A failed scrape of one place. */
interface Attempt {
  readonly place: MetricsPlace;
  readonly failed: FailedScrape;
  /** The code of the error that broke the connection. */
  readonly code?: string | undefined;
  readonly httpStatus?: number | undefined;
}

/** One endpoint and the state of its scrapes. */
export class EndpointScrape {
  readonly #deps: EndpointScrapeDeps;
  readonly #addresses: MetricsAddresses;
  readonly #engine: EndpointEngine;
  readonly #startTimes: StartTimes;
  readonly #stop = new AbortController();
  #endpoint: ScrapedEndpoint;
  #places: readonly MetricsPlace[];
  /** Index of the place that is asked first: the last one that answered well. */
  #at = 0;
  #last: EngineSignals | undefined;
  #lastFailure: FailedScrape | undefined;
  /** The last failure and its explanation, which may need a probe of the port. */
  #explanation = { raw: "", text: "" };
  #lastEngine: string | undefined;
  #goodInRow = 0;
  /** A warning has been logged and the endpoint has not recovered since. */
  #isFailing = false;
  /** Missing signals of the last scrapes, and the number of those scrapes. */
  #missing: readonly MissingSignal[] = [];
  #missingInRow = 0;
  #settledMissing: readonly MissingSignal[] = [];

  failuresInRow = 0;
  /**
   * True once a request of ours has ended there: before that engines report no adapters, which is
   * normal.
   */
  hasServed = false;
  /** The last report differed from the one before. */
  hasChanged = false;

  constructor(endpoint: ScrapedEndpoint, addresses: MetricsAddresses, deps: EndpointScrapeDeps) {
    this.#endpoint = endpoint;
    this.#addresses = addresses;
    this.#deps = deps;
    this.#engine = new EndpointEngine(deps.engineOf, endpoint.labels);
    this.#startTimes = new StartTimes(deps.startedAtSeconds);
    this.#places = this.#placesNow();
  }

  get endpoint(): ScrapedEndpoint {
    return this.#endpoint;
  }

  /** True if the place that is asked first has recently answered well. */
  get #hasAnswered(): boolean {
    return this.#last !== undefined && this.failuresInRow < lostScrapes;
  }

  get url(): string {
    const { origin = "", path = "" } = this.#places[this.#at] ?? {};
    return `${origin}${path}`;
  }

  /**
   * More reports are needed soon, to distinguish a restart from another process behind the same
   * port.
   */
  get isUncertain(): boolean {
    return this.#startTimes.isUncertain;
  }

  /** State of its scrapes, for people. */
  get state(): ReadingState {
    const { failure, reason } = this.#lastFailure ?? {};
    return {
      url: this.url,
      engine: this.#lastEngine,
      failure: failure === undefined ? undefined : { kind: failure, reason: reason ?? "" },
      missing: this.#settledMissing,
    };
  }

  /** Updates the labels and annotations of the endpoint, which may name another engine or place. */
  relabel(endpoint: ScrapedEndpoint): void {
    this.#endpoint = endpoint;
    this.#engine.relabel(endpoint.labels);
    const places = this.#placesNow();
    const { origin, path } = this.#places[this.#at] ?? {};
    const isSame = places.map(textOf).join(" ") === this.#places.map(textOf).join(" ");
    if (isSame) return;
    this.#places = places;
    this.#last = undefined;
    // The new first place takes precedence, even if another one has answered so far.
    this.#at = places[0]?.origin === origin && places[0]?.path === path ? this.#at : 0;
  }

  /** Aborts the scrape under way; no other starts after it. */
  stop(): void {
    this.#stop.abort();
  }

  /** Scrapes once; undefined if it was stopped. Never rejects. */
  async scrape(): Promise<ScrapeResult | undefined> {
    const attempts: Attempt[] = [];
    const places = this.#places;
    // A place that has answered well is not given up for one failure.
    const asked = this.#hasAnswered ? 1 : places.length;
    for (let step = 0; step < asked; step += 1) {
      const place = places[(this.#at + step) % places.length];
      if (place === undefined || isHopeless(place, attempts)) continue;
      // A place is only asked if the one before it has failed.
      const answer = await this.#ask(place);
      if (answer === undefined) return undefined;
      if (answer.kind === "ok") {
        this.#at = Math.max(0, this.#places.indexOf(place));
        return answer;
      }
      attempts.push(answer.attempt);
    }
    return this.#explained(attempts);
  }

  /** The reason why no place had metrics, from the place that should have. */
  async #explained(attempts: readonly Attempt[]): Promise<ScrapeResult | undefined> {
    const [first, ...others] = attempts.toSorted(
      (a, b) => this.#places.indexOf(a.place) - this.#places.indexOf(b.place),
    );
    if (first === undefined) return undefined;
    // The engine was at the first place; another may be a port of another server.
    if (attempts[0]?.code === "ECONNREFUSED") {
      this.#startTimes.refused();
      this.#engine.restarted();
    }
    this.#skipSilent(attempts);
    const { failed, place, code } = first;
    const told = others.map((other) => `${textOf(other.place)}: ${other.failed.reason}`);
    const raw = [failed.reason, ...told].join("; ");
    if (this.#explanation.raw !== raw) {
      const { clock, access } = this.#deps;
      const { settingNames } = access.to(this.#endpoint, place.origin);
      const words = await explained(
        { ...failed, ...(code === undefined ? {} : { code }) },
        { origin: place.origin, clock, settingNames },
      );
      this.#explanation = { raw, text: [words, ...told].join("; ") };
    }
    if (this.#stop.signal.aborted) return undefined;
    return { ...failed, reason: this.#explanation.text };
  }

  /**
   * A place that does not answer in time leaves no time for others: they are tried first the next
   * time.
   */
  #skipSilent(attempts: readonly Attempt[]): void {
    const isSilent = attempts.some(({ failed }) => failed.failure === "timeout");
    if (isSilent && !this.#hasAnswered) this.#at = (this.#at + 1) % this.#places.length;
  }

  async #ask(
    place: MetricsPlace,
  ): Promise<GoodScrape | { readonly kind: "failed"; readonly attempt: Attempt } | undefined> {
    const { clock } = this.#deps;
    const access = this.#deps.access.to(this.#endpoint, place.origin);
    const target = {
      ...place,
      host: hostHeaderOf(this.#endpoint, place.origin),
      accept: "text/plain;version=0.0.4",
      timeoutMs: this.#addresses.timeoutMs,
      closes: this.#startTimes.isUncertain,
      credentials: access.credentials,
    };
    const deps = { dispatcher: access.dispatcher, reader: this.#engine.parser, clock };
    const exposition = await scrapeOnce(target, deps, this.#stop.signal);
    if (exposition.kind === "stopped" || this.#stop.signal.aborted) return undefined;
    const { bytes } = exposition;
    if (exposition.kind === "failed") {
      const failed = { ...exposition, malformedLines: 0 };
      return { kind: "failed", attempt: { ...exposition, place, failed } };
    }
    const { malformedLines, crowdedFamilies } = exposition.parsed;
    const size = { bytes, malformedLines, crowdedFamilies };
    const reading = this.#engine.read(exposition.parsed);
    // If it counted as a success, an unknown value would look fresh.
    if (reading === undefined) {
      const reason = this.#unusable(exposition.contentType ?? "");
      const failed = { kind: "failed", failure: "parse", reason, ...size } as const;
      return { kind: "failed", attempt: { place, failed } };
    }
    const startedAtSeconds = this.#startTimes.engineStart(reading.signals.startedAtSeconds);
    const signals = { ...reading.signals, startedAtSeconds };
    const { missing } = this.#engine;
    return { kind: "ok", engine: reading.engine, signals, missing, ...size };
  }

  /** Reason why a page was read but has no usable signal. */
  #unusable(contentType: string): string {
    const kind = /^[\w.+-]+\/(?:json|html|[\w.-]+\+json)\b/.exec(contentType)?.[0];
    const answers = kind === undefined ? "" : `answered with ${kind} instead of metrics: `;
    const { named } = this.#engine;
    const naming = engineNamedBy(this.#endpoint.labels, this.#deps.engineOf.labelKeys);
    if (named !== undefined) {
      const by = naming === undefined ? "" : `, which the label ${naming.label} names`;
      return `${answers}no usable signal of the engine ${named.name}${by}`;
    }
    const unknown =
      naming && `; the label ${naming.label} names ${naming.name}, which is not known`;
    return `${answers}no usable signal of any known engine${unknown ?? ""}`;
  }

  #placesNow(): readonly MetricsPlace[] {
    const { known } = this.#deps.engineOf;
    return metricsPlacesOf(this.#endpoint, this.#addresses, { named: this.#engine.named, known });
  }

  /** Notes the outcome of a scrape. */
  note(result: ScrapeResult): ScrapeNews {
    if (result.kind === "failed") {
      this.#lastFailure = result;
      this.failuresInRow += 1;
      this.#goodInRow = 0;
      if (this.#isFailing) return undefined;
      this.#isFailing = true;
      return "failing";
    }
    this.#lastFailure = undefined;
    this.#lastEngine = result.engine;
    this.#noteMissing(result.missing);
    this.hasChanged = this.#last === undefined || !isSameLoad(this.#last, result.signals);
    this.#last = result.signals;
    this.failuresInRow = 0;
    this.#goodInRow += 1;
    if (!this.#isFailing || this.#goodInRow < recoveryScrapes) return undefined;
    this.#isFailing = false;
    return "recovered";
  }

  #noteMissing(all: readonly MissingSignal[]): void {
    const missing = this.hasServed ? all : all.filter(({ signal }) => signal !== "adapters");
    this.#missingInRow = isSameMissing(missing, this.#missing) ? this.#missingInRow + 1 : 1;
    this.#missing = missing;
    if (this.#missingInRow === missingScrapes) this.#settledMissing = missing;
  }
}

/**
 * True if a place must fail like an earlier one: an earlier place timed out, or its port does not
 * answer or refuses any path.
 */
function isHopeless({ origin }: MetricsPlace, attempts: readonly Attempt[]): boolean {
  return attempts.some(({ place, failed, httpStatus = 0 }) => {
    if (failed.failure === "timeout") return true;
    const isRefusal = [401, 403, 429].includes(httpStatus) || httpStatus >= 500;
    return (failed.failure === "connect" || isRefusal) && place.origin === origin;
  });
}

function textOf({ origin, path }: MetricsPlace): string {
  return `${origin}${path}`;
}

function isSameMissing(a: readonly MissingSignal[], b: readonly MissingSignal[]): boolean {
  return (
    a.length === b.length &&
    a.every(({ signal, family, reason }, index) => {
      const other = b[index];
      return signal === other?.signal && family === other.family && reason === other.reason;
    })
  );
}

function isSameLoad(a: EngineSignals, b: EngineSignals): boolean {
  return (
    a.waitingRequests === b.waitingRequests &&
    a.runningRequests === b.runningRequests &&
    a.kvCacheUsedRatio === b.kvCacheUsedRatio
  );
}

/** True if two reports of adapters are equal. */
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
