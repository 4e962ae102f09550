import { isDeepStrictEqual } from "node:util";
import type { ControlPlaneBuild, DiscoveryOptions } from "../control-plane/build.ts";
import { Cluster, type ClusterDeps, type ClusterOptions } from "../control-plane/cluster.ts";
import { DnsDiscovery } from "../control-plane/discovery/dns/dns-discovery.ts";
import { FileDiscovery } from "../control-plane/discovery/file/file-discovery.ts";
import type { ScrapeMetrics } from "../control-plane/signals/scrape/metrics.ts";
import {
  type ScrapeFlags,
  scraperOptionsOf,
} from "../control-plane/signals/scrape/scrape-settings.ts";
import type { ScraperOptions } from "../control-plane/signals/scrape/scraper.ts";
import { ScraperThread } from "../control-plane/signals/scrape/scraper-thread.ts";
import type { SlotHolder } from "../state/report-writer.ts";
import { aborted } from "../std/abort.ts";
import { Replaceable } from "../std/replaceable.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Build } from "./build-config.ts";
import type { LiveConfig } from "./live-config.ts";
import type { Pool } from "./pool.ts";
import type { Readiness } from "./readiness.ts";
import { type Prepared, type Reconfigurable, unchanged } from "./reconfigurable.ts";

export interface ControlPlaneOptions {
  /** The Kubernetes cluster to follow; undefined without one. */
  readonly cluster: ClusterOptions | undefined;
  /** Scrape settings of the command line; the configuration takes precedence. */
  readonly scrape: ScrapeFlags;
}

export interface ControlPlaneDeps extends Pick<ClusterDeps, "policies" | "clock" | "random"> {
  readonly log: Logger;
  readonly pool: Omit<Pool, "ledger" | "snapshot">;
  readonly readiness: Pick<Readiness, "set">;
  readonly metrics: ScrapeMetrics;
  /** The configuration, which a ConfigMap of the cluster may change. */
  readonly config: () => LiveConfig;
}

const sourceNames = { file: "endpoints file", dns: "endpoints" } as const;

/** Background work: follows the endpoints of the pool, their load, and the objects of a cluster. */
export class ControlPlane {
  readonly #options: ControlPlaneOptions;
  readonly #deps: ControlPlaneDeps;
  /** Undefined if no cluster is followed. */
  readonly cluster: Cluster | undefined;
  readonly #discovery = new Replaceable();
  readonly #scraper = new Replaceable();
  #source: FileDiscovery | DnsDiscovery | undefined;

  constructor(options: ControlPlaneOptions, deps: ControlPlaneDeps) {
    this.#options = options;
    this.#deps = deps;
    this.cluster = options.cluster && clusterOf(options.cluster, deps);
  }

