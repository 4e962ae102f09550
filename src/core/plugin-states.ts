import type { Endpoint } from "./endpoint.ts";

/**
 * One kind of memory that plugins keep between requests. The file of a plugin declares its own; a
 * memory belongs to one plugin of a document, and no other plugin sees it.
 *
 * A memory has a bound: `settings` has it, or the kind itself, under a name that ends in `Max`.
 */
export interface MemoryKind<Memory, Settings = undefined> {
  /** Makes an empty memory. */
  create(settings: Settings): Memory;
  /** Applies the settings of a new configuration to the memory that it takes over, once it is in force. */
  configure?(memory: Memory, settings: Settings): void;
  /**
   * Drops everything about an endpoint: it joined, it left, or its engine restarted. It runs when an endpoint
   * joins because requests of the slot's last endpoint may have ended after that one left.
   */
  forget?(memory: Memory, endpoint: Endpoint): void;
}

/** The plugin that a memory belongs to. */
export interface MemoryOwner {
  /** Its type, not an older name of it. */
  readonly type: string;
  readonly name: string;
}

/**
 * Memories of the plugins of one configuration. A configuration that replaces another finds the memories
 * of plugins that have the same type and name in both; those that none of its plugins asks for are dropped.
 */
export interface PluginStates {
  memory<Memory, Settings>(
    kind: MemoryKind<Memory, Settings>,
    owner: MemoryOwner,
    settings: Settings,
  ): Memory;
}
