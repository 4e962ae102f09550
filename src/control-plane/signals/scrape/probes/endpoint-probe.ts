import { hostPortOf } from "../../../../std/host-port.ts";
import type { Clock } from "../../../../std/clock.ts";
import type { Random } from "../../../../std/random.ts";
import type { SlotHolder } from "../../../../state/report-writer.ts";
import { jitteredMs } from "../pace.ts";
import type { GrpcCheck } from "./grpc-check.ts";
import { hostHeaderOf, isSecurePort, originOf, type ScrapedEndpoint } from "../scrape-address.ts";
import {
  GpuUtilizationReader,
  IgnoringReader,
  ModelListReader,
  type ProbeBody,
} from "./probe-readers.ts";
import type { ProbeSettings } from "./probe-settings.ts";
import { EndpointAccess } from "../endpoint-access.ts";
import type { AccessOptions, ScrapeAccess } from "../scrape-access.ts";
import { type Scraped, scrapeOnce } from "../scrape-once.ts";

/** Receives the findings of probes. */
export interface ProbeSink {
  /**
   * The models that an endpoint serves, when they are known or change; undefined once they are not
   * known.
   */
  models(holder: SlotHolder, models: readonly string[] | undefined): void;
  /** An attribute of an endpoint; NaN if it is not known. */
  attribute(holder: SlotHolder, name: string, value: number): void;
  /** The result of an endpoint's check, when it is known or changes. */
  check(holder: SlotHolder, isWell: boolean): void;
  log(level: "info" | "warn", fields: object, message: string): void;
}

export interface ProbeDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly sink: ProbeSink;
  /** The way to ports that endpoints serve on over TLS; undefined for that of the settings. */
  readonly secureAccess?: AccessOptions | undefined;
}

/** Failed readings in a row after which a known value becomes unknown. */
const failuresMax = 3;

/** One kind of reading other than metrics, for all endpoints. */
export class Probe {
  readonly #settings: ProbeSettings;
  readonly #deps: ProbeDeps;
  readonly #access: EndpointAccess;

  constructor(settings: ProbeSettings, deps: ProbeDeps) {
    this.#settings = settings;
    this.#deps = deps;
    const { clock, sink } = deps;
    // Credentials are for metrics.
    const secureAccess = deps.secureAccess && { ...deps.secureAccess, headers: [] };
    const log = sink.log.bind(sink);
    this.#access = new EndpointAccess({ ...settings, secureAccess }, { clock, log });
  }

  of(endpoint: ScrapedEndpoint): EndpointProbe {
    const origin = originOf(addressed(endpoint, this.#settings), this.#settings);
    const access = this.#access.to(endpoint, origin);
    return new EndpointProbe(endpoint, this.#settings, { ...this.#deps, access });
  }

  /** Follows the files that its connections depend on until `signal` aborts. */
  run(signal: AbortSignal): Promise<void> {
    return this.#access.run(signal);
  }

  close(): Promise<void> {
    return this.#access.close();
  }
}

/** A probe of one endpoint. */
export class EndpointProbe {
  readonly #holder: SlotHolder;
  readonly #settings: ProbeSettings;
  readonly #deps: ProbeDeps & { readonly access: ScrapeAccess };
  readonly #origin: string;
  readonly #host: string | undefined;
  readonly #read: () => Promise<Scraped<unknown>>;
  readonly #stop = new AbortController();
  #dueAtMs: number;
  #isRunning = false;
  #failuresInRow = 0;
  /** The last report to the sink, as text. */
  #told: string | undefined;

  constructor(
    endpoint: ScrapedEndpoint,
    settings: ProbeSettings,
    deps: ProbeDeps & { readonly access: ScrapeAccess },
  ) {
    this.#holder = { slot: endpoint.slot, generation: endpoint.generation };
    this.#settings = settings;
    this.#deps = deps;
    this.#origin = originOf(addressed(endpoint, settings), settings);
    this.#host = hostHeaderOf(endpoint, this.#origin);
    this.#read = this.#reading(endpoint);
    this.#dueAtMs = deps.clock.nowMs() + deps.random() * Math.min(1_000, settings.intervalMs);
  }

  /** Starts a reading if one is due by `nowMs`; undefined if none is. */
  startDue(nowMs: number): Promise<void> | undefined {
    if (this.#isRunning || nowMs < this.#dueAtMs) return undefined;
    this.#dueAtMs = nowMs + jitteredMs(this.#settings.intervalMs, this.#deps.random);
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
    switch (this.#settings.kind) {
      case "models":
        return () => this.#once(new ModelListReader(), "application/json");
      case "dcgm": {
        const pod = endpoint.podName ?? endpoint.id.slice(endpoint.id.indexOf("/") + 1);
        return () => this.#once(new GpuUtilizationReader(pod), "text/plain;version=0.0.4");
      }
      case "check":
        return this.#settings.grpcService === undefined
          ? () => this.#once(new IgnoringReader(), "*/*")
          : this.#grpcReading(endpoint, this.#settings.grpcService);
    }
  }

  #grpcReading(endpoint: ScrapedEndpoint, serviceName: string): () => Promise<Scraped<unknown>> {
    const { port, timeoutMs } = this.#settings;
    const target = hostPortOf(endpoint.address, port ?? endpoint.port);
    const isSecure = isSecurePort(endpoint, this.#origin);
    const secured = isSecure ? this.#deps.access.secured(endpoint.tls?.serverName) : undefined;
    let check: GrpcCheck | undefined;
    this.#stop.signal.addEventListener("abort", () => check?.close(), { once: true });
    return async () => {
      // Loaded here, since few pools use gRPC checks.
      const { GrpcCheck } = await import("./grpc-check.ts");
      if (this.#stop.signal.aborted) return { kind: "stopped" };
      check ??= new GrpcCheck({ target, serviceName, timeoutMs, secured });
      return check.ask(this.#stop.signal);
    };
  }

  #once<T>(reader: ProbeBody<T>, accept: string): Promise<Scraped<T | undefined>> {
    const { access, clock } = this.#deps;
    const { dispatcher } = access;
    const { path, timeoutMs } = this.#settings;
    const target = { origin: this.#origin, host: this.#host, path, accept, timeoutMs };
    return scrapeOnce(target, { dispatcher, reader, clock }, this.#stop.signal);
  }

  #tell(found: unknown): void {
    const { sink } = this.#deps;
    const settings = this.#settings;
    if (settings.kind === "check") {
      const isIll = this.#failuresInRow >= settings.failuresMax;
      if (found !== undefined || isIll) {
        this.#tellOnce(String(found !== undefined), () =>
          sink.check(this.#holder, found !== undefined),
        );
      }
      return;
    }
    if (found === undefined && this.#failuresInRow < failuresMax) return;
    if (settings.kind === "dcgm") {
      const value = typeof found === "number" ? found : Number.NaN;
      return sink.attribute(this.#holder, settings.attribute, value);
    }
    // The reader of models returns nothing else.
    const models = found as readonly string[] | undefined;
    this.#tellOnce(JSON.stringify(models ?? null), () => sink.models(this.#holder, models));
  }

  #tellOnce(what: string, tell: () => void): void {
    if (this.#told === what) return;
    this.#told = what;
    tell();
  }
}

/**
 * The endpoint at the address to probe: its node's if the settings say so and the node is known.
 */
function addressed(endpoint: ScrapedEndpoint, settings: ProbeSettings): ScrapedEndpoint {
  const usesNode = settings.kind === "dcgm" && settings.usesNodeAddress;
  return usesNode ? { ...endpoint, address: endpoint.nodeAddress ?? endpoint.address } : endpoint;
}
