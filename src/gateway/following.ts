import { isDeepStrictEqual } from "node:util";
import type { Configured } from "./configured.ts";
import { FileDiscovery } from "../control-plane/discovery/file/file-discovery.ts";
import type { ScrapeMetrics } from "../control-plane/signals/scrape/metrics.ts";
import type { ScraperOptions } from "../control-plane/signals/scrape/scraper.ts";
import { ScraperThread } from "../control-plane/signals/scrape/scraper-thread.ts";
import type { SecretSource } from "../core/secrets.ts";
import type { Prepared } from "./live-config.ts";
import type { EndpointStore } from "../state/endpoint-store.ts";
import type { EndpointHealth } from "../state/health/endpoint-health.ts";
import type { ReadingStates } from "../state/reading-states.ts";
import type { SlotHolder } from "../state/report-writer.ts";
import type { Clock } from "../std/clock.ts";
import { Replaceable } from "../std/replaceable.ts";
import type { Logger } from "../telemetry/logger.ts";

export interface FollowingDeps {
  readonly store: EndpointStore;
  readonly health: EndpointHealth;
  readonly readings: ReadingStates;
  /** Secrets of the cluster; undefined where none is followed. */
  readonly secrets: SecretSource | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: ScrapeMetrics;
  readonly scrapeOptionsOf: (configured: Configured) => ScraperOptions;
  /** Whether the pool comes from a cluster, and not from what a configuration says. */
  readonly isClusterSource: boolean;
  /** A source has said what the pool is. */
  readonly onSynced: () => void;
}

/** What the control plane follows for the configuration in force: the endpoints and their load. */
export class Following {
  readonly #deps: FollowingDeps;
  readonly #discovery = new Replaceable();
  readonly #scraper = new Replaceable();
  #source: FileDiscovery | undefined;

  constructor(deps: FollowingDeps) {
    this.#deps = deps;
  }

  /** Reads the endpoints once; throws with one readable line for each mistake. */
  async loadFirst({ discovery }: Configured): Promise<void> {
    if (discovery === undefined) return;
    const source = new FileDiscovery(discovery, this.#deps);
    const load = await source.load();
    if (load.kind === "invalid") {
      throw new Error(`endpoints file: ${load.mistakes.join("\nendpoints file: ")}`);
    }
    this.#source = source;
    this.#deps.onSynced();
  }

  /** Begins to follow what `loadFirst` has read. */
  start(configured: Configured): void {
    const source = this.#source;
    if (source !== undefined) this.#discovery.replace((signal) => source.run(signal));
    this.#setBeliefs(configured);
    this.#scrape(this.#deps.scrapeOptionsOf(configured));
  }

  /** Gets ready for another configuration; `commit` changes over to it. */
  async prepare(next: Configured, previous: Configured): Promise<Prepared> {
    const discovery = await this.#prepareDiscovery(next, previous);
    if (discovery.kind === "invalid") return discovery;
    const { scrapeOptionsOf } = this.#deps;
    return {
      kind: "ready",
      commit: () => {
        discovery.commit();
        this.#setBeliefs(next);
        const isSame =
          isDeepStrictEqual(next.scrapeSource, previous.scrapeSource) &&
          isDeepStrictEqual(next.signals, previous.signals) &&
          isDeepStrictEqual(next.sides, previous.sides) &&
          isDeepStrictEqual(next.healthCheck, previous.healthCheck) &&
          isDeepStrictEqual(next.engineParameters, previous.engineParameters);
        if (!isSame) this.#scrape(scrapeOptionsOf(next));
      },
    };
  }

  /** Which signals are needed, how far reports count, and when an endpoint is ejected. */
  #setBeliefs({ signals, health, signalNeeds }: Configured): void {
    this.#deps.readings.needs = signalNeeds;
    this.#deps.store.setTrust(signals.trust);
    this.#deps.health.settings = health;
    this.#deps.store.hasLastResort = health.hasLastResort;
  }

  async stop(): Promise<void> {
    await Promise.all([this.#discovery.stop(), this.#scraper.stop()]);
    this.#deps.readings.stop();
  }

  async #prepareDiscovery(next: Configured, previous: Configured): Promise<Prepared> {
    const { discovery } = next;
    if (isDeepStrictEqual(discovery, previous.discovery)) {
      return { kind: "ready", commit: () => undefined };
    }
    if (discovery === undefined) {
      const mistake = "dataLayer.discovery: it cannot be taken away without a restart";
      return { kind: "invalid", mistakes: [mistake] };
    }
    if (this.#deps.isClusterSource) {
      const mistake = "dataLayer.discovery: the pool comes from the cluster until a restart";
      return { kind: "invalid", mistakes: [mistake] };
    }
    const source = new FileDiscovery(discovery, this.#deps);
    const read = await source.read();
    if (read.kind === "invalid") {
      return { kind: "invalid", mistakes: read.mistakes.map((line) => `endpoints file: ${line}`) };
    }
    return {
      kind: "ready",
      commit: () => {
        read.apply();
        this.#source = source;
        this.#discovery.replace((signal) => source.run(signal));
        this.#deps.onSynced();
      },
    };
  }

  #scrape(options: ScraperOptions): void {
    const { store, health, readings, secrets, clock, log, metrics } = this.#deps;
    const onCheck = (holder: SlotHolder, isWell: boolean) => {
      const endpoint = store.holderOf(holder);
      if (endpoint !== undefined) health.checked(endpoint, isWell, clock.nowMs());
    };
    const onReading = readings.set.bind(readings);
    const deps = { store, secrets, clock, log, metrics, onCheck, onReading };
    const scraper = new ScraperThread(options, deps);
    this.#scraper.replace((signal) => scraper.run(signal));
  }
}
