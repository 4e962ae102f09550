import type { DataKind } from "../../src/core/plugin.ts";
import type { Capabilities, DataTypes, PluginDeps } from "../../src/core/data-plane-plugin.ts";
import { PluginMemory } from "../../src/state/plugin-memory.ts";

interface Parts extends Partial<Omit<PluginDeps, "reader" | "plugin">> {
  /** What producers found out, whatever the producer's name. */
  readonly data?: { readonly [K in DataKind]?: DataTypes[K] };
  readonly plugins?: Readonly<Record<string, Capabilities>>;
}

/** What a plugin is built with: chance always 0, an empty memory, data as given. */
export function pluginDeps({ data = {}, plugins = {}, ...parts }: Parts = {}): PluginDeps {
  return {
    name: "under-test",
    random: () => 0,
    states: new PluginMemory().open().states,
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
