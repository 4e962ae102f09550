import type { Plugin, PluginNeed } from "../../src/core/plugin.ts";
import type { JsonSchema } from "./json-schema.ts";

/**
 * Everything a plugin may need of others. What it needs depends on its parameters, so it is asked
 * with the fewest, with each of the others beside those, and with each two of them.
 */
export function needsOf(plugin: Plugin, schema: JsonSchema): PluginNeed[] {
  const singles = samplesOf(schema);
  const pairs = singles.flatMap((one, index) =>
    singles.slice(index + 1).map((other) => Object.assign({}, one, other)),
  );
  const found = new Map<string, PluginNeed>();
  for (const parameters of [...singles, ...pairs]) {
    const loaded = plugin.load(parameters);
    if (loaded.kind === "invalid") continue;
    for (const need of loaded.needs) {
      if (!found.has(keyOf(need))) found.set(keyOf(need), need);
    }
  }
  return [...found.values()];
}

/** The name of the parameter that a need comes from; empty where none names it. */
export function parameterOf({ path }: PluginNeed): string {
  return path
    .map((key, index) =>
      typeof key === "number" ? "[]" : `${index === 0 ? "" : "."}${String(key)}`,
    )
    .join("");
}

function keyOf(need: PluginNeed): string {
  return [need.kind === "data" ? need.data : need.as, parameterOf(need)].join(" ");
}

/** Objects that the schema takes: the fewest fields, and each other field beside them. */
function samplesOf({ properties = {}, required = [] }: JsonSchema): object[] {
  const fields = Object.entries(properties);
  const least = Object.fromEntries(
    fields
      .filter(([key]) => required.includes(key))
      .map(([key, field]) => [key, valuesOf(field)[0]]),
  );
  const others = fields.flatMap(([key, field]) =>
    valuesOf(field).map((value) => Object.assign({}, least, { [key]: value })),
  );
  return [least, ...others];
}

function valuesOf(schema: JsonSchema): readonly unknown[] {
  if (schema.not !== undefined) return [];
  if (schema.const !== undefined) return [schema.const];
  if (schema.enum !== undefined) return schema.enum;
  switch (schema.type) {
    case "string":
      return [schema.unit === "duration" ? "1s" : "x"];
    case "boolean":
      return [true, false];
    case "integer":
    case "number":
      return [schema.minimum ?? 0, (schema.minimum ?? 0) + 1];
    case "array":
      return valuesOf(schema.items ?? {}).map((item) => [item]);
    case "object":
      return samplesOf(schema);
    case undefined:
    default:
      return ["x"];
  }
}
