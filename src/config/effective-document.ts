import { stringify } from "yaml";
import { hasDefaultSource } from "./complete.ts";
import type { PickerConfig } from "./load-config.ts";
import type { AnyPlugin } from "./plugin-table.ts";

/** A document as it is in force: every reference resolved, every default written out. */
export function effectiveDocument(config: PickerConfig): Readonly<Record<string, unknown>> {
  const { dataLayer, ...rest } = referencesOf(config);
  return {
    apiVersion: config.apiVersion,
    kind: "EndpointPickerConfig",
    featureGates: [...config.featureGates].map(([name, isOn]) => `${name}=${isOn}`),
    plugins: [...config.plugins.values()].map(({ name, plugin, loaded }) => ({
      // What is undefined is not printed.
      name: name === plugin.type ? undefined : name,
      type: plugin.type,
      parameters: isEmpty(loaded.parameters) ? undefined : loaded.parameters,
    })),
    schedulingProfiles: config.profiles.map(({ name, plugins }) => ({
      name,
      plugins: plugins.map(({ use, weight }) => ({
        pluginRef: use.name,
        weight: isScorer(use.plugin) ? weight : undefined,
      })),
    })),
    ...rest,
    dataLayer,
    ...ownSectionsOf(config),
  };
}

/** The same as YAML, with a comment on who asked for each plugin that the document does not name. */
export function effectiveYaml(config: PickerConfig): string {
  const origins = [...config.plugins.values()]
    .filter(({ origin }) => origin !== "declared")
    .map(({ name, origin }) => `#   ${name}: ${origin}`);
  const head =
    origins.length === 0
      ? ""
      : `# Plugins that the document does not declare:\n${origins.join("\n")}\n`;
  return `${head}${stringify(effectiveDocument(config), { lineWidth: 100 })}`;
}

function referencesOf({ parsers, sources, discovery, detector, flowControl }: PickerConfig) {
  return {
    requestHandler: { parsers: parsers.map(({ name }) => ({ pluginRef: name })) },
    dataLayer: {
      // Without it a document that has no source would get the default one when it is read again.
      ...(hasDefaultSource(sources) ? {} : { injectDefaults: false }),
      sources: sources.map(({ source, extractors }) => ({
        pluginRef: source.name,
        extractors: extractors.map(({ name }) => ({ pluginRef: name })),
      })),
      ...(discovery === undefined ? {} : { discovery: { pluginRef: discovery.name } }),
    },
    flowControl: { ...flowControl, saturationDetector: { pluginRef: detector } },
  };
}

function ownSectionsOf(config: PickerConfig) {
  const { objectives, modelRewrites, hasDebugHeader } = config;
  const { signals, health } = config.written;
  return {
    ...(objectives.length === 0 ? {} : { objectives }),
    ...(modelRewrites.length === 0 ? {} : { modelRewrites }),
    ...(hasDebugHeader ? { decisions: { debugHeader: true } } : {}),
    ...(signals == null ? {} : { signals }),
    ...(health == null ? {} : { health }),
  };
}

function isScorer({ kinds }: AnyPlugin): boolean {
  return kinds.includes("scorer");
}

function isEmpty(parameters: unknown): boolean {
  return (
    typeof parameters !== "object" || parameters === null || Object.keys(parameters).length === 0
  );
}
