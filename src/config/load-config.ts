import type { DataKind } from "../core/plugin.ts";
import type { HealthCheckSettings, HealthSettings } from "../core/health-settings.ts";
import type { SignalSettings } from "../core/signal-settings.ts";
import {
  completeDetector,
  completeParsers,
  completePolicies,
  completeProfiles,
  completeSources,
  type ConfiguredProfile,
  type ConfiguredSource,
} from "./complete.ts";
import type { ConfigDocument, Objective, RewriteRule } from "./document.ts";
import { hintFor } from "./mistakes.ts";
import { noEffectWarnings } from "./no-effect.ts";
import {
  type AnyPlugin,
  type ConfiguredPlugin,
  PluginTable,
  type PluginTableOptions,
} from "./plugin-table.ts";
import { type Draft, readDocument } from "./read-document.ts";
import { healthCheckOf, healthSettingsOf } from "./health-section.ts";
import { signalSettingsOf } from "./signals-section.ts";
import { buildOrderOf, producerNameOf, resolveNeeds } from "./wiring.ts";
import { parseYaml } from "./yaml-text.ts";

/** A document with every reference resolved and every default in place. */
export interface PickerConfig<P extends AnyPlugin = AnyPlugin> {
  readonly apiVersion: string;
  readonly featureGates: ReadonlyMap<string, boolean>;
  /** By name: those the document declares, those that complete it, those that others need. */
  readonly plugins: ReadonlyMap<string, ConfiguredPlugin<P>>;
  /** The same, each after those it needs. */
  readonly buildOrder: readonly ConfiguredPlugin<P>[];
  readonly profiles: readonly ConfiguredProfile<P>[];
  /** Name of the profile handler. */
  readonly handler: string;
  /** Name of the saturation detector. */
  readonly detector: string;
  readonly parsers: readonly ConfiguredPlugin<P>[];
  readonly sources: readonly ConfiguredSource<P>[];
  readonly discovery: ConfiguredPlugin<P> | undefined;
  /** As written; it takes effect with flow control. */
  readonly flowControl: ConfigDocument["flowControl"];
  readonly objectives: readonly Objective[];
  readonly modelRewrites: readonly RewriteRule[];
  /** Whether a client may ask for the id of its decision's record. */
  readonly hasDebugHeader: boolean;
  readonly signals: SignalSettings;
  readonly health: HealthSettings;
  readonly healthCheck: HealthCheckSettings | undefined;
  /** The sections of those two as written, their defaults filled in. */
  readonly written: Pick<ConfigDocument, "signals" | "health">;
  /** The producer that a plugin reads where it names none. */
  readonly producerOf: (data: DataKind) => string;
  /** What is accepted and may not be what the author meant. */
  readonly warnings: readonly string[];
}

export type ConfigResult<P extends AnyPlugin> =
  | { readonly kind: "loaded"; readonly config: PickerConfig<P> }
  /** Every mistake, each with its path: `schedulingProfiles[0].plugins[2].weight: …`. */
  | { readonly kind: "invalid"; readonly mistakes: readonly string[] };

interface LoadOptions extends PluginTableOptions {
  /** Gates that the command line sets, over those of the document. */
  readonly featureGates?: readonly string[];
}

const standbyGate = "haPopulateNonLeaderDatastore";
/** Gates and whether they are on if nothing says otherwise. */
const gateDefaults: ReadonlyMap<string, boolean> = new Map([
  ["flowControl", false],
  [standbyGate, true],
]);

/** The document in force where none is given: the peer's default. */
export const defaultConfigText = `apiVersion: llm-d.ai/v1alpha1
kind: EndpointPickerConfig
plugins:
- type: queue-scorer
- type: kv-cache-utilization-scorer
- type: prefix-cache-scorer
- type: metrics-data-source
- type: core-metrics-extractor
schedulingProfiles:
- name: default
  plugins:
  - pluginRef: queue-scorer
    weight: 2
  - pluginRef: kv-cache-utilization-scorer
    weight: 2
  - pluginRef: prefix-cache-scorer
    weight: 3
`;

/** Parses, validates and completes a document; never throws for what a document says. */
export function loadConfig<P extends AnyPlugin>(
  text: string,
  registry: readonly P[],
  { featureGates: gatesOfFlag = [], ...options }: LoadOptions,
): ConfigResult<P> {
  const parsed = parseYaml(text);
  if (parsed.kind === "invalid") return parsed;
  const draft = readDocument(parsed.value);
  const table = new PluginTable(registry, options);
  const featureGates = gatesOf(
    [
      ...(draft.sections.featureGates ?? []).map((gate, index) => ({
        gate,
        path: `featureGates[${index}]`,
      })),
      ...gatesOfFlag.map((gate) => ({ gate, path: "--feature-gates" })),
    ],
    table,
  );
  for (const { index, entry } of draft.plugins) {
    const path = `plugins[${index}]`;
    table.declare(entry, { path, origin: "declared" });
    table.warnings.push(...noEffectWarnings(entry, path));
  }
  const config = completed(draft, table, featureGates);
  const mistakes = [...draft.mistakes, ...table.mistakes];
  return mistakes.length === 0 ? { kind: "loaded", config } : { kind: "invalid", mistakes };
}

