import { isDeepStrictEqual } from "node:util";
import type { ControlPlaneBuild } from "../control-plane/build.ts";
import { FileDiscovery } from "../control-plane/discovery/file/file-discovery.ts";
import type { ScrapeMetrics } from "../control-plane/signals/scrape/metrics.ts";
import {
  type ScrapeFlags,
  scraperOptionsOf,
} from "../control-plane/signals/scrape/scrape-settings.ts";
import type { ScraperOptions } from "../control-plane/signals/scrape/scraper.ts";
import { ScraperThread } from "../control-plane/signals/scrape/scraper-thread.ts";
import type { SecretSource } from "../core/secrets.ts";
import type { EndpointStore } from "../state/endpoint-store.ts";
import type { EndpointHealth } from "../state/health/endpoint-health.ts";
import type { ReadingStates } from "../state/reading-states.ts";
import type { SlotHolder } from "../state/report-writer.ts";
import type { Clock } from "../std/clock.ts";
import { Replaceable } from "../std/replaceable.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Build } from "./build-config.ts";
import { type Prepared, type Reconfigurable, unchanged } from "./reconfigurable.ts";

export interface ControlPlaneDeps {
  readonly store: EndpointStore;
  readonly health: EndpointHealth;
  readonly readings: ReadingStates;
  /** Secrets of the cluster; undefined if none is followed. */
  readonly secrets: SecretSource | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: ScrapeMetrics;
  readonly scrapeFlags: ScrapeFlags;
  /** Whether the pool comes from a cluster, and not from the configuration. */
  readonly isClusterSource: boolean;
  /** Called when a source has read the pool. */
  readonly onSynced: () => void;
}

/** The part of the control plane that a configuration determines: endpoints from a file, and their load. */
export class ControlPlane {
  readonly #deps: ControlPlaneDeps;
  readonly #discovery = new Replaceable();
  readonly #scraper = new Replaceable();
  #source: FileDiscovery | undefined;

  constructor(deps: ControlPlaneDeps) {
    this.#deps = deps;
  }

  /** In the order in which they change over: endpoints before what is read of them. */
  readonly parts: readonly Reconfigurable<Pick<Build, "controlPlane">>[] = [
    {
      name: "discovery",
      prepare: (next, previous) => this.#prepareDiscovery(next.controlPlane, previous.controlPlane),
    },
    {
      name: "signals and health",
      prepare: ({ controlPlane }) => ({
        kind: "ready",
        commit: () => this.#applySettings(controlPlane),
      }),
    },
    {
      name: "scraping",
      prepare: (next, previous) => this.#prepareScraping(next.controlPlane, previous.controlPlane),
    },
  ];

  /** Reads the endpoints once; throws with one readable line for each mistake. */
  async loadFirst({ discovery }: ControlPlaneBuild): Promise<void> {
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
  start(first: ControlPlaneBuild): void {
    const source = this.#source;
    if (source !== undefined) this.#discovery.replace((signal) => source.run(signal));
    this.#applySettings(first);
    this.#scrape(this.#scraperOptionsOf(first));
  }

  async stop(): Promise<void> {
    await Promise.all([this.#discovery.stop(), this.#scraper.stop()]);
    this.#deps.readings.stop();
  }

  async #prepareDiscovery(
    { discovery }: ControlPlaneBuild,
    previous: ControlPlaneBuild,
  ): Promise<Prepared> {
    if (isDeepStrictEqual(discovery, previous.discovery)) return unchanged;
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

  /** Which signals are needed, how far reports count, and when an endpoint is ejected. */
  #applySettings({ trust, health, signalNeeds }: ControlPlaneBuild): void {
    this.#deps.readings.needs = signalNeeds;
    this.#deps.store.setTrust(trust);
    this.#deps.health.settings = health;
    this.#deps.store.hasLastResort = health.hasLastResort;
  }

  #scraperOptionsOf({ scrape }: ControlPlaneBuild): ScraperOptions {
    return scraperOptionsOf(scrape, this.#deps.scrapeFlags);
  }

  #prepareScraping(next: ControlPlaneBuild, previous: ControlPlaneBuild): Prepared {
    const options = this.#scraperOptionsOf(next);
    if (isDeepStrictEqual(options, this.#scraperOptionsOf(previous))) return unchanged;
    return { kind: "ready", commit: () => this.#scrape(options) };
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
