import { isIP } from "node:net";
import { connect, type ConnectionOptions, type TLSSocket } from "node:tls";
import { ClientTls, type ClientTlsOptions } from "../../../../std/client-tls.ts";
import type { Clock } from "../../../../std/clock.ts";
import { engineFlagNames, tlsFailureText } from "../../../../std/tls-failure.ts";
import { type EngineAddress, keyOf } from "./engine-address.ts";

interface EngineTlsDeps {
  readonly clock: Clock;
  readonly log: {
    info(fields: object, message: string): void;
    warn(fields: object, message: string): void;
  };
}

/** Milliseconds from a verified certificate for which its sessions are resumed, which do not look at it again. */
const sessionMsMax = 600_000;

/** Addresses whose failures are remembered. */
const failuresMax = 1_000;

/** Alerts about the client's certificate, which TLS 1.3 sends after the handshake. */
const lateRefusal = /^ERR_SSL_.*ALERT_(?:CERTIFICATE|BAD_CERTIFICATE|UNKNOWN_CA)/u;

interface Session {
  readonly bytes: Buffer;
  readonly untilMs: number;
}

/** TLS to engines: one set of certificates and authorities, and the sessions that engines have offered. */
export class EngineTls {
  readonly #tls: ClientTls;
  readonly #deps: EngineTlsDeps;
  readonly #sessions = new Map<string, Session>();
  /** The reason that the last connection to an address failed. */
  readonly #failures = new Map<string, string>();
  /** Counts the replacements of certificates: connections of an earlier one are not used again. */
  generation = 0;
  #onReplaced: (() => void) | undefined;

  constructor(options: ClientTlsOptions, deps: EngineTlsDeps) {
    this.#deps = deps;
    const { clock, log } = deps;
    this.#tls = new ClientTls(options, {
      name: "engine certificates",
      clock,
      log: (level, fields, message) => log[level](fields, message),
      onReplaced: () => {
        this.generation += 1;
        this.#sessions.clear();
        this.#onReplaced?.();
      },
    });
  }

  set onReplaced(onReplaced: () => void) {
    this.#onReplaced = onReplaced;
  }

  /** Follows the files of certificates until `signal` aborts. */
  run(signal: AbortSignal): Promise<void> {
    return this.#tls.run(signal);
  }

  /** Opens a connection. Its certificate is verified before `secureConnect`. */
  connect(address: EngineAddress, options: ConnectionOptions): TLSSocket {
    const { insecureSkipVerify, serverName = address.tls?.serverName } = this.#tls.options;
    const key = keyOf(address);
    const socket = connect({
      ...options,
      secureContext: this.#tls.context,
      rejectUnauthorized: !insecureSkipVerify,
      ALPNProtocols: ["http/1.1"],
      // An address is verified too, but is no name that could be asked for (RFC 6066).
      ...(serverName === undefined || isIP(serverName) !== 0 ? {} : { servername: serverName }),
      ...this.#sessionOf(key),
    });
    socket.setNoDelay(true);
    const { generation } = this;
    socket.on("session", (bytes) => {
      if (generation !== this.generation) return;
      const known = socket.isSessionReused() ? this.#sessions.get(key) : undefined;
      const untilMs = known?.untilMs ?? this.#deps.clock.nowMs() + sessionMsMax;
      this.#sessions.set(key, { bytes, untilMs });
    });
    socket.once("secureConnect", () => this.#connected(address));
    return socket;
  }

  /** True if TLS is the reason that a connection failed, so that the engine has seen nothing of the request. */
  failed(address: EngineAddress, error: Error, hasConnected: boolean): boolean {
    const code = "code" in error ? String(error.code) : "";
    // A connection that breaks during the handshake is one that breaks.
    if (code === "ECONNRESET" || (hasConnected && !lateRefusal.test(code))) return false;
    const reason = tlsFailureText({ code, message: error.message }, engineFlagNames);
    if (reason === undefined) return false;
    const key = keyOf(address);
    this.#sessions.delete(key);
    if (this.#failures.get(key) !== reason) {
      this.#deps.log.warn({ endpoint: address.hostPort, reason }, "TLS connection failed");
    }
    if (this.#failures.size >= failuresMax) this.#failures.clear();
    this.#failures.set(key, reason);
    return true;
  }

  /** The reason that the last connection failed; undefined if it did not. */
  failureAt(address: EngineAddress): string | undefined {
    return this.#failures.get(keyOf(address));
  }

  /** Forgets sessions that may not be resumed any more. */
  prune(nowMs: number): void {
    for (const [key, { untilMs }] of this.#sessions) {
      if (untilMs <= nowMs) this.#sessions.delete(key);
    }
  }

  #connected(address: EngineAddress): void {
    if (!this.#failures.delete(keyOf(address))) return;
    this.#deps.log.info({ endpoint: address.hostPort }, "TLS connection restored");
  }

  #sessionOf(key: string): { readonly session?: Buffer } {
    const known = this.#sessions.get(key);
    if (known === undefined) return {};
    if (known.untilMs > this.#deps.clock.nowMs()) return { session: known.bytes };
    this.#sessions.delete(key);
    return {};
  }
}
