import { Client, type Dispatcher } from "undici";
import type { Clock } from "../../../std/clock.ts";
import { type Slot, Slots } from "./entry/slots.ts";

export interface ConnectionOptions {
  readonly connectTimeoutMs: number;
  /** Limit for the head of an answer; 0 for none. */
  readonly headTimeoutMs: number;
  /** Limit between two pieces of an answer; 0 for none. */
  readonly idleTimeoutMs: number;
  /** Connections to one endpoint; requests beyond wait within `headTimeoutMs`. 0 for no limit. */
  readonly perEndpointMax?: number;
}

/** Unused connections that are kept for one address. */
const idleMax = 1_024;

/** Milliseconds after which a connection that no request has used is closed. */
const unusedMsMax = 30_000;

/** Bytes of the head of an answer. */
const headBytesMax = 128 * 1_024;

/** One connection to an engine, for one request at a time. It connects on its first request. */
export class EngineConnection {
  readonly #client: Client;
  /** True if an earlier request was answered on it, so that the engine may be about to close it. */
  isReused = false;
  #isConnected = false;
  releasedMs = 0;

  constructor(hostPort: string, options: ConnectionOptions) {
    this.#client = new Client(`http://${hostPort}`, {
      pipelining: 1,
      maxHeaderSize: headBytesMax,
      connect: { timeout: options.connectTimeoutMs },
      headersTimeout: options.headTimeoutMs,
      bodyTimeout: options.idleTimeoutMs,
    });
    this.#client.on("connect", () => void (this.#isConnected = true));
    this.#client.on("disconnect", () => {
      this.#isConnected = false;
      this.isReused = false;
    });
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  /** Throws if the request cannot be written. */
  send(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): void {
    this.#client.dispatch(options, handler);
  }

  close(): void {
    void this.#client.destroy();
  }
}

/** The connections to all engines. Those that are unused wait in a stack for each address, the last used on top. */
export class EngineConnections {
  readonly #options: ConnectionOptions;
  readonly #clock: Pick<Clock, "nowMs" | "after">;
  readonly #idle = new Map<string, EngineConnection[]>();
  readonly #slots = new Map<string, Slots>();

  constructor(options: ConnectionOptions, clock: Pick<Clock, "nowMs" | "after">) {
    this.#options = options;
    this.#clock = clock;
  }

  get headTimeoutMs(): number {
    return this.#options.headTimeoutMs;
  }

  get idleTimeoutMs(): number {
    return this.#options.idleTimeoutMs;
  }

  /** Requests that wait for a connection to any endpoint. */
  get waiting(): number {
    let waiting = 0;
    for (const slots of this.#slots.values()) waiting += slots.waiting;
    return waiting;
  }

  /** The right to one connection; undefined if they are not limited. */
  slotOf(hostPort: string): Slot | undefined {
    const { perEndpointMax = 0, headTimeoutMs } = this.#options;
    if (perEndpointMax === 0) return undefined;
    const known = this.#slots.get(hostPort);
    if (known !== undefined) return known.slot();
    // The requests that the gateway handles are limited, so those that wait here are.
    const limits = { heldMax: perEndpointMax, waitingMax: Infinity, waitMs: headTimeoutMs };
    const slots = new Slots(limits, this.#clock);
    this.#slots.set(hostPort, slots);
    return slots.slot();
  }

  /** `isNew`: the connection must not have been used before. */
  take(hostPort: string, isNew: boolean): EngineConnection {
    const waiting = isNew ? undefined : this.#idle.get(hostPort);
    for (let top = waiting?.pop(); top !== undefined; top = waiting?.pop()) {
      if (top.isConnected) return top;
      top.close();
    }
    return new EngineConnection(hostPort, this.#options);
  }

  /** Takes a connection back whose request is over. */
  release(hostPort: string, connection: EngineConnection, nowMs: number): void {
    const waiting = this.#idle.get(hostPort) ?? [];
    if (waiting.length === 0) this.#idle.set(hostPort, waiting);
    if (waiting.length >= idleMax) return connection.close();
    connection.isReused = true;
    connection.releasedMs = nowMs;
    waiting.push(connection);
  }

  /** Closes the connections that have not been used lately. */
  prune(nowMs: number): void {
    for (const [hostPort, waiting] of this.#idle) {
      const first = waiting.findIndex(({ releasedMs }) => nowMs - releasedMs < unusedMsMax);
      const unused = waiting.splice(0, first === -1 ? waiting.length : first);
      for (const connection of unused) connection.close();
      if (waiting.length === 0) this.#idle.delete(hostPort);
    }
    for (const [hostPort, slots] of this.#slots) {
      if (slots.held === 0) this.#slots.delete(hostPort);
    }
  }

  close(): void {
    for (const waiting of this.#idle.values()) {
      for (const connection of waiting) connection.close();
    }
    this.#idle.clear();
  }
}
