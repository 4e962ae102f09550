import { readFileSync } from "node:fs";
import type { SecureContext } from "node:tls";
import { Agent, buildConnector } from "undici";
import { secretKeyOf, type SecretRef, type SecretValues } from "../../../core/secrets.ts";
import { ClientTls, type ClientTlsOptions } from "../../../std/client-tls.ts";
import type { Clock } from "../../../std/clock.ts";
import { errorCodeOf } from "../../../std/file-reading.ts";
import { watchFile } from "../../../std/file-watch.ts";
import { engineFlagNames, type TlsSettingNames } from "../../../std/tls-failure.ts";

/** A header of scrapes whose value is a secret. */
export interface HeaderSource {
  readonly name: string;
  /** Precedes the value: `Bearer `. */
  readonly prefix: string;
  readonly from:
    | { readonly kind: "file"; readonly path: string }
    | { readonly kind: "secret"; readonly secret: SecretRef };
}

/** Settings to reach endpoints: plain data without secrets, which can go to another thread. */
export interface AccessOptions extends ClientTlsOptions {
  readonly headers?: readonly HeaderSource[];
  /** True if flags of the command line give the certificates, and not a document. */
  readonly isOfFlags?: boolean;
}

/** Fields of `metrics-data-source`. */
const sourceFieldNames: TlsSettingNames = {
  ca: "caCertPath",
  serverName: "serverName",
  clientCertificate: "clientCertPath and clientKeyPath",
};

export interface AccessDeps {
  readonly clock: Clock;
  readonly log: (level: "info" | "warn", fields: object, message: string) => void;
}

/** A way over TLS, for one connection. */
export interface SecuredAccess {
  readonly context: SecureContext;
  readonly verifies: boolean;
  /** Name that certificates must have; undefined for the address. */
  readonly serverName: string | undefined;
}

/** Maximum bytes of a header value; a cluster's token has about 1,000. */
const headerBytesMax = 16_384;

/** The connections of one kind of reading, and their credentials. */
export class ScrapeAccess {
  readonly #options: AccessOptions & { readonly timeoutMs: number };
  readonly #deps: AccessDeps;
  readonly #texts = new Map<string, string>();
  /** The last logged mistake of each file. */
  readonly #mistakes = new Map<string, string>();
  readonly #tls: ClientTls;
  #secrets: SecretValues = new Map();
  #agent: Agent;
  #credentials: Readonly<Record<string, string>> = {};

  constructor(options: AccessOptions & { readonly timeoutMs: number }, deps: AccessDeps) {
    this.#options = options;
    this.#deps = deps;
    const onReplaced = () => this.#replaceAgent();
    this.#tls = new ClientTls(options, { ...deps, name: "scrape credentials", onReplaced });
    for (const file of this.#files) this.#read(file);
    this.#agent = this.#createAgent();
    this.#setCredentials();
  }

  get dispatcher(): Agent {
    return this.#agent;
  }

  /** Headers for the endpoints themselves, never for a redirect to another origin. */
  get credentials(): Readonly<Record<string, string>> {
    return this.#credentials;
  }

  get hasCredentials(): boolean {
    return (this.#options.headers ?? []).length > 0;
  }

  /** TLS for other protocols than HTTP. `name`: that of the endpoint's certificate, if it has one. */
  secured(name: string | undefined): SecuredAccess {
    const { insecureSkipVerify, serverName = name } = this.#options;
    return { context: this.#tls.context, verifies: !insecureSkipVerify, serverName };
  }

  /** Where an operator sets the certificates. */
  get settingNames(): TlsSettingNames {
    return this.#options.isOfFlags === true ? engineFlagNames : sourceFieldNames;
  }

  set secrets(values: SecretValues) {
    this.#secrets = values;
    this.#setCredentials();
  }

  /** Follows the files until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    const followed = this.#files.map((file) => {
      const onChange = () => Promise.resolve(this.#reload(file));
      return watchFile(file, { clock, onChange, onUnwatchable: () => undefined }, signal);
    });
    await Promise.all([...followed, this.#tls.run(signal)]);
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  /** Files of headers. */
  get #files(): readonly string[] {
    const { headers = [] } = this.#options;
    const files = headers.flatMap(({ from }) => (from.kind === "file" ? [from.path] : []));
    return [...new Set(files)];
  }

  #reload(file: string): void {
    const before = this.#texts.get(file);
    this.#read(file);
    if (this.#texts.get(file) === before) return;
    this.#deps.log("info", { file }, "scrape credentials reloaded");
    this.#setCredentials();
  }

  #replaceAgent(): void {
    const previous = this.#agent;
    this.#agent = this.#createAgent();
    // Pending requests finish on the connections that they have.
    void previous.close();
  }

  /** A file that cannot be read keeps its last value. */
  #read(file: string): void {
    try {
      this.#texts.set(file, readFileSync(file, "utf8"));
      this.#mistakes.delete(file);
    } catch (error) {
      const reason = errorCodeOf(error);
      if (this.#mistakes.get(file) === reason) return;
      this.#mistakes.set(file, reason);
      this.#deps.log("warn", { file, reason }, "scrape credentials not read");
    }
  }

  #createAgent(): Agent {
    const { timeoutMs: timeout, insecureSkipVerify, serverName } = this.#options;
    const plain = buildConnector({ timeout });
    let secure: buildConnector.connector | undefined;
    return new Agent({
      // Scrapes of one endpoint come one after another, so one connection serves them all.
      connections: 1,
      // A scrape has its own time limit for the whole exchange.
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: (options, callback) => {
        if (options.protocol !== "https:") return plain(options, callback);
        // Made with the first connection: authorities are read only where they are needed.
        secure ??= buildConnector({
          allowH2: false,
          timeout,
          secureContext: this.#tls.context,
          rejectUnauthorized: !insecureSkipVerify,
          ...(serverName === undefined ? {} : { servername: serverName }),
        });
        secure(options, callback);
      },
    });
  }

  #setCredentials(): void {
    const { headers = [] } = this.#options;
    const values = headers.flatMap(({ name, prefix, from }) => {
      const text =
        from.kind === "file"
          ? this.#texts.get(from.path)
          : this.#secrets.get(secretKeyOf(from.secret));
      const value = text?.trim() ?? "";
      return isHeaderValue(value) ? [[name, `${prefix}${value}`] as const] : [];
    });
    this.#credentials = Object.fromEntries(values);
  }
}

/** True for visible ASCII and spaces, the only valid characters of a header value. */
function isHeaderValue(value: string): boolean {
  return value !== "" && value.length <= headerBytesMax && /^[\x20-\x7e]+$/.test(value);
}
