import type { Endpoint } from "./endpoint.ts";

/**
 * One kind of memory that plugins keep between requests. The file of a plugin declares its kinds. A memory belongs to
 * one plugin of a document, and no other plugin sees it.
 *
 * A memory has a bound, in `settings` or in the kind itself, under a name that ends in `Max`.
 */
export interface MemoryKind<Memory, Settings = undefined> {
  /** Makes an empty memory. */
  create(settings: Settings): Memory;
  /**
   * Applies the settings of a new configuration to the memory that it takes over, once the configuration is in force.
   */
  configure?(memory: Memory, settings: Settings): void;
  /**
   * Drops all data about an endpoint when it joins or leaves. Joining counts because requests of the slot's previous
   * endpoint may have ended after that endpoint left.
   */
  forget?(memory: Memory, endpoint: Endpoint): void;
  /**
   * Drops data that a restart of the endpoint's engine makes wrong; by default all of it, as `forget` does. The restart
   * becomes known only with the next report, so requests that were sent after `restartMs` are the new engine's.
   */
  restart?(memory: Memory, endpoint: Endpoint, restartMs: number): void;
}

/** The plugin that a memory belongs to. */
export interface MemoryOwner {
  /** The plugin's type, never an alias. */
  readonly type: string;
  readonly name: string;
}

/**
 * Memories of the plugins of one configuration. A configuration that replaces another takes over the memories of
 * plugins that have the same type and name in both; memories that none of its plugins asks for are dropped.
 */
export interface PluginStates {
  memory<Memory, Settings>(
    kind: MemoryKind<Memory, Settings>,
    owner: MemoryOwner,
    settings: Settings,
  ): Memory;
}
