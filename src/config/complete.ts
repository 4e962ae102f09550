import type { PlannedProfile, PlannedSource, PluginUse } from "../core/plan.ts";
import type { Plugin } from "../core/plugin.ts";
import { ownApiVersion, type ProfileEntry, type Sections } from "./document.ts";
import { type PluginTable, withArticle } from "./plugin-table.ts";
import { blindPickers, profileWarnings } from "./profile-warnings.ts";
import type { Placed } from "./read-document.ts";

const handlerType = "single-profile-handler";
const pickerType = "max-score-picker";
const scorerType = "expected-latency-scorer";
const filterType = "stored-response-filter";
const sessionType = "conversation-producer";
/** Of the sessions, the filter needs only their senders. */
const keyedSessions = { readsPrompt: false };
const detectorType = "utilization-detector";
/** In documents of our own `apiVersion`, under the gate of the queue. */
const ownDetectorType = "expected-wait-detector";
export const ownOrderingType = "response-ratio-ordering-policy";
export const queueGate = "flowControl";
const sourceType = "metrics-data-source";
const extractorType = "core-metrics-extractor";
const policyTypes = [
  "fcfs-ordering-policy",
  "global-strict-fairness-policy",
  "static-usage-limit-policy",
];
const parserTypes = ["openai-parser", "anthropic-parser", "vllmhttp-parser", "passthrough-parser"];

/**
 * Resolves the profiles; without any, one named `default` uses every filter, scorer and picker. If a document of our own
 * `apiVersion` declares neither profiles nor scorers, that profile gets those of the default document.
 */
export function completeProfiles(
  declared: readonly Placed<ProfileEntry>[] | undefined,
  table: PluginTable,
): PlannedProfile[] {
  const isDeclared = declared !== undefined && declared.length > 0;
  const profiles = isDeclared ? declaredProfiles(declared, table) : [profileOfEverything(table)];
  const handlers = table.ofKind("profile-handler");
  if (handlers.length === 0 && profiles.length === 1) table.provided(handlerType, "injected");
  else if (handlers.length !== 1) {
    const which = handlers.map(({ name }) => name).join(", ") || "none";
    table.mistakes.push(
      `plugins: ${profiles.length} scheduling profiles need one profile handler; there are: ${which}`,
    );
  }
  // One picker serves every profile that names none.
  const [picker = table.provided(pickerType, "injected")] = table.ofKind("picker");
  const whole = profiles.map((profile) => withPicker(profile, picker));
  for (const [position, profile] of whole.entries()) {
    const path = isDeclared ? `schedulingProfiles[${declared[position]?.index}]` : "plugins";
    table.warnings.push(...profileWarnings(profile, path));
  }
  return whole;
}

function profileOfEverything(table: PluginTable): PlannedProfile {
  const isBlind = table.ofKind("picker").some(({ plugin }) => blindPickers.has(plugin.type));
  const hasScorer = table.ofKind("scorer").length > 0;
  const isOwn = table.apiVersion === ownApiVersion && table.hasType(scorerType);
  if (isOwn && !hasScorer && !isBlind) {
    table.injected(sessionType, keyedSessions);
    table.provided(filterType, "injected");
    table.provided(scorerType, "injected");
  }
  const plugins = [...table.plugins.values()]
    .filter(({ plugin }) => belongsInProfile(plugin))
    .map((use) => ({ use, weight: 1 }));
  checkPickers(plugins, { path: "plugins", table });
  return { name: "default", plugins };
}

function declaredProfiles(
  declared: readonly Placed<ProfileEntry>[],
  table: PluginTable,
): PlannedProfile[] {
  const names = new Set<string>();
  return declared.map(({ index, entry }) => {
    const path = `schedulingProfiles[${index}]`;
    if (names.has(entry.name)) {
      table.mistakes.push(`${path}.name: ${JSON.stringify(entry.name)} is taken`);
    }
    names.add(entry.name);
    const plugins = (entry.plugins ?? []).flatMap(({ pluginRef, weight }, position) => {
      const at = `${path}.plugins[${position}]`;
      const use = table.referenced(pluginRef, `${at}.pluginRef`);
      if (use === undefined) return [];
      if (!belongsInProfile(use.plugin)) {
        const kinds = use.plugin.kinds.map(withArticle).join(" and ");
        table.warnings.push(`${at}.pluginRef: ${pluginRef} is ${kinds} and does nothing here`);
      }
      return [{ use, weight: weight ?? 1 }];
    });
    checkPickers(plugins, { path: `${path}.plugins`, table });
    return { name: entry.name, plugins };
  });
}

