import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { buildConfig, type BuildResult } from "../../src/gateway/build-config.ts";
import { effectiveYaml } from "../../src/config/effective-document.ts";
import { PluginMemory } from "../../src/state/plugin-memory.ts";

/** Sample documents that load, each with its effective form beside it. */
export const loadedFolder = "test/configs/loaded";

/** Sample documents that are refused, each with its mistakes beside it. */
export const refusedFolder = "test/configs/refused";

const effectiveSuffix = ".effective.yaml";
const mistakesSuffix = ".mistakes.txt";

/** Paths of the documents in a folder, without what is kept beside them. */
export function documentsIn(folder: string): string[] {
  return readdirSync(folder)
    .filter((file) => !file.endsWith(effectiveSuffix) && !file.endsWith(mistakesSuffix))
    .toSorted()
    .map((file) => path.join(folder, file));
}

function effectivePathOf(document: string): string {
  return withoutExtension(document) + effectiveSuffix;
}

export function mistakesPathOf(document: string): string {
  return withoutExtension(document) + mistakesSuffix;
}

function withoutExtension(file: string): string {
  return file.slice(0, -path.extname(file).length);
}

/** Builds a document as `pointsman check` does. */
export function built(text: string): BuildResult {
  return buildConfig(text, {
    memory: new PluginMemory(),
    random: () => 0,
    allowsTestOnly: false,
  });
}

/** Path and text of what is kept beside the sample documents. */
export function besideDocuments(): [path: string, text: string][] {
  const loaded = documentsIn(loadedFolder).map((document): [string, string] => {
    const result = built(readFileSync(document, "utf8"));
    if (result.kind === "invalid") throw new Error(`${document}: ${result.mistakes.join("; ")}`);
    return [effectivePathOf(document), effectiveYaml(result.build.plan)];
  });
  const refused = documentsIn(refusedFolder).map((document): [string, string] => {
    const result = built(readFileSync(document, "utf8"));
    if (result.kind === "built") throw new Error(`${document}: it is not refused`);
    return [mistakesPathOf(document), `${result.mistakes.join("\n")}\n`];
  });
  return [...loaded, ...refused];
}
