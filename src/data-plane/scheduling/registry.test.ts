import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import type { PluginKind } from "../../core/plugin.ts";
import type { DataPlanePlugin } from "../../core/data-plane-plugin.ts";
import { schedulingPlugins, testOnlyPlugins } from "./registry.ts";

/** Call by which a test file runs the contract of a kind. */
const contractCalls: Partial<Readonly<Record<PluginKind, string>>> = {
  filter: "itKeepsTheFilterContract(",
  scorer: "itKeepsTheScorerContract(",
  picker: "itKeepsThePickerContract(",
  "profile-handler": "itKeepsTheProfileHandlerContract(",
  decider: "itKeepsTheDeciderContract(",
};

/** Kinds of plugins in each folder; `conformance` has those for tests only. */
const kindsOfFolder: Readonly<Record<string, readonly PluginKind[]>> = {
  filters: ["filter"],
  scorers: ["scorer"],
  pickers: ["picker"],
  profiles: ["profile-handler", "response-handler"],
  deciders: ["decider"],
  reporters: ["response-handler"],
  conformance: ["filter", "response-handler"],
};

/** Every file in those folders that exports plugins, with the plugins. */
const pluginFiles = (
  await Promise.all(Object.keys(kindsOfFolder).flatMap((folder) => filesIn(folder).map(fileOf)))
).filter(({ plugins }) => plugins.length > 0);

const homes = pluginFiles.flatMap((file) => file.plugins.map((plugin) => ({ ...file, plugin })));

describe("the scheduling registry", () => {
  it("gives every plugin a unique type, and every alias one meaning", () => {
    const types = schedulingPlugins.flatMap(({ type, aliases = [] }) => [type, ...aliases]);
    expect(types.filter((type, index) => types.indexOf(type) !== index)).toEqual([]);
  });

  it.each(homes.map(({ name, plugin }) => ({ name, plugin, type: plugin.type })))(
    "lists $type of $name",
    ({ name, plugin }) => {
      const advice = `add the plugin of ${name} to schedulingPlugins`;
      expect(schedulingPlugins.includes(plugin) ? "" : advice).toBe("");
    },
  );

  it.each(homes.map(({ folder, plugin }) => ({ folder, plugin, type: plugin.type })))(
    "has $type among the $folder for a reason",
    ({ folder, plugin }) => {
      const fitting = plugin.kinds.filter((kind) => kindsOfFolder[folder]?.includes(kind));
      expect(fitting).not.toEqual([]);
    },
  );

  it.each(homes.map(({ file, plugin }) => ({ file, plugin, type: plugin.type })))(
    "holds $type to the contract of each of its kinds",
    ({ file, plugin }) => {
      const test = file.replace(/\.ts$/, ".test.ts");
      const text = existsSync(test) ? readFileSync(test, "utf8") : "no test file";
      const missing = plugin.kinds
        .flatMap((kind) => contractCalls[kind] ?? "describe(")
        .filter((call) => !text.includes(call));
      expect(missing).toEqual([]);
    },
  );

  it("marks exactly the plugins in conformance as for tests only", () => {
    const types = homes
      .filter(({ folder }) => folder === "conformance")
      .map(({ plugin }) => plugin.type);
    expect(types.toSorted()).toEqual([...testOnlyPlugins].toSorted());
  });

  it.each(schedulingPlugins.map(({ type, summary }) => ({ type, summary })))(
    "says in one paragraph what $type is for",
    ({ summary }) => {
      expect(summary).toMatch(/^[^\n#]{40,}\.$/);
    },
  );
});

function filesIn(folder: string): { readonly folder: string; readonly name: string }[] {
  const directory = path.join(import.meta.dirname, folder);
  const names = existsSync(directory) ? readdirSync(directory) : [];
  return names
    .filter((name) => /(?<!\.test)\.ts$/.test(name))
    .map((name) => ({ folder, name: `${folder}/${name}` }));
}

async function fileOf({ folder, name }: { readonly folder: string; readonly name: string }) {
  const file = path.join(import.meta.dirname, name);
  const exported: Record<string, unknown> = await import(pathToFileURL(file).href);
  return { folder, name, file, plugins: Object.values(exported).filter(isPlugin) };
}

/** Only a plugin has kinds and loads parameters. */
function isPlugin(value: unknown): value is DataPlanePlugin {
  return typeof value === "object" && value !== null && "kinds" in value && "load" in value;
}
