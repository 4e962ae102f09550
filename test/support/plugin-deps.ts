import type { DataKind } from "../../src/core/plugin.ts";
import type { Capabilities, DataTypes, PluginDeps } from "../../src/core/data-plane-plugin.ts";
import type { MemoryKind } from "../../src/core/plugin-states.ts";
import { PluginMemory } from "../../src/state/plugin-memory.ts";

interface Parts extends Partial<Omit<PluginDeps, "reader" | "plugin">> {
  /** What producers found out, whatever the producer's name. */
  readonly data?: { readonly [K in DataKind]?: DataTypes[K] };
  readonly plugins?: Readonly<Record<string, Capabilities>>;
}

/** What a plugin is built with: chance always 0, an empty memory, data as given. */
export function pluginDeps({ data = {}, plugins = {}, ...parts }: Parts = {}): PluginDeps {
  const { states } = new PluginMemory().open();
  return {
    name: "under-test",
    random: () => 0,
    memory: <Memory, Settings>(kind: MemoryKind<Memory, Settings>, settings?: Settings) =>
      // Only a kind whose settings are `undefined` can be asked for without them.
      states.memory(kind, { type: "under-test", name: "under-test" }, settings as Settings),
    producerOf: (kind, producer) => producer ?? `default-${kind}`,
    reader: (kind) => () => data[kind],
    plugin: (name) => {
      const instance = plugins[name];
      if (instance === undefined) throw new Error(`no plugin ${name} was given`);
      return instance;
    },
    ...parts,
  };
}
