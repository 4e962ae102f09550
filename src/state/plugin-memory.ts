import type { Endpoint } from "../core/endpoint.ts";
import type { MemoryKind, MemoryOwner, PluginStates } from "../core/plugin-states.ts";

/** A memory and its plugin. */
export interface OwnedMemory<Memory> extends MemoryOwner {
  readonly memory: Memory;
}

type AnyKind = MemoryKind<unknown, unknown>;

/** Memories of one kind by the type and name of their plugins. */
type Memories<Memory> = Map<string, OwnedMemory<Memory>>;

/** Keeps the memories of plugins while configurations come and go. */
export class PluginMemory {
  #kept: ReadonlyMap<AnyKind, Memories<unknown>> = new Map();

  /**
   * Memories for one configuration: those kept for plugins of the same type and name, and new ones
   * for the others. `keep` drops all the rest; without it nothing changes, so a refused
   * configuration has no effect.
   */
  open(): { readonly states: PluginStates; readonly keep: () => void } {
    const kept = this.#kept;
    const opened = new Map<AnyKind, Memories<unknown>>();
    const settings: (() => void)[] = [];
    return {
      states: {
        memory: (kind, owner, wanted) => {
          const memories = memoriesOf(opened, kind) ?? new Map();
          opened.set(kind, memories);
          const key = JSON.stringify([owner.type, owner.name]);
          const known = memories.get(key) ?? memoriesOf(kept, kind)?.get(key);
          const { memory } = known ?? { memory: kind.create(wanted) };
          memories.set(key, { ...owner, memory });
          settings.push(() => kind.configure?.(memory, wanted));
          return memory;
        },
      },
      keep: () => {
        this.#kept = opened;
        for (const apply of settings) apply();
      },
    };
  }

  /** Drops everything about an endpoint that has joined or left. */
  forget(endpoint: Endpoint): void {
    for (const [kind, memories] of this.#kept) {
      for (const { memory } of memories.values()) kind.forget?.(memory, endpoint);
    }
  }

  /** Drops what is no longer true of an endpoint whose engine restarted at this monotonic time. */
  restart(endpoint: Endpoint, restartMs: number): void {
    for (const [kind, memories] of this.#kept) {
      for (const { memory } of memories.values()) {
        if (kind.restart === undefined) kind.forget?.(memory, endpoint);
        else kind.restart(memory, endpoint, restartMs);
      }
    }
  }

  /** Memories of one kind that are in force. */
  ofKind<Memory, Settings>(kind: MemoryKind<Memory, Settings>): Iterable<OwnedMemory<Memory>> {
    return memoriesOf(this.#kept, kind)?.values() ?? [];
  }
}

function memoriesOf<Memory, Settings>(
  all: ReadonlyMap<AnyKind, Memories<unknown>>,
  kind: MemoryKind<Memory, Settings>,
): Memories<Memory> | undefined {
  // `kind` itself has created every memory stored under it.
  return all.get(kind) as Memories<Memory> | undefined;
}