  /** In the order in which they change over: endpoints before their scrapes. */
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
    const source = this.#discoveryOf(discovery);
    const load = await source.load();
    if (load.kind === "invalid") {
      const name = sourceNames[discovery.kind];
      throw new Error(load.mistakes.map((line) => `${name}: ${line}`).join("\n"));
    }
    this.#source = source;
    this.#deps.readiness.set("pool", true);
  }

  /**
   * Follows the sources that `loadFirst` has read, and the cluster. Resolves when `signal` has
   * aborted and all of it has ended.
   */
  async run(first: ControlPlaneBuild, signal: AbortSignal): Promise<void> {
    const source = this.#source;
    if (source !== undefined) this.#discovery.replace((stop) => source.run(stop));
    this.#applySettings(first);
    this.#scrape(this.#scraperOptionsOf(first));
    await Promise.all([
      this.#deps.pool.run(signal),
      this.cluster?.run(signal),
      aborted(signal).then(() => this.#stop()),
    ]);
  }

  /** Gives up leadership as soon as possible. */
  resign(): void {
    this.cluster?.resign();
  }

  async #stop(): Promise<void> {
    await Promise.all([this.#discovery.stop(), this.#scraper.stop()]);
    this.#deps.pool.readings.stop();
  }

  #discoveryOf(options: DiscoveryOptions): FileDiscovery | DnsDiscovery {
    const { pool, clock, log } = this.#deps;
    const deps = { store: pool.store, clock, log };
    return options.kind === "file"
      ? new FileDiscovery(options, deps)
      : new DnsDiscovery(options, deps);
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
    if (this.#options.cluster?.source !== undefined) {
      const mistake = "dataLayer.discovery: the pool comes from the cluster until a restart";
      return { kind: "invalid", mistakes: [mistake] };
    }
    const source = this.#discoveryOf(discovery);
    const read = await source.read();
    if (read.kind === "invalid") {
      const name = sourceNames[discovery.kind];
      return { kind: "invalid", mistakes: read.mistakes.map((line) => `${name}: ${line}`) };
    }
    return {
      kind: "ready",
      commit: () => {
        read.apply();
        this.#source = source;
        this.#discovery.replace((signal) => source.run(signal));
        this.#deps.readiness.set("pool", true);
      },
    };
  }

  /** Applies the needed signals, the trust in reports and the ejection of endpoints. */
  #applySettings({ trust, health, signalNeeds }: ControlPlaneBuild): void {
    const { pool } = this.#deps;
    pool.readings.needs = signalNeeds;
    pool.view.trust = trust;
    pool.health.settings = health;
    pool.store.hasLastResort = health.hasLastResort;
  }

  #scraperOptionsOf({ scrape }: ControlPlaneBuild): ScraperOptions {
    return scraperOptionsOf(scrape, this.#options.scrape);
  }

  #prepareScraping(next: ControlPlaneBuild, previous: ControlPlaneBuild): Prepared {
    const options = this.#scraperOptionsOf(next);
    if (isDeepStrictEqual(options, this.#scraperOptionsOf(previous))) return unchanged;
    return { kind: "ready", commit: () => this.#scrape(options) };
  }

  #scrape(options: ScraperOptions): void {
    const { pool, clock, log, metrics } = this.#deps;
    const { store, facts, counts, view, health, readings } = pool;
    const secrets = this.cluster?.secrets;
    const onCheck = (holder: SlotHolder, isWell: boolean) => {
      const endpoint = store.holderOf(holder);
      if (endpoint !== undefined) health.checked(endpoint, isWell, clock.nowMs());
    };
    const onReading = readings.set.bind(readings);
    const deps = { store, facts, counts, view, secrets, clock, log, metrics, onCheck, onReading };
    const scraper = new ScraperThread(options, deps);
    this.#scraper.replace((signal) => {
      // The previous scraper has ended, so none of its findings arrives after this.
      this.#forgetUnread(options);
      return scraper.run(signal);
    });
  }

  /** Drops findings that no probe keeps up to date any more. */
  #forgetUnread({ probes }: ScraperOptions): void {
    const { facts, health } = this.#deps.pool;
    if (probes.every(({ kind }) => kind !== "models")) facts.forgetModels();
    if (probes.every(({ kind }) => kind !== "check")) health.forgetChecks();
  }
}

function clusterOf(options: ClusterOptions, deps: ControlPlaneDeps): Cluster {
  const { policies, pool, clock, random, log, readiness, config } = deps;
  const { store } = pool;
  const refused = () => {
    const { mistakes, isStandIn } = config();
    return { kind: "refused", mistakes, hasPrevious: !isStandIn } as const;
  };
  return new Cluster(options, {
    policies,
    store,
    clock,
    random,
    log,
    onSynced: (isSynced) => readiness.set("pool", isSynced),
    onLeading: (isLeading) => readiness.set("leadership", isLeading),
    config: {
      apply: async (text, source) => {
        const kind = await config().apply(text, source);
        return kind === "refused" ? refused() : { kind };
      },
      refuse: (reason, source) => {
        config().refuse(reason, source);
        return refused();
      },
      // A refused document that is read again is unchanged, and still not in force.
      onApplied: () => readiness.set("configuration", !config().isStandIn),
    },
  });
}
