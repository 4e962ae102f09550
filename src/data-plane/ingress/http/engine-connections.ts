import type { Clock } from "../../../std/clock.ts";
import { EngineConnection, type Timeouts } from "./engine/engine-connection.ts";
import { type Slot, Slots } from "./entry/slots.ts";

export interface ConnectionOptions extends Timeouts {
  /** Connections to one endpoint; requests beyond wait within `headTimeoutMs`. 0 for no limit. */
  readonly perEndpointMax?: number;
}

/** Unused connections that are kept for one address. */
const idleMax = 1_024;

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
    const nowMs = this.#clock.nowMs();
    for (let top = waiting?.pop(); top !== undefined; top = waiting?.pop()) {
      if (top.isUsable(nowMs)) return top;
      top.close();
    }
    return new EngineConnection(hostPort, this.#options, this.#clock);
  }

  /** Takes a connection back whose answer is complete. */
  release(hostPort: string, connection: EngineConnection): void {
    const waiting = this.#idle.get(hostPort) ?? [];
    if (waiting.length === 0) this.#idle.set(hostPort, waiting);
    const isUsable = connection.isUsable(this.#clock.nowMs());
    if (isUsable && waiting.length < idleMax) waiting.push(connection);
    else connection.close();
  }

  /** Closes the connections that have not been used lately. */
  prune(nowMs: number): void {
    for (const [hostPort, waiting] of this.#idle) {
      const usable = waiting.filter((each) => each.isUsable(nowMs));
      for (const each of waiting) if (!usable.includes(each)) each.close();
      if (usable.length === 0) this.#idle.delete(hostPort);
      else this.#idle.set(hostPort, usable);
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
