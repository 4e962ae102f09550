import { hostPortOf } from "../../../../core/endpoint.ts";
import type { Clock } from "../../../../std/clock.ts";
import type { Random } from "../../../../std/random.ts";
import type { SlotHolder } from "../../../../state/report-writer.ts";
import { jitteredMs } from "../pace.ts";
import type { GrpcCheck } from "./grpc-check.ts";
import { originOf, type ScrapedEndpoint } from "../scrape-address.ts";
import {
  GpuUtilizationReader,
  IgnoringReader,
  ModelListReader,
  type SideBody,
} from "./side-readers.ts";
import type { SideSource } from "./side-source.ts";
import { ScrapeAccess } from "../scrape-access.ts";
import { type Scraped, scrapeOnce } from "../scrape-once.ts";

/** Is told what side sources find. */
export interface SideSink {
  /** The models that an endpoint serves, when they are known or become others; undefined once they are not known. */
  models(holder: SlotHolder, models: readonly string[] | undefined): void;
  /** An attribute of an endpoint; NaN where it is not known. */
  attribute(holder: SlotHolder, name: string, value: number): void;
  /** Whether an endpoint answers its check, when that is known or changes. */
  check(holder: SlotHolder, isWell: boolean): void;
  log(level: "info" | "warn", fields: object, message: string): void;
}

export interface SideDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly sink: SideSink;
}

/** Readings in a row that fail before what was known counts as unknown. */
const failuresMax = 3;

/** One thing that is read of every endpoint beside its metrics. */
export class SideScraper {
  readonly #source: SideSource;
  readonly #deps: SideDeps;
  readonly #access: ScrapeAccess;

  constructor(source: SideSource, deps: SideDeps) {
    this.#source = source;
    this.#deps = deps;
    const { clock, sink } = deps;
    const log = sink.log.bind(sink);
    this.#access = new ScrapeAccess(source, { clock, log });
  }

  of(endpoint: ScrapedEndpoint): SideScrape {
    return new SideScrape(endpoint, this.#source, { ...this.#deps, access: this.#access });
  }

  /** Follows what its connections are made of until `signal` aborts. */
  run(signal: AbortSignal): Promise<void> {
    return this.#access.run(signal);
  }

  async close(): Promise<void> {
    await this.#access.close();
  }
}

/** The same of one endpoint. */
export class SideScrape {
  readonly #holder: SlotHolder;
  readonly #source: SideSource;
  readonly #deps: SideDeps & { readonly access: ScrapeAccess };
  readonly #origin: string;
  readonly #read: () => Promise<Scraped<unknown>>;
  readonly #stop = new AbortController();
  #dueAtMs: number;
  #isRunning = false;
  #failuresInRow = 0;
  /** What the sink was told, as text. */
  #told: string | undefined;

  constructor(
    endpoint: ScrapedEndpoint,
    source: SideSource,
    deps: SideDeps & { readonly access: ScrapeAccess },
  ) {
    this.#holder = { slot: endpoint.slot, generation: endpoint.generation };
    this.#source = source;
    this.#deps = deps;
    this.#origin = originOf(addressed(endpoint, source), source);
    this.#read = this.#reading(endpoint);
    this.#dueAtMs = deps.clock.nowMs() + deps.random() * Math.min(1_000, source.intervalMs);
  }

  /** Starts a reading if one is due by `nowMs`; undefined if none is. */
  startDue(nowMs: number): Promise<void> | undefined {
    if (this.#isRunning || nowMs < this.#dueAtMs) return undefined;
    this.#dueAtMs = nowMs + jitteredMs(this.#source.intervalMs, this.#deps.random);
    return this.#scrape();
  }

  stop(): void {
    this.#stop.abort();
  }

  async #scrape(): Promise<void> {
    this.#isRunning = true;
    const scraped = await this.#read();
    this.#isRunning = false;
    if (scraped.kind === "stopped" || this.#stop.signal.aborted) return;
    const found = scraped.kind === "read" ? scraped.parsed : undefined;
    this.#failuresInRow = found === undefined ? this.#failuresInRow + 1 : 0;
    this.#tell(found);
  }

  #reading(endpoint: ScrapedEndpoint): () => Promise<Scraped<unknown>> {
    switch (this.#source.kind) {
      case "models":
        return () => this.#once(new ModelListReader(), "application/json");
      case "dcgm": {
        const pod = endpoint.podName ?? endpoint.id.slice(endpoint.id.indexOf("/") + 1);
        return () => this.#once(new GpuUtilizationReader(pod), "text/plain;version=0.0.4");
      }
      case "check":
        return this.#source.grpcService === undefined
          ? () => this.#once(new IgnoringReader(), "*/*")
          : this.#grpcReading(endpoint, this.#source.grpcService);
    }
  }

  #grpcReading(endpoint: ScrapedEndpoint, serviceName: string): () => Promise<Scraped<unknown>> {
    const { port, timeoutMs } = this.#source;
    const target = hostPortOf(endpoint.address, port ?? endpoint.port);
    let check: GrpcCheck | undefined;
    this.#stop.signal.addEventListener("abort", () => check?.close(), { once: true });
    return async () => {
      // Loaded where it is used: few pools are asked this way.
      const { GrpcCheck } = await import("./grpc-check.ts");
      if (this.#stop.signal.aborted) return { kind: "stopped" };
      check ??= new GrpcCheck({ target, serviceName, timeoutMs });
      return check.ask(this.#stop.signal);
    };
  }

  #once<T>(reader: SideBody<T>, accept: string): Promise<Scraped<T | undefined>> {
    const { access, clock } = this.#deps;
    const { dispatcher } = access;
    const { path, timeoutMs } = this.#source;
    const target = { origin: this.#origin, path, accept, timeoutMs };
    return scrapeOnce(target, { dispatcher, reader, clock }, this.#stop.signal);
  }

  #tell(found: unknown): void {
    const { sink } = this.#deps;
    const source = this.#source;
    if (source.kind === "check") {
      const isIll = this.#failuresInRow >= source.failuresMax;
      if (found !== undefined || isIll) {
        this.#tellOnce(String(found !== undefined), () =>
          sink.check(this.#holder, found !== undefined),
        );
      }
      return;
    }
    if (found === undefined && this.#failuresInRow < failuresMax) return;
    if (source.kind === "dcgm") {
      const value = typeof found === "number" ? found : Number.NaN;
      return sink.attribute(this.#holder, source.attribute, value);
    }
    // The reader of models gives these and nothing else.
    const models = found as readonly string[] | undefined;
    this.#tellOnce(JSON.stringify(models ?? null), () => sink.models(this.#holder, models));
  }

  #tellOnce(what: string, tell: () => void): void {
    if (this.#told === what) return;
    this.#told = what;
    tell();
  }
}

/** The endpoint at the address where the source is read; its own where its node is not known. */
function addressed(endpoint: ScrapedEndpoint, source: SideSource): ScrapedEndpoint {
  const usesNode = source.kind === "dcgm" && source.usesNodeAddress;
  return usesNode ? { ...endpoint, address: endpoint.nodeAddress ?? endpoint.address } : endpoint;
}
