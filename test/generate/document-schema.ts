import { testOnlyPlugins } from "../../src/data-plane/scheduling/registry.ts";
import { documentSchema, ownApiVersion, ownSections } from "../../src/config/document.ts";
import type { Plugin } from "../../src/core/plugin.ts";
import { plugins as builtPlugins } from "../../src/gateway/plugins.ts";
import { type JsonSchema, jsonSchemaOf } from "./json-schema.ts";

/** The text of docs/endpoint-picker-config.schema.json. */
export function documentSchemaText(): string {
  return `${JSON.stringify(wholeSchema(), undefined, 1)}\n`;
}

/** The JSON Schema of a document, with the parameters of each plugin by its type. */
export function wholeSchema(plugins: readonly Plugin[] = builtPlugins): object {
  const document = jsonSchemaOf(documentSchema);
  const { plugins: list = {}, ...properties } = document.properties ?? {};
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "EndpointPickerConfig",
    description: "How an endpoint picker decides. Made from the code by `npm run generate`.",
    type: "object",
    properties: forEditors({
      apiVersion: properties["apiVersion"],
      kind: properties["kind"],
      plugins: { ...list, items: { $ref: "#/$defs/plugin" } },
      ...properties,
    }),
    required: document.required,
    additionalProperties: false,
    if: { required: ["apiVersion"], properties: { apiVersion: { const: ownApiVersion } } },
    else: {
      properties: {
        ...Object.fromEntries(Object.keys(ownSections).map((section) => [section, false])),
        ...withoutOwn(plugins),
      },
    },
    $defs: {
      plugin: pluginSchema(plugins, list.items ?? {}),
      ...Object.fromEntries(
        plugins.map((plugin) => [plugin.type, forEditors(jsonSchemaOf(plugin.params))]),
      ),
    },
  };
}

/** Keeps a document of another group from naming our own plugins. */
function withoutOwn(plugins: readonly Plugin[]): object {
  const types = typesOf(plugins.filter(({ isOwn }) => isOwn === true));
  if (types.length === 0) return {};
  return { plugins: { items: { properties: { type: { not: { enum: types } } } } } };
}

/** Types of plugins, with their older names. */
function typesOf(plugins: readonly Plugin[]): readonly string[] {
  return plugins.flatMap(({ type, aliases = [] }) => [type, ...aliases]);
}

function pluginSchema(plugins: readonly Plugin[], entry: JsonSchema): object {
  const types = typesOf(plugins);
  const described = forEditors({
    ...entry,
    properties: { ...entry.properties, type: { ...entry.properties?.["type"], enum: types } },
  });
  return { ...described, allOf: plugins.map((plugin) => parametersByType(plugin)) };
}

function parametersByType({ type, aliases = [], summary, params }: Plugin): object {
  const { required = [] } = jsonSchemaOf(params);
  const ref = { $ref: `#/$defs/${type}` };
  const note = testOnlyPlugins.has(type) ? "Only with `--enable-conformance-plugins`. " : "";
  return {
    if: { required: ["type"], properties: { type: { enum: [type, ...aliases] } } },
    // Parameters of which some are required cannot be left out as a whole.
    // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON Schema
    then: {
      ...(required.length === 0 ? {} : { required: ["parameters"] }),
      properties: {
        type: { description: `${note}${summary}` },
        parameters: required.length === 0 ? { anyOf: [ref, { type: "null" }] } : ref,
      },
    },
  };
}

/** Our own `unit` and `tune` as part of the description, which editors show. */
function forEditors<T>(value: T): T;
function forEditors(value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item: unknown) => forEditors(item));
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([key, inner]) => [key, forEditors(inner)] as const);
  const schema: Record<string, unknown> = Object.fromEntries(entries);
  const { unit, tune, description, ...rest } = schema;
  if (typeof description !== "string") return schema;
  const unitText = typeof unit === "string" ? ` Unit: ${unit}.` : "";
  const tuneText = typeof tune === "string" ? ` ${tune}` : "";
  return { description: `${description}${unitText}${tuneText}`, ...rest };
}