/** Completes in the peer's order, so that plugins come in the same one. */
function completed<P extends AnyPlugin>(
  { apiVersion, profiles: declaredProfiles, sections }: Draft,
  table: PluginTable<P>,
  featureGates: ReadonlyMap<string, boolean>,
): PickerConfig<P> {
  const profiles = completeProfiles(declaredProfiles, table);
  completePolicies(table);
  const parsers = completeParsers(sections, table);
  const detector = completeDetector(sections, table);
  const sources = completeSources(sections.dataLayer, table);
  const discovery = discoveryOf(sections.dataLayer, table);
  checkFlowControl(sections.flowControl, table, featureGates);
  resolveNeeds(table);
  return {
    apiVersion,
    featureGates,
    plugins: table.plugins,
    buildOrder: buildOrderOf(table),
    profiles,
    handler: table.ofKind("profile-handler")[0]?.name ?? "",
    detector: detector?.name ?? "",
    parsers,
    sources,
    discovery,
    flowControl: sections.flowControl,
    objectives: sections.objectives ?? [],
    modelRewrites: sections.modelRewrites ?? [],
    hasDebugHeader: sections.decisions?.debugHeader ?? false,
    signals: signalSettingsOf(sections.signals),
    health: healthSettingsOf(sections.health),
    healthCheck: healthCheckOf(sections.health),
    written: { signals: sections.signals, health: sections.health },
    producerOf: (data) => producerNameOf(data, undefined),
    warnings: table.warnings,
  };
}

/** A gate is written `name` or `name=true|false`; of several the last one counts. */
function gatesOf(
  gates: readonly { readonly gate: string; readonly path: string }[],
  table: PluginTable<AnyPlugin>,
): Map<string, boolean> {
  const values = new Map(gateDefaults);
  for (const { gate, path } of gates) {
    const [, name = "", value = "true"] = /^([^=]*)(?:=(.*))?$/s.exec(gate) ?? [];
    const isOn = value.trim().toLowerCase() === "true";
    if (!gateDefaults.has(name)) {
      const hint = hintFor(name, gateDefaults.keys());
      table.mistakes.push(`${path}: there is no gate ${JSON.stringify(name)}${hint}`);
    } else if (!isOn && value.trim().toLowerCase() !== "false") {
      table.mistakes.push(`${path}: ${name} is true or false, not ${JSON.stringify(value)}`);
    } else if (name === "flowControl" && isOn) {
      table.mistakes.push(`${path}: flowControl is known and not built yet`);
    } else values.set(name, isOn);
  }
  if (values.get(standbyGate) === false) {
    table.warnings.push(`${standbyGate}=false has no effect: standbys always follow the pool`);
  }
  return values;
}

function discoveryOf<P extends AnyPlugin>(
  dataLayer: ConfigDocument["dataLayer"],
  table: PluginTable<P>,
): ConfiguredPlugin<P> | undefined {
  if (dataLayer?.peerDiscovery != null) {
    table.mistakes.push("dataLayer.peerDiscovery: known and not built yet");
  }
  if ((dataLayer?.crossReplicaSyncerPluginRef ?? "") !== "") {
    table.mistakes.push("dataLayer.crossReplicaSyncerPluginRef: known and not built yet");
  }
  const ref = dataLayer?.discovery?.pluginRef;
  if (ref === undefined) return undefined;
  return table.referencedAs("discovery", ref, "dataLayer.discovery.pluginRef");
}

/** Its references have to be right also where it is off: one day somebody switches it on. */
function checkFlowControl(
  flowControl: ConfigDocument["flowControl"],
  table: PluginTable<AnyPlugin>,
  featureGates: ReadonlyMap<string, boolean>,
): void {
  if (flowControl == null) return;
  const bands = [
    ["defaultPriorityBand", flowControl.defaultPriorityBand],
    ["defaultNegativePriorityBand", flowControl.defaultNegativePriorityBand],
    ...(flowControl.priorityBands ?? []).map(
      (band, index) => [`priorityBands[${index}]`, band] as const,
    ),
  ] as const;
  for (const [name, band] of bands) {
    const path = `flowControl.${name}`;
    const { fairnessPolicyRef: fairness, orderingPolicyRef: ordering } = band ?? {};
    if (fairness !== undefined) {
      table.referencedAs("fairness-policy", fairness, `${path}.fairnessPolicyRef`);
    }
    if (ordering !== undefined) {
      table.referencedAs("ordering-policy", ordering, `${path}.orderingPolicyRef`);
    }
  }
  const limit = flowControl.usageLimitPolicyPluginRef ?? "";
  if (limit !== "") {
    const path = "flowControl.usageLimitPolicyPluginRef";
    table.referencedAs("usage-limit-policy", limit, path);
  }
  const isSet = Object.keys(flowControl).some((key) => key !== "saturationDetector");
  if (isSet && featureGates.get("flowControl") !== true) {
    table.warnings.push(
      "flowControl: without the gate flowControl only its saturationDetector counts",
    );
  }
}
