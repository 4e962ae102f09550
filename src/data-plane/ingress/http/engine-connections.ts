import type { Clock } from "../../../std/clock.ts";
import { type EngineAddress, keyOf } from "./engine/engine-address.ts";
import { EngineConnection, type Timeouts } from "./engine/engine-connection.ts";
import type { EngineTls } from "./engine/engine-tls.ts";
import { IdleConnections } from "./engine/idle-connections.ts";
import { Polls, type PollWaiter } from "./engine/polls.ts";
import { type Slot, Slots } from "./entry/slots.ts";

export interface ConnectionOptions extends Timeouts {
  /** Connections to one endpoint; requests beyond wait within `headTimeoutMs`. 0 for no limit. */
  readonly perEndpointMax?: number;
}

interface Taken {
  readonly connection: EngineConnection;
  readonly waits: boolean;
}

/** The connections to all engines. */
export class EngineConnections {
  readonly polls = new Polls();
  readonly #options: ConnectionOptions;
  readonly #clock: Pick<Clock, "nowMs" | "after">;
  readonly #idle = new Map<string, IdleConnections>();
  readonly #slots = new Map<string, Slots>();
  readonly #tls: EngineTls | undefined;

  /** `tls`: undefined if no engine is reached over it. */
  constructor(options: ConnectionOptions, clock: Pick<Clock, "nowMs" | "after">, tls?: EngineTls) {
    this.#options = options;
    this.#clock = clock;
    this.#tls = tls;
    if (tls === undefined) return;
    const replaced = () => this.prune(clock.nowMs());
    tls.onReplaced = replaced;
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

  /**
   * A connection for one request, and true if it has to wait for `waiter` before the request is written. Bytes that the
   * engine sent too many, or its end of an unused connection, are read first: they must not pass for the answer.
   */
  take(address: EngineAddress, isNew: boolean, waiter: PollWaiter): Taken {
    const idle = isNew ? undefined : this.#idle.get(keyOf(address));
    const found = idle?.take(this.#clock.nowMs());
    if (found !== undefined) {
      this.polls.wait(waiter, found.isFresh);
      return { connection: found.connection, waits: true };
    }
    const way = address.tls === undefined ? address : { ...address, secured: this.#tls };
    return { connection: new EngineConnection(way, this.#options, this.#clock), waits: false };
  }

  /** Takes a connection back whose answer is complete. */
  release(address: EngineAddress, connection: EngineConnection): void {
    if (!connection.isUsable(this.#clock.nowMs())) return connection.close();
    const key = keyOf(address);
    let idle = this.#idle.get(key);
    if (idle === undefined) {
      idle = new IdleConnections(this.polls);
      this.#idle.set(key, idle);
    }
    if (!idle.add(connection)) connection.close();
  }

  /** Closes the connections that have not been used lately. */
  prune(nowMs: number): void {
    this.#tls?.prune(nowMs);
    for (const [key, idle] of this.#idle) {
      idle.prune(nowMs);
      if (idle.size === 0) this.#idle.delete(key);
    }
    for (const [hostPort, slots] of this.#slots) {
      if (slots.held === 0) this.#slots.delete(hostPort);
    }
  }

  close(): void {
    for (const idle of this.#idle.values()) idle.close();
    this.#idle.clear();
  }
}
