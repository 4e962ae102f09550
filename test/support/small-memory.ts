import type { MemoryKind } from "../../src/core/plugin-states.ts";
import {
  PrefixCache,
  prefixCacheMemory,
} from "../../src/data-plane/scheduling/producers/prefix-index/prefix-cache.ts";
import { PluginMemory } from "../../src/state/plugin-memory.ts";

/** Room for the prompts of a test, where the usual 4,000,000 entries take 20 ms to allocate. */
const smallPrefixCache: MemoryKind<PrefixCache> = {
  ...prefixCacheMemory,
  create: () => new PrefixCache({ entriesMax: 50_000 }),
};

/** Memories of plugins for tests that make hundreds of them. */
export class SmallMemory extends PluginMemory {
  override open(): ReturnType<PluginMemory["open"]> {
    const { states, keep } = super.open();
    return {
      keep,
      states: {
        memory: (kind, owner, settings) => states.memory(smallOf(kind), owner, settings),
      },
    };
  }
}

function smallOf<Memory, Settings>(
  kind: MemoryKind<Memory, Settings>,
): MemoryKind<Memory, Settings> {
  const isOfPrefixes = Object.is(kind, prefixCacheMemory);
  // The same type: it is this kind.
  return isOfPrefixes ? (smallPrefixCache as unknown as MemoryKind<Memory, Settings>) : kind;
}
