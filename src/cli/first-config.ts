import { readFile } from "node:fs/promises";
import { defaultConfigText } from "../config/default-document.ts";
import { type Build, buildConfig, type BuildDeps } from "../gateway/build-config.ts";
import { firstFew } from "../std/first-few.ts";
import { reasonOf } from "../std/reason-of.ts";
import { UsageError } from "./command.ts";

/** Flags that give a configuration; at most one may be set. */
const configFlags = ["config-file", "config-text", "config-map"] as const;

type ConfigValues = Readonly<Partial<Record<(typeof configFlags)[number], string>>>;

/** Mistakes of a document that are printed. */
const mistakesShownMax = 50;

/** Builds the configuration that the flags give, or the default one; rejects with every mistake. */
export async function firstConfig(values: ConfigValues, deps: BuildDeps): Promise<Build> {
  const source = await configTextOf(values);
  const result = buildConfig(source.text, deps);
  if (result.kind === "invalid") throw new UsageError(at(source.name, result.mistakes));
  return result.build;
}

function at(source: string, mistakes: readonly string[]): string[] {
  return firstFew(mistakes, mistakesShownMax).map((line) => `${source}: ${line}`);
}

async function configTextOf(values: ConfigValues): Promise<{ name: string; text: string }> {
  const { "config-file": file = "", "config-text": text = "" } = values;
  const given = configFlags.filter((flag) => (values[flag] ?? "") !== "");
  if (given.length > 1) {
    const [last, ...others] = given.map((flag) => `--${flag}`).toReversed();
    throw new UsageError([`${others.toReversed().join(", ")} and ${last} cannot both be given`]);
  }
  if (text !== "") return { name: "--config-text", text };
  if (file === "") return { name: "default config", text: defaultConfigText };
  try {
    return { name: file, text: await readFile(file, "utf8") };
  } catch (cause) {
    const reason = reasonOf(cause);
    throw new UsageError([`--config-file: ${reason}`]);
  }
}
