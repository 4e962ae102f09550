import { defaultEngineOptions, type EngineOptions } from "../simulator/engine-options.ts";
import { changeSettings, defaultEngineSettings } from "../simulator/engine-settings.ts";

type OptionsResult =
  | { readonly kind: "read"; readonly options: Partial<EngineOptions> }
  | { readonly kind: "invalid"; readonly message: string };

/** Engine options that are given as `NAME=VALUE`. */
export function engineOptionsIn(entries: readonly string[]): OptionsResult {
  const given: Record<string, number | boolean> = {};
  for (const entry of entries) {
    const [name = "", text] = entry.split("=");
    if (!Object.hasOwn(defaultEngineOptions, name)) {
      const known = Object.keys(defaultEngineOptions).join(", ");
      return { kind: "invalid", message: `${entry}: known options are ${known}` };
    }
    given[name] = text === "true" || text === "false" ? text === "true" : Number(text);
  }
  const changed = changeSettings(defaultEngineSettings, given);
  if (changed.kind !== "changed") return { kind: "invalid", message: changed.message };
  return { kind: "read", options: given };
}
