import type { MemoryKind } from "../../../core/plugin-states.ts";

/** Maximum number of sessions, about 200 bytes each; beyond it, the least recently used is dropped. */
const sessionsMax = 100_000;

/** Milliseconds without use after which a stored response is forgotten. */
export const storedTtlMs = 86_400_000;

interface Entry<Value> {
  readonly session: string;
  value: Value;
  usedAtMs: number;
  newer: Entry<Value> | undefined;
  older: Entry<Value> | undefined;
}

export interface SessionTableSettings {
  /** Milliseconds without use after which a session is dropped. */
  readonly ttlMs: number;
}

/**
 * Sessions with a value for each. A list has them in the order of their last use: a map in that order would keep holes of
 * removed entries at its start, through which every look at its oldest entry would go.
 */
export class SessionTable<Value> {
  readonly #entries = new Map<string, Entry<Value>>();
  readonly #entriesMax: number;
  #newest: Entry<Value> | undefined;
  #oldest: Entry<Value> | undefined;
  #droppedCount = 0;
  ttlMs: number;

  constructor({ ttlMs }: SessionTableSettings, max = sessionsMax) {
    this.ttlMs = ttlMs;
    this.#entriesMax = max;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Entries that were dropped because the table was full. */
  get droppedCount(): number {
    return this.#droppedCount;
  }

  /** The value of a session; counts as use. */
  get(session: string, nowMs: number): Value | undefined {
    this.#dropExpired(nowMs);
    const found = this.#entries.get(session);
    if (found !== undefined) this.#use(found, nowMs);
    return found?.value;
  }

  set(session: string, value: Value, nowMs: number): void {
    this.#dropExpired(nowMs);
    const found = this.#entries.get(session);
    if (found !== undefined) {
      found.value = value;
      this.#use(found, nowMs);
      return;
    }
    const entry = { session, value, usedAtMs: nowMs, newer: undefined, older: undefined };
    this.#entries.set(session, entry);
    this.#link(entry);
    if (this.#entries.size <= this.#entriesMax || this.#oldest === undefined) return;
    this.#remove(this.#oldest);
    this.#droppedCount += 1;
  }

  delete(session: string): void {
    const found = this.#entries.get(session);
    if (found !== undefined) this.#remove(found);
  }

  #use(entry: Entry<Value>, nowMs: number): void {
    entry.usedAtMs = nowMs;
    if (entry === this.#newest) return;
    this.#unlink(entry);
    this.#link(entry);
  }

  #dropExpired(nowMs: number): void {
    while (this.#oldest !== undefined && nowMs - this.#oldest.usedAtMs > this.ttlMs) {
      this.#remove(this.#oldest);
    }
  }

  #remove(entry: Entry<Value>): void {
    this.#entries.delete(entry.session);
    this.#unlink(entry);
  }

  #link(entry: Entry<Value>): void {
    entry.newer = undefined;
    entry.older = this.#newest;
    if (this.#newest === undefined) this.#oldest = entry;
    else this.#newest.newer = entry;
    this.#newest = entry;
  }

  #unlink({ newer, older }: Entry<Value>): void {
    if (newer === undefined) this.#newest = older;
    else newer.older = older;
    if (older === undefined) this.#oldest = newer;
    else older.newer = newer;
  }
}

/**
 * Ids of endpoints by session, for plugins that pin sessions. A session whose endpoint has left stays until it is
 * assigned again.
 */
export const sessionMemory: MemoryKind<SessionTable<string>, SessionTableSettings> = {
  create: (settings) => new SessionTable(settings),
  configure: (table, { ttlMs }) => (table.ttlMs = ttlMs),
};
