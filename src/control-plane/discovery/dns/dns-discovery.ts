import { isIP } from "node:net";
import type { EndpointStore } from "../../../state/endpoint-store.ts";
import type { EndpointSpec, MembershipChange } from "../../../state/membership.ts";
import type { Clock } from "../../../std/clock.ts";
import { hostPortOf } from "../../../std/host-port.ts";
import { type EndpointAddress, readEndpointAddress } from "./endpoint-address.ts";
import { type Resolver, systemResolver } from "./resolver.ts";

export interface DnsDiscoveryOptions {
  /** `http://host:port`, `https://host:port`, `srv://name` or `https+srv://name`. */
  readonly addresses: readonly string[];
  readonly intervalMs: number;
}

export interface DnsDiscoveryDeps {
  readonly store: Pick<EndpointStore, "apply">;
  readonly clock: Pick<Clock, "sleep">;
  readonly log: {
    info(fields: object, message: string): void;
    warn(fields: object, message: string): void;
  };
  readonly resolver?: Resolver;
}

type DnsRead =
  | { readonly kind: "read"; readonly apply: () => MembershipChange }
  | { readonly kind: "invalid"; readonly mistakes: readonly string[] };

/** Answers in a row that a name does not exist, after which its endpoints leave. */
const absentMax = 3;
/** Errors that say that a name has no addresses, and not that no server could be asked. */
const absentCodes = new Set(["ENOTFOUND", "ENODATA", "NXDOMAIN"]);

/** One entry of the list, with the endpoints that it had last. */
interface Entry {
  readonly address: EndpointAddress;
  readonly text: string;
  specs: readonly EndpointSpec[];
  absentCount: number;
  hasFailed: boolean;
}

/**
 * Makes the addresses behind a list of hosts the pool, and asks for them again and again. An endpoint stays while its name
 * cannot be resolved: a name server that is down stops no engine.
 */
export class DnsDiscovery {
  readonly #options: DnsDiscoveryOptions;
  readonly #deps: DnsDiscoveryDeps;
  readonly #resolver: Resolver;
  #entries: readonly Entry[] = [];

  constructor(options: DnsDiscoveryOptions, deps: DnsDiscoveryDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#resolver = deps.resolver ?? systemResolver;
  }

  /** Resolves all names once and applies the result. */
  async load(): Promise<
    | { readonly kind: "loaded"; readonly change: MembershipChange }
    | Extract<DnsRead, { readonly kind: "invalid" }>
  > {
    const read = await this.read();
    return read.kind === "invalid" ? read : { kind: "loaded", change: read.apply() };
  }

  /** Resolves all names once; the pool does not change before `apply`. */
  async read(): Promise<DnsRead> {
    const entries: Entry[] = [];
    const mistakes: string[] = [];
    for (const text of this.#options.addresses) {
      const address = readEndpointAddress(text);
      if (address.kind === "invalid") mistakes.push(address.mistake);
      else entries.push({ address, text, specs: [], absentCount: 0, hasFailed: false });
    }
    if (mistakes.length > 0) return { kind: "invalid", mistakes };
    this.#entries = entries;
    await this.#resolveAll();
    return { kind: "read", apply: () => this.#apply() };
  }

  /** Resolves the names again until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#deps.clock.sleep(this.#options.intervalMs, signal);
      if (signal.aborted) return;
      await this.#resolveAll();
      if (!signal.aborted) this.#apply();
    }
  }

  async #resolveAll(): Promise<void> {
    await Promise.all(this.#entries.map((entry) => this.#resolve(entry)));
  }

  async #resolve(entry: Entry): Promise<void> {
    try {
      entry.specs = await this.#specsOf(entry.address);
      entry.absentCount = 0;
      if (entry.hasFailed)
        this.#deps.log.info({ name: entry.text }, "endpoint name resolved again");
      entry.hasFailed = false;
    } catch (cause) {
      const code = errorCodeOf(cause);
      if (!entry.hasFailed) {
        this.#deps.log.warn({ name: entry.text, error: code }, "endpoint name not resolved");
      }
      entry.hasFailed = true;
      entry.absentCount = absentCodes.has(code) ? entry.absentCount + 1 : 0;
      if (entry.absentCount >= absentMax) entry.specs = [];
    }
  }

  async #specsOf(address: EndpointAddress): Promise<readonly EndpointSpec[]> {
    const targets =
      address.kind === "host" ? [address] : await this.#resolver.services(address.name);
    const lists = await Promise.all(
      targets.map(async ({ host, port }) => {
        const found = await this.#resolver.addresses(host);
        return found.map((each) => specOf(host, each, { port, isSecure: address.isSecure }));
      }),
    );
    return lists.flat();
  }

  #apply(): MembershipChange {
    const { store, log } = this.#deps;
    const byAddress = new Map<string, EndpointSpec>();
    for (const spec of this.#entries.flatMap(({ specs }) => specs)) {
      const hostPort = hostPortOf(spec.address, spec.port);
      // Two names of one engine are one endpoint.
      if (!byAddress.has(hostPort)) byAddress.set(hostPort, spec);
    }
    const change = store.apply([...byAddress.values()]);
    const { added, removed } = change;
    if (added.length + removed.length > 0) {
      const counts = { endpoints: byAddress.size, added: added.length, removed: removed.length };
      log.info(counts, "endpoints resolved");
    }
    return change;
  }
}

function specOf(
  host: string,
  address: string,
  { port, isSecure }: { readonly port: number; readonly isSecure: boolean },
): EndpointSpec {
  const hostPort = hostPortOf(address, port);
  const isNamed = isIP(host) === 0;
  const name = isNamed ? `${host}@${hostPort}` : hostPort;
  // Certificates have no dot at the end, which names of DNS may have.
  const tls = { serverName: isNamed ? host.replace(/\.$/u, "") : undefined };
  const spec = { namespace: "default", name, address, port, labels: {} };
  return { id: `default/${name}`, ...spec, ...(isSecure ? { tls } : {}) };
}

function errorCodeOf(cause: unknown): string {
  return cause instanceof Error && "code" in cause ? String(cause.code) : String(cause);
}
