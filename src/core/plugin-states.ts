import type { PrefixCache } from "./prefix-match.ts";

/** Tokens in flight by `Endpoint.slot`, as one producer counts them. */
export interface TokenLedger {
  tokens(slot: number): number;
  /** Counts tokens on an endpoint until the result is called; only the first call counts. */
  add(slot: number, tokens: number): () => void;
}

/** Which endpoint serves which session. Bounded in entries; an entry ends when it is not used. */
export interface SessionMap {
  /** Id of the session's endpoint; counts as use. */
  endpointOf(session: string, nowMs: number): string | undefined;
  assign(session: string, endpointId: string, nowMs: number): void;
}

export interface SessionMapOptions {
  /** Milliseconds without use after which a session is forgotten. */
  readonly ttlMs: number;
}

/** Endpoints in the order in which they were last used, oldest first. Bounded. */
export interface RecentEndpoints {
  /** Ids, least recently used first. */
  readonly ids: Iterable<string>;
  use(endpointId: string): void;
}

/**
 * What plugins remember between requests. A configuration that replaces another finds what was kept
 * under the same plugin name; what no plugin of the new one asks for is dropped.
 */
export interface PluginStates {
  prefixCache(plugin: string): PrefixCache;
  tokenLedger(plugin: string): TokenLedger;
  sessions(plugin: string, options: SessionMapOptions): SessionMap;
  recentEndpoints(plugin: string, options: { readonly endpointsMax: number }): RecentEndpoints;
}
