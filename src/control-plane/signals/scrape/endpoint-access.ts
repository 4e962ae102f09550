import type { SecretValues } from "../../../core/secrets.ts";
import { type AccessDeps, type AccessOptions, ScrapeAccess } from "./scrape-access.ts";
import { isSecurePort, type ScrapedEndpoint } from "./scrape-address.ts";

export interface EndpointAccessOptions extends AccessOptions {
  readonly timeoutMs: number;
  /** The way to ports that endpoints serve on over TLS; undefined for that to any other port. */
  readonly secureAccess?: AccessOptions | undefined;
}

/** The ways of one kind of reading: to ports that endpoints serve on over TLS, and to all others. */
export class EndpointAccess {
  readonly #usual: ScrapeAccess;
  readonly #secure: ScrapeAccess;

  constructor(options: EndpointAccessOptions, deps: AccessDeps) {
    const { timeoutMs, secureAccess } = options;
    this.#usual = new ScrapeAccess(options, deps);
    this.#secure =
      secureAccess === undefined
        ? this.#usual
        : new ScrapeAccess({ ...secureAccess, timeoutMs }, deps);
  }

  /** `origin`: `scheme://ip:port` */
  to(endpoint: ScrapedEndpoint, origin: string): ScrapeAccess {
    return isSecurePort(endpoint, origin) ? this.#secure : this.#usual;
  }

  set secrets(values: SecretValues) {
    for (const access of this.#all) access.secrets = values;
  }

  /** Follows the files of credentials until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([...this.#all].map((access) => access.run(signal)));
  }

  async close(): Promise<void> {
    await Promise.all([...this.#all].map((access) => access.close()));
  }

  get #all(): ReadonlySet<ScrapeAccess> {
    return new Set([this.#usual, this.#secure]);
  }
}
