import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { createSecureContext, getCACertificates, type SecureContext } from "node:tls";
import type { Clock } from "./clock.ts";
import { errorCodeOf } from "./file-reading.ts";
import { watchFile } from "./file-watch.ts";
import { reasonOf } from "./reason-of.ts";

/** The certificates that a client of TLS takes and shows: plain data, which can go to another thread. */
export interface ClientTlsOptions {
  /** Accepts any certificate. */
  readonly insecureSkipVerify: boolean;
  /** Name that certificates must have; undefined for the name or address of the server. */
  readonly serverName?: string | undefined;
  /** PEM file with the trusted authorities; undefined for those of the system and of Node.js. */
  readonly caPath?: string | undefined;
  readonly clientCertPath?: string | undefined;
  readonly clientKeyPath?: string | undefined;
}

interface ClientTlsDeps {
  /** The certificates as the log names them. */
  readonly name: string;
  readonly clock: Clock;
  readonly log: (level: "info" | "warn", fields: object, message: string) => void;
  /** Called when other certificates count: connections with earlier ones are not to be used again. */
  readonly onReplaced: () => void;
}

interface ContextOptions {
  readonly ca: string | string[];
  readonly cert?: string;
  readonly key?: string;
}

/** The certificates of a client of TLS, read again when their files change. */
export class ClientTls {
  readonly options: ClientTlsOptions;
  readonly #deps: ClientTlsDeps;
  #context: SecureContext | undefined;
  #mistake: string | undefined;

  constructor(options: ClientTlsOptions, deps: ClientTlsDeps) {
    this.options = options;
    this.#deps = deps;
  }

  /** Made with the first connection, and shared by all: it takes a hundred times as long as a handshake. */
  get context(): SecureContext {
    this.#context ??= this.#read() ?? createSecureContext({ ca: [] });
    return this.#context;
  }

  /** Follows the files until `signal` aborts. A file that is missing or half-written leaves the last certificates in force. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    const files = filesOf(this.options);
    const texts = new Map(files.map((file) => [file, textIn(file)]));
    const onChange = (file: string) => {
      const text = textIn(file);
      if (text === texts.get(file)) return;
      texts.set(file, text);
      this.#reload();
    };
    await Promise.all(
      files.map((file) =>
        watchFile(
          file,
          { clock, onChange: async () => onChange(file), onUnwatchable: () => undefined },
          signal,
        ),
      ),
    );
  }

  #reload(): void {
    const next = this.#read();
    if (next === undefined) return;
    this.#context = next;
    const { name, log, onReplaced } = this.#deps;
    log("info", { files: filesOf(this.options) }, `${name} reloaded`);
    onReplaced();
  }

  #read(): SecureContext | undefined {
    try {
      const context = createSecureContext(contextOptionsIn(this.options));
      this.#mistake = undefined;
      return context;
    } catch (cause) {
      const reason = reasonOf(cause);
      if (reason !== this.#mistake) {
        const fields = { files: filesOf(this.options), reason };
        this.#deps.log("warn", fields, `${this.#deps.name} not read`);
      }
      this.#mistake = reason;
      return undefined;
    }
  }
}

/** The mistake in the files of the options; undefined if a client can use them. */
export function mistakeInFiles(options: ClientTlsOptions): string | undefined {
  try {
    createSecureContext(contextOptionsIn(options));
    return undefined;
  } catch (cause) {
    return reasonOf(cause);
  }
}

function filesOf({ caPath, clientCertPath, clientKeyPath }: ClientTlsOptions): readonly string[] {
  const files = [caPath, clientCertPath, clientKeyPath].filter((file) => file !== undefined);
  return [...new Set(files)];
}

function textIn(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}

/** Throws a readable error if a file is missing or is not what it should be. */
function contextOptionsIn({
  caPath,
  clientCertPath,
  clientKeyPath,
}: ClientTlsOptions): ContextOptions {
  return {
    ca: caPath === undefined ? usualAuthorities() : authoritiesIn(caPath),
    ...(clientCertPath === undefined ? {} : { cert: read(clientCertPath) }),
    ...(clientKeyPath === undefined ? {} : { key: read(clientKeyPath) }),
  };
}

/** Those that other programs of the machine trust, and those of Node.js, which images without a package of them need. */
function usualAuthorities(): string[] {
  return [...new Set([...getCACertificates("system"), ...getCACertificates("default")])];
}

function authoritiesIn(file: string): string {
  const text = read(file);
  // OpenSSL takes any bytes for authorities, and then trusts no certificate.
  try {
    return new X509Certificate(text).raw.length > 0 ? text : "";
  } catch {
    throw new Error(`${file}: no certificate in PEM`);
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new Error(`${file}: ${errorCodeOf(error)}`, { cause: error });
  }
}