function checkPickers(
  plugins: PlannedProfile["plugins"],
  { path, table }: { readonly path: string; readonly table: PluginTable },
): void {
  const pickers = plugins.filter(({ use }) => use.plugin.kinds.includes("picker"));
  if (pickers.length <= 1) return;
  const which = pickers.map(({ use }) => use.name).join(", ");
  table.mistakes.push(`${path}: a profile has one picker, this one has ${which}`);
}

function withPicker(profile: PlannedProfile, picker: PluginUse | undefined): PlannedProfile {
  const hasPicker = profile.plugins.some(({ use }) => use.plugin.kinds.includes("picker"));
  if (hasPicker || picker === undefined) return profile;
  return { ...profile, plugins: [...profile.plugins, { use: picker, weight: 1 }] };
}

function belongsInProfile({ kinds }: Plugin): boolean {
  return kinds.some((kind) => kind === "filter" || kind === "scorer" || kind === "picker");
}

/** Adds the policies that flow control falls back to; they exist even if it is off. */
export function completePolicies(table: PluginTable, hasOwn: boolean): void {
  for (const type of policyTypes) table.provided(type, "injected");
  if (hasOwn) table.provided(ownOrderingType, "injected");
}

/** The parsers in their order; without any, those of the APIs that engines usually serve. */
export function completeParsers(
  { requestHandler, parser }: Pick<Sections, "requestHandler" | "parser">,
  table: PluginTable,
): PluginUse[] {
  const named = requestHandler?.parsers ?? [];
  const isOlderForm = named.length === 0 && parser !== undefined && parser !== null;
  if (parser !== undefined && parser !== null) {
    table.warnings.push("parser: older form of requestHandler.parsers, which takes precedence");
  }
  const refs = (isOlderForm ? [parser] : named).map(({ pluginRef }) => pluginRef);
  if (refs.length === 0) {
    return parserTypes.flatMap((type) => table.provided(type, "injected") ?? []);
  }
  return refs.flatMap((ref, index) => {
    const path = isOlderForm ? "parser.pluginRef" : `requestHandler.parsers[${index}].pluginRef`;
    // A parser's type is enough: it needs no entry in `plugins`.
    if (!table.plugins.has(ref) && table.hasType(ref)) table.provided(ref, "injected", path);
    return table.referencedAs("parser", ref, path) ?? [];
  });
}

/** True if the queue is on in a document of our own `apiVersion`, so that it needs no settings. */
export function hasOwnQueue(
  table: PluginTable,
  featureGates: ReadonlyMap<string, boolean>,
): boolean {
  const isOwn = table.apiVersion === ownApiVersion && table.hasType(ownDetectorType);
  return isOwn && featureGates.get(queueGate) === true;
}

/** The saturation detector in force. `hasOwn`: as `hasOwnQueue` says. */
export function completeDetector(
  document: Pick<Sections, "flowControl" | "saturationDetector">,
  table: PluginTable,
  hasOwn: boolean,
): PluginUse | undefined {
  const { flowControl, saturationDetector: older } = document;
  if (older !== undefined && older !== null) {
    table.warnings.push(
      "saturationDetector: older place of flowControl.saturationDetector, which takes precedence",
    );
  }
  const newer = flowControl?.saturationDetector?.pluginRef;
  const isOlderPlace = flowControl?.saturationDetector == null && older != null;
  const byDefault = hasOwn ? ownDetectorType : detectorType;
  const ref = (isOlderPlace ? older.pluginRef : newer) || byDefault;
  if (ref === byDefault) table.provided(ref, "injected");
  const path = isOlderPlace ? "saturationDetector" : "flowControl.saturationDetector";
  return table.referencedAs("saturation-detector", ref, `${path}.pluginRef`);
}

/**
 * The data sources with their extractors; the default pair is added unless the document opts out.
 */
export function completeSources(
  dataLayer: Sections["dataLayer"],
  table: PluginTable,
): PlannedSource[] {
  const declared = (dataLayer?.sources ?? []).flatMap((source, index) => {
    const path = `dataLayer.sources[${index}]`;
    const use = table.referencedAs("data-source", source.pluginRef, `${path}.pluginRef`);
    const extractors = (source.extractors ?? []).flatMap(
      ({ pluginRef }, position) =>
        table.referencedAs("extractor", pluginRef, `${path}.extractors[${position}].pluginRef`) ??
        [],
    );
    return use === undefined ? [] : [{ source: use, extractors }];
  });
  if (hasDefaultSource(declared) || dataLayer?.injectDefaults === false) return declared;
  const source = table.provided(sourceType, "injected");
  const extractor = table.provided(extractorType, "injected");
  if (source === undefined || extractor === undefined) return declared;
  return [...declared, { source, extractors: [extractor] }];
}

/** True if the sources include the one that is otherwise added by default. */
export function hasDefaultSource(sources: readonly PlannedSource[]): boolean {
  return sources.some(({ source }) => source.plugin.type === sourceType);
}
