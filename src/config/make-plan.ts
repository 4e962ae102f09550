import type { Plan, PluginUse } from "../core/plan.ts";
import type { Plugin } from "../core/plugin.ts";
import {
  completeDetector,
  completeParsers,
  completePolicies,
  completeProfiles,
  completeSources,
  hasOwnQueue,
  queueGate,
} from "./complete.ts";
import type { Sections } from "./document.ts";
import { flowControlOf } from "./flow-control.ts";
import { healthCheckOf, healthSettingsOf } from "./health-section.ts";
import { hintFor } from "./mistakes.ts";
import { noEffectWarnings } from "./no-effect.ts";
import { PluginTable, type PluginTableOptions } from "./plugin-table.ts";
import type { Document } from "./read-document.ts";
import { rolloutSettingsOf } from "./rollout-section.ts";
import { shadowBudgetOf } from "./shadow-section.ts";
import { signalSettingsOf } from "./signals-section.ts";
import { buildOrderOf, producerNameOf, resolveNeeds } from "./wiring.ts";

export type PlanResult =
  | { readonly kind: "planned"; readonly plan: Plan }
  /** Every mistake, each with its path: `schedulingProfiles[0].plugins[2].weight: …`. */
  | { readonly kind: "invalid"; readonly mistakes: readonly string[] };

export interface PlanOptions extends Omit<PluginTableOptions, "apiVersion"> {
  /** Gates that the command line sets; they take precedence over those of the document. */
  readonly featureGates?: readonly string[];
}

const standbyGate = "haPopulateNonLeaderDatastore";
/** Gates and their defaults. */
const gateDefaults: ReadonlyMap<string, boolean> = new Map([
  [queueGate, false],
  [standbyGate, true],
]);

/**
 * Checks and completes a document with the plugins of a registry; never throws because of the
 * document.
 */
export function makePlan(
  document: Document,
  registry: readonly Plugin[],
  { featureGates: gatesOfFlag = [], ...options }: PlanOptions,
): PlanResult {
  const table = new PluginTable(registry, { ...options, apiVersion: document.apiVersion });
  const featureGates = gatesOf(
    [
      ...(document.sections.featureGates ?? []).map((gate, index) => ({
        gate,
        path: `featureGates[${index}]`,
      })),
      ...gatesOfFlag.map((gate) => ({ gate, path: "--feature-gates" })),
    ],
    table,
  );
  for (const { index, entry } of document.plugins) {
    const path = `plugins[${index}]`;
    table.declare(entry, { path, origin: "declared" });
    table.warnings.push(...noEffectWarnings(entry, path));
  }
  const plan = completed(document, table, featureGates);
  const mistakes = [...document.mistakes, ...table.mistakes];
  return mistakes.length === 0 ? { kind: "planned", plan } : { kind: "invalid", mistakes };
}

/** Completes in the order of llm-d-router, so that plugins come in the same order. */
function completed(
  { apiVersion, profiles: declaredProfiles, sections }: Document,
  table: PluginTable,
  featureGates: ReadonlyMap<string, boolean>,
): Plan {
  const profiles = completeProfiles(declaredProfiles, table);
  const hasOwn = hasOwnQueue(table, featureGates);
  completePolicies(table, hasOwn);
  const parsers = completeParsers(sections, table);
  const detector = completeDetector(sections, table, hasOwn);
  const sources = completeSources(sections.dataLayer, table);
  const discovery = discoveryOf(sections.dataLayer, table);
  const flowControl = flowControlOf(sections.flowControl, table, {
    isOn: featureGates.get(queueGate) === true,
    hasOwn,
  });
  resolveNeeds(table);
  return {
    apiVersion,
    featureGates,
    plugins: table.plugins,
    buildOrder: buildOrderOf(table),
    profiles,
    handler: table.ofKind("profile-handler")[0]?.name ?? "",
    detector: detector?.name ?? "",
    flowControl,
    parsers,
    sources,
    discovery,
    objectives: sections.objectives ?? [],
    modelRewrites: sections.modelRewrites ?? [],
    hasDebugHeader: sections.decisions?.debugHeader ?? false,
    signals: signalSettingsOf(sections.signals),
    health: healthSettingsOf(sections.health),
    healthCheck: healthCheckOf(sections.health),
    rollout: rolloutSettingsOf(sections.rollout),
    shadowCpuBudgetRatio: shadowBudgetOf(sections.shadow),
    written: {
      flowControl: sections.flowControl,
      signals: sections.signals,
      health: sections.health,
      shadow: sections.shadow,
      rollout: sections.rollout,
    },
    producerOf: (data) => producerNameOf(data, undefined),
    warnings: table.warnings,
  };
}

/** A gate is written `name` or `name=true|false`; the last one of a name counts. */
function gatesOf(
  gates: readonly { readonly gate: string; readonly path: string }[],
  table: PluginTable,
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
    } else values.set(name, isOn);
  }
  if (values.get(standbyGate) === false) {
    table.warnings.push(`${standbyGate}=false has no effect: standbys always follow the pool`);
  }
  return values;
}

function discoveryOf(dataLayer: Sections["dataLayer"], table: PluginTable): PluginUse | undefined {
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

/**
 * Checks references even if flow control is off, so that it can be switched on later without
 * errors.
 */
