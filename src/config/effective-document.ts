import { stringify } from "yaml";
import { hasDefaultSource } from "./complete.ts";
import type { Plan } from "../core/plan.ts";
import type { Plugin } from "../core/plugin.ts";

/** The effective document: every reference resolved, every default written out. */
export function effectiveDocument(plan: Plan): Readonly<Record<string, unknown>> {
  const { dataLayer, ...rest } = referencesOf(plan);
  return {
    apiVersion: plan.apiVersion,
    kind: "EndpointPickerConfig",
    featureGates: [...plan.featureGates].map(([name, isOn]) => `${name}=${isOn}`),
    plugins: [...plan.plugins.values()].map(({ name, plugin, loaded }) => ({
      // Undefined fields are not printed.
      name: name === plugin.type ? undefined : name,
      type: plugin.type,
      parameters: isEmpty(loaded.parameters) ? undefined : loaded.parameters,
    })),
    schedulingProfiles: plan.profiles.map(({ name, plugins }) => ({
      name,
      plugins: plugins.map(({ use, weight }) => ({
        pluginRef: use.name,
        weight: isScorer(use.plugin) ? weight : undefined,
      })),
    })),
    ...rest,
    dataLayer,
    ...ownSectionsOf(plan),
  };
}

/**
 * The effective document as YAML, with a comment on the origin of each plugin that the document
 * does not name.
 */
export function effectiveYaml(plan: Plan): string {
  const origins = [...plan.plugins.values()]
    .filter(({ origin }) => origin !== "declared")
    .map(({ name, origin }) => `#   ${name}: ${origin}`);
  const head =
    origins.length === 0
      ? ""
      : `# Plugins that the document does not declare:\n${origins.join("\n")}\n`;
  return `${head}${stringify(effectiveDocument(plan), { lineWidth: 100 })}`;
}

function referencesOf({ parsers, sources, discovery, detector, written }: Plan) {
  return {
    requestHandler: { parsers: parsers.map(({ name }) => ({ pluginRef: name })) },
    dataLayer: {
      // Without this, a document without sources would get the default one when it is read again.
      ...(hasDefaultSource(sources) ? {} : { injectDefaults: false }),
      sources: sources.map(({ source, extractors }) => ({
        pluginRef: source.name,
        extractors: extractors.map(({ name }) => ({ pluginRef: name })),
      })),
      ...(discovery === undefined ? {} : { discovery: { pluginRef: discovery.name } }),
    },
    flowControl: { ...written.flowControl, saturationDetector: { pluginRef: detector } },
  };
}

function ownSectionsOf(plan: Plan) {
  const { objectives, modelRewrites, hasDebugHeader } = plan;
  const { signals, health, shadow, rollout } = plan.written;
  return {
    ...(objectives.length === 0 ? {} : { objectives }),
    ...(modelRewrites.length === 0 ? {} : { modelRewrites }),
    ...(hasDebugHeader ? { decisions: { debugHeader: true } } : {}),
    ...(signals == null ? {} : { signals }),
    ...(health == null ? {} : { health }),
    ...(shadow == null ? {} : { shadow }),
    ...(rollout == null ? {} : { rollout }),
  };
}

function isScorer({ kinds }: Plugin): boolean {
  return kinds.includes("scorer");
}

function isEmpty(parameters: unknown): boolean {
  return (
    typeof parameters !== "object" || parameters === null || Object.keys(parameters).length === 0
  );
}
