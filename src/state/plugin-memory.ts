import type { Endpoint } from "../core/endpoint.ts";
import type { PluginStates } from "../core/plugin-states.ts";
import { PrefixCache } from "./prefix-index/prefix-cache.ts";
import { RecentList } from "./recent-list.ts";
import { SessionTable } from "./session-table.ts";
import { SlotTokenLedger } from "./token-ledger.ts";

/** What plugins remember, by the name of the plugin. */
interface Memories {
  readonly prefixCaches: ReadonlyMap<string, PrefixCache>;
  readonly tokenLedgers: ReadonlyMap<string, SlotTokenLedger>;
  readonly sessions: ReadonlyMap<string, SessionTable>;
  readonly recentLists: ReadonlyMap<string, RecentList>;
}

/** Keeps what plugins remember while configurations come and go. */
export class PluginMemory {
  #kept: Memories = {
    prefixCaches: new Map(),
    tokenLedgers: new Map(),
    sessions: new Map(),
    recentLists: new Map(),
  };

  /**
   * What one configuration is built with: what was kept under the same names, and new memories for
   * the rest. `keep` makes that all there is; without it nothing changes, so that a configuration
   * that turns out wrong leaves no trace.
   */
  open(): { readonly states: PluginStates; readonly keep: () => void } {
    const kept = this.#kept;
    const prefixCaches = new Map<string, PrefixCache>();
    const tokenLedgers = new Map<string, SlotTokenLedger>();
    const sessions = new Map<string, SessionTable>();
    const recentLists = new Map<string, RecentList>();
    const settings: (() => void)[] = [];
    return {
      states: {
        prefixCache: (name) =>
          wanted(prefixCaches, name, () => kept.prefixCaches.get(name) ?? new PrefixCache()),
        tokenLedger: (name) =>
          wanted(tokenLedgers, name, () => kept.tokenLedgers.get(name) ?? new SlotTokenLedger()),
        sessions: (name, options) => {
          const table = wanted(
            sessions,
            name,
            () => kept.sessions.get(name) ?? new SessionTable(options),
          );
          settings.push(() => (table.ttlMs = options.ttlMs));
          return table;
        },
        recentEndpoints: (name, { endpointsMax }) => {
          const list = wanted(
            recentLists,
            name,
            () => kept.recentLists.get(name) ?? new RecentList(endpointsMax),
          );
          settings.push(() => (list.endpointsMax = endpointsMax));
          return list;
        },
      },
      keep: () => {
        this.#kept = { prefixCaches, tokenLedgers, sessions, recentLists };
        for (const set of settings) set();
      },
    };
  }

  /** The endpoint has gone: whoever comes in its slot starts with nothing. */
  forget({ slot, id }: Endpoint): void {
    for (const cache of this.#kept.prefixCaches.values()) cache.forget(slot);
    for (const list of this.#kept.recentLists.values()) list.forget(id);
  }

  /** The prefix caches by the name of their plugin, for metrics. */
  get prefixCaches(): ReadonlyMap<string, PrefixCache> {
    return this.#kept.prefixCaches;
  }
}

/** The same memory however often one configuration asks for it. */
function wanted<T>(all: Map<string, T>, name: string, find: () => T): T {
  let memory = all.get(name);
  if (memory === undefined) all.set(name, (memory = find()));
  return memory;
}
