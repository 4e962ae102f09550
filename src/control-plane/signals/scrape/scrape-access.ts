import { readFileSync } from "node:fs";
import { Agent } from "undici";
import { secretKeyOf, type SecretRef, type SecretValues } from "../../../core/secrets.ts";
import type { Clock } from "../../../std/clock.ts";
import { errorCodeOf } from "../../../std/file-reading.ts";
import { watchFile } from "../../../std/file-watch.ts";

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
export interface AccessOptions {
  /** With `https`, accepts any certificate. */
  readonly insecureSkipVerify: boolean;
  /** Name that certificates must have; undefined for the address of the endpoint. */
  readonly serverName?: string | undefined;
  readonly caPath?: string | undefined;
  readonly clientCertPath?: string | undefined;
  readonly clientKeyPath?: string | undefined;
  readonly headers?: readonly HeaderSource[];
}

interface AccessDeps {
  readonly clock: Clock;
  readonly log: (level: "info" | "warn", fields: object, message: string) => void;
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
  #secrets: SecretValues = new Map();
  #agent: Agent;
  #credentials: Readonly<Record<string, string>> = {};

  constructor(options: AccessOptions & { readonly timeoutMs: number }, deps: AccessDeps) {
    this.#options = options;
    this.#deps = deps;
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

  set secrets(values: SecretValues) {
    this.#secrets = values;
    this.#setCredentials();
  }

  /** Follows the files until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    await Promise.all(
      this.#files.map((file) => {
        const onChange = () => Promise.resolve(this.#reload(file));
        return watchFile(file, { clock, onChange, onUnwatchable: () => undefined }, signal);
      }),
    );
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  get #tlsFiles(): readonly string[] {
    const { caPath, clientCertPath, clientKeyPath } = this.#options;
    return [caPath, clientCertPath, clientKeyPath].filter((file) => file !== undefined);
  }

  get #files(): readonly string[] {
    const { headers = [] } = this.#options;
    const ofHeaders = headers.flatMap(({ from }) => (from.kind === "file" ? [from.path] : []));
    return [...new Set([...this.#tlsFiles, ...ofHeaders])];
  }

  #reload(file: string): void {
    const before = this.#texts.get(file);
    this.#read(file);
    if (this.#texts.get(file) === before) return;
    this.#deps.log("info", { file }, "scrape credentials reloaded");
    this.#setCredentials();
    if (!this.#tlsFiles.includes(file)) return;
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
    const { timeoutMs, insecureSkipVerify, serverName } = this.#options;
    const { caPath, clientCertPath, clientKeyPath } = this.#options;
    const ca = this.#textOf(caPath);
    const cert = this.#textOf(clientCertPath);
    const key = this.#textOf(clientKeyPath);
    return new Agent({
      // Scrapes of one endpoint come one after another, so one connection serves them all.
      connections: 1,
      allowH2: false,
      // A scrape has its own time limit for the whole exchange.
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: {
        timeout: timeoutMs,
        rejectUnauthorized: !insecureSkipVerify,
        ...(serverName === undefined ? {} : { servername: serverName }),
        ...(ca === undefined ? {} : { ca }),
        ...(cert === undefined ? {} : { cert }),
        ...(key === undefined ? {} : { key }),
      },
    });
  }

  #textOf(file: string | undefined): string | undefined {
    return file === undefined ? undefined : this.#texts.get(file);
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
