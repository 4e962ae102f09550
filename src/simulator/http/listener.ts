import { createServer, type RequestListener, type Server } from "node:http";
import { hostPortOf } from "../../std/host-port.ts";
import { listening } from "../../listening/listen-error.ts";

/** Longer than clients keep an idle connection, so that the client is the one to close it. */
const keepAliveMs = 75_000;

/** One HTTP port that can be opened and closed again. */
export class Listener {
  readonly #answer: RequestListener;
  readonly #host: string;
  #server: Server | undefined;

  constructor(host: string, answer: RequestListener) {
    this.#host = host;
    this.#answer = answer;
  }

  get isOpen(): boolean {
    return this.#server !== undefined;
  }

  /**
   * Listens on `port`, or on any free port for 0.
   *
   * @returns The port. Rejects with one readable line that names host and port.
   */
  async open(port: number): Promise<number> {
    const server = createServer({ keepAliveTimeout: keepAliveMs }, this.#answer);
    const at = { address: this.#host, port, hostPort: hostPortOf(this.#host, port) };
    const open = await listening(server, at);
    this.#server = server;
    return open;
  }

  /** Stops listening and cuts every connection. */
  async close(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  }
}
