import type { MemoryKind } from "../../../core/plugin-states.ts";

/** Maximum number of sessions, about 200 bytes each; beyond it, the least recently used is dropped. */
const sessionsMax = 100_000;

interface Session {
  readonly endpointId: string;
  readonly usedAtMs: number;
}

export interface SessionTableSettings {
  /** Milliseconds without use after which a session is dropped. */
  readonly ttlMs: number;
}

/** Sessions and their endpoints in the order of their last use, which is the order of the map. */
export class SessionTable {
  readonly #sessions = new Map<string, Session>();
  readonly #sessionsMax: number;
  ttlMs: number;

  constructor({ ttlMs }: SessionTableSettings, max = sessionsMax) {
    this.ttlMs = ttlMs;
    this.#sessionsMax = max;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** Id of the session's endpoint; counts as use. */
  endpointOf(session: string, nowMs: number): string | undefined {
    this.#dropExpired(nowMs);
    const found = this.#sessions.get(session);
    if (found === undefined) return undefined;
    this.#put(session, { endpointId: found.endpointId, usedAtMs: nowMs });
    return found.endpointId;
  }

  assign(session: string, endpointId: string, nowMs: number): void {
    this.#dropExpired(nowMs);
    this.#put(session, { endpointId, usedAtMs: nowMs });
    if (this.#sessions.size <= this.#sessionsMax) return;
    const [oldest] = this.#sessions.keys();
    if (oldest !== undefined) this.#sessions.delete(oldest);
  }

  #put(session: string, entry: Session): void {
    // Delete first, so that the entry moves to the end.
    this.#sessions.delete(session);
    this.#sessions.set(session, entry);
  }

  #dropExpired(nowMs: number): void {
    for (const [session, { usedAtMs }] of this.#sessions) {
      if (nowMs - usedAtMs <= this.ttlMs) return;
      this.#sessions.delete(session);
    }
  }
}

/**
 * Sessions of plugins that pin them to endpoints. A session whose endpoint has left stays until it is assigned again.
 */
export const sessionMemory: MemoryKind<SessionTable, SessionTableSettings> = {
  create: (settings) => new SessionTable(settings),
  configure: (table, { ttlMs }) => (table.ttlMs = ttlMs),
};
