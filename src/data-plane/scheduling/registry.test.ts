import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import { schedulingPlugins } from "./registry.ts";

/** Folder of a kind -> the call by which a test file runs the contract of that kind. */
const contractCalls = {
  filters: "itKeepsTheFilterContract(",
  scorers: "itKeepsTheScorerContract(",
  pickers: "itKeepsThePickerContract(",
  profiles: "itKeepsTheProfileHandlerContract(",
} as const;

const folderOfKind = {
  filter: "filters",
  scorer: "scorers",
  picker: "pickers",
  "profile-handler": "profiles",
} as const satisfies Readonly<Record<string, keyof typeof contractCalls>>;

/** Every file that holds a plugin, with the folder it is in. */
const pluginFiles = Object.values(folderOfKind).flatMap((folder) => {
  const directory = path.join(import.meta.dirname, folder);
  const names = existsSync(directory) ? readdirSync(directory) : [];
  return names
    .filter((name) => /(?<!\.test)\.ts$/.test(name))
    .map((name) => ({ folder, name, file: path.join(directory, name) }));
});

describe("the scheduling registry", () => {
  it("gives every plugin a type of its own", () => {
    const types = schedulingPlugins.map(({ type }) => type);
    expect(types.filter((type, index) => types.indexOf(type) !== index)).toEqual([]);
  });

  it.each(schedulingPlugins.map(({ type, kind }) => ({ type, kind })))(
    "has the $kind $type in the folder of its kind",
    ({ type, kind }) => {
      const homes = pluginFiles.filter(({ file }) =>
        readFileSync(file, "utf8").includes(`type: "${type}"`),
      );
      expect(homes.map(({ folder }) => folder)).toEqual([folderOfKind[kind]]);
    },
  );

  it.each(pluginFiles)("knows what $folder/$name exports", async ({ file }) => {
    const exported: Record<string, unknown> = await import(pathToFileURL(file).href);
    const unknown = Object.values(exported).filter(
      (value) => !schedulingPlugins.some((plugin) => plugin === value),
    );
    expect(unknown).toEqual([]);
  });

  it.each(pluginFiles)("holds $folder/$name to the contract of its kind", ({ file, folder }) => {
    const test = file.replace(/\.ts$/, ".test.ts");
    expect(existsSync(test) ? readFileSync(test, "utf8") : "no test file").toContain(
      contractCalls[folder],
    );
  });
});
