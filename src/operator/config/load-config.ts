import type { z } from "zod";
import { LineCounter, parseDocument } from "yaml";
import type { DeclaredPlugin } from "../../core/plugin.ts";
import { closestTo } from "../../std/spelling.ts";
import { type ConfigDocument, documentSchema, sectionsNotBuilt } from "./document.ts";
import { plannedPlugins } from "./planned-plugins.ts";

/** Any plugin of a registry, as far as a document is concerned. */
type AnyPlugin = DeclaredPlugin<string, unknown, never>;

/** A plugin that a document names, with its parameters checked. */
export interface ConfiguredPlugin<P extends AnyPlugin = AnyPlugin> {
  readonly name: string;
  readonly plugin: P;
  /** As written; `plugin.load` has accepted them. */
  readonly parameters: unknown;
}

interface ConfiguredProfile<P extends AnyPlugin = AnyPlugin> {
  readonly name: string;
  readonly plugins: readonly { readonly use: ConfiguredPlugin<P>; readonly weight: number }[];
}

/** A document with every reference resolved and every default in place. */
export interface PickerConfig<P extends AnyPlugin = AnyPlugin> {
  readonly plugins: ReadonlyMap<string, ConfiguredPlugin<P>>;
  readonly profiles: readonly ConfiguredProfile<P>[];
  readonly discovery: ConfiguredPlugin<P> | undefined;
}

export type ConfigResult<P extends AnyPlugin> =
  | { readonly kind: "loaded"; readonly config: PickerConfig<P> }
  /** Every mistake, each with its path: `schedulingProfiles[0].plugins[2].weight: …`. */
  | { readonly kind: "invalid"; readonly mistakes: readonly string[] };

/** Largest document read, in bytes; etcd takes no larger ConfigMap either. */
const documentBytesMax = 1024 * 1024;

/** Plugin kinds that belong into a scheduling profile. */
const profileKinds: ReadonlySet<string> = new Set(["filter", "scorer", "picker"]);

const injectedHandler = "single-profile-handler";
const injectedPicker = "max-score-picker";

/** The document in force where none is given. */
export const defaultConfigText = `apiVersion: llm-d.ai/v1alpha1
kind: EndpointPickerConfig
plugins:
- type: queue-scorer
- type: kv-cache-utilization-scorer
- type: active-request-scorer
- type: lora-affinity-scorer
schedulingProfiles:
- name: default
  plugins:
  - pluginRef: queue-scorer
    weight: 2
  - pluginRef: kv-cache-utilization-scorer
    weight: 2
  - pluginRef: active-request-scorer
    weight: 2
  - pluginRef: lora-affinity-scorer
    weight: 1
`;

/** Parses, validates and completes a document; never throws for what a document says. */
export function loadConfig<P extends AnyPlugin>(
  text: string,
  registry: readonly P[],
): ConfigResult<P> {
  const parsed = parseText(text);
  if (parsed.kind === "invalid") return parsed;
  const notBuilt = sectionMistakes(parsed.value);
  const shape = documentSchema.safeParse(withoutSections(parsed.value));
  if (!shape.success) {
    return { kind: "invalid", mistakes: [...notBuilt, ...shape.error.issues.map(issueText)] };
  }
  const loader = new DocumentLoader(registry, notBuilt);
  const config = loader.load(shape.data);
  return loader.mistakes.length === 0
    ? { kind: "loaded", config }
    : { kind: "invalid", mistakes: loader.mistakes };
}

class DocumentLoader<P extends AnyPlugin> {
  readonly mistakes: string[];
  readonly #registry: ReadonlyMap<string, P>;
  readonly #plugins = new Map<string, ConfiguredPlugin<P>>();
  /** Plugins of a type there is not: a reference to one is no second mistake. */
  readonly #refusedNames = new Set<string>();

  constructor(registry: readonly P[], mistakes: readonly string[]) {
    this.#registry = new Map(registry.map((plugin) => [plugin.type, plugin]));
    this.mistakes = [...mistakes];
  }

  load(document: ConfigDocument): PickerConfig<P> {
    for (const [index, gate] of (document.featureGates ?? []).entries()) {
      this.#checkGate(gate, `featureGates[${index}]`);
    }
    for (const [index, plugin] of (document.plugins ?? []).entries()) {
      this.#declare(plugin, `plugins[${index}]`);
    }
    const profiles = this.#profilesOf(document);
    this.#injectHandler();
    return {
      plugins: this.#plugins,
      profiles,
      discovery: this.#discoveryOf(document),
    };
  }

  /** A gate is written `name` or `name=true|false`. */
  #checkGate(gate: string, path: string): void {
    const [, name = "", value = "true"] = /^([^=]*)(?:=(.*))?$/s.exec(gate) ?? [];
    if (name !== "flowControl" && name !== "haPopulateNonLeaderDatastore") {
      this.mistakes.push(`${path}: there is no gate ${JSON.stringify(name)}`);
    } else if (value !== "true" && value !== "false") {
      this.mistakes.push(`${path}: ${name} is true or false, not ${JSON.stringify(value)}`);
    } else if (name === "flowControl" && value === "true") {
      this.mistakes.push(`${path}: flowControl is known and not built yet`);
    }
  }

  #declare({ name, type, parameters }: PluginEntry, path: string): void {
    const plugin = this.#registry.get(type);
    if (plugin === undefined) {
      this.mistakes.push(`${path}.type: ${this.#unknownType(type)}`);
      this.#refusedNames.add(name ?? type);
      return;
    }
    const key = name ?? type;
    if (this.#plugins.has(key)) {
      this.mistakes.push(`${path}.name: ${JSON.stringify(key)} is taken by another plugin`);
      return;
    }
    const loaded = plugin.load(parameters ?? {});
    if (loaded.kind === "invalid") {
      for (const { path: inner, message } of loaded.mistakes) {
        this.mistakes.push(`${path}.parameters${pathText(inner)}: ${message}`);
      }
    }
    this.#plugins.set(key, { name: key, plugin, parameters: parameters ?? {} });
  }

  #unknownType(type: string): string {
    if (plannedPlugins.has(type)) return `${type} is known and not built yet`;
    const suggestion = closestTo(type, [...this.#registry.keys(), ...plannedPlugins]);
    const hint = suggestion === undefined ? "" : `; did you mean ${suggestion}?`;
    return `there is no plugin ${JSON.stringify(type)}${hint}`;
  }

  #profilesOf(document: ConfigDocument): ConfiguredProfile<P>[] {
    const declared = document.schedulingProfiles;
    if (declared === undefined || declared.length === 0) return [this.#profileOfEverything()];
    const names = new Set<string>();
    return declared.map((profile, index) => {
      const path = `schedulingProfiles[${index}]`;
      if (names.has(profile.name)) {
        this.mistakes.push(`${path}.name: ${JSON.stringify(profile.name)} is taken`);
      }
      names.add(profile.name);
      const plugins = (profile.plugins ?? []).flatMap((entry, position) =>
        this.#profilePlugin(entry, `${path}.plugins[${position}]`),
      );
      return this.#withPicker({ name: profile.name, plugins }, `${path}.plugins`);
    });
  }

  /** Without profiles, one named `default` uses every filter, scorer and picker there is. */
  #profileOfEverything(): ConfiguredProfile<P> {
    const plugins = [...this.#plugins.values()]
      .filter(({ plugin }) => profileKinds.has(plugin.kind))
      .map((use) => ({ use, weight: 1 }));
    return this.#withPicker({ name: "default", plugins }, "plugins");
  }

  #profilePlugin(
    { pluginRef, weight }: { pluginRef: string; weight?: number | undefined },
    path: string,
  ): { use: ConfiguredPlugin<P>; weight: number }[] {
    const use = this.#referenced(pluginRef, `${path}.pluginRef`);
    if (use === undefined) return [];
    if (!profileKinds.has(use.plugin.kind)) {
      this.mistakes.push(
        `${path}.pluginRef: ${pluginRef} is a ${use.plugin.kind}; a profile takes filters, scorers and a picker`,
      );
      return [];
    }
    return [{ use, weight: weight ?? 1 }];
  }

  #withPicker(profile: ConfiguredProfile<P>, path: string): ConfiguredProfile<P> {
    const pickers = profile.plugins.filter(({ use }) => use.plugin.kind === "picker");
    if (pickers.length > 1) {
      const names = pickers.map(({ use }) => use.name).join(", ");
      this.mistakes.push(`${path}: a profile has one picker, this one has ${names}`);
    }
    if (pickers.length > 0) return profile;
    const use = this.#injected(injectedPicker);
    return use === undefined
      ? profile
      : { ...profile, plugins: [...profile.plugins, { use, weight: 1 }] };
  }

  #injectHandler(): void {
    const handlers = [...this.#plugins.values()].filter(
      ({ plugin }) => plugin.kind === "profile-handler",
    );
    if (handlers.length === 0) this.#injected(injectedHandler);
    if (handlers.length > 1) {
      const names = handlers.map(({ name }) => name).join(", ");
      this.mistakes.push(`plugins: there is one profile handler at most, these are ${names}`);
    }
  }

  #discoveryOf(document: ConfigDocument): ConfiguredPlugin<P> | undefined {
    const ref = document.dataLayer?.discovery?.pluginRef;
    for (const [index, source] of (document.dataLayer?.sources ?? []).entries()) {
      const path = `dataLayer.sources[${index}]`;
      this.#referenced(source.pluginRef, `${path}.pluginRef`);
      for (const [position, { pluginRef }] of (source.extractors ?? []).entries()) {
        this.#referenced(pluginRef, `${path}.extractors[${position}].pluginRef`);
      }
    }
    if (ref === undefined) return undefined;
    const use = this.#referenced(ref, "dataLayer.discovery.pluginRef");
    if (use !== undefined && use.plugin.kind !== "discovery") {
      this.mistakes.push(`dataLayer.discovery.pluginRef: ${ref} is a ${use.plugin.kind}`);
    }
    return use;
  }

  #referenced(ref: string, path: string): ConfiguredPlugin<P> | undefined {
    const use = this.#plugins.get(ref);
    if (use === undefined && !this.#refusedNames.has(ref)) {
      const suggestion = closestTo(ref, this.#plugins.keys());
      const hint = suggestion === undefined ? "" : `; did you mean ${suggestion}?`;
      this.mistakes.push(`${path}: no plugin is named ${JSON.stringify(ref)}${hint}`);
    }
    return use;
  }

  /** The plugin of this type, declared with its defaults where the document has none. */
  #injected(type: string): ConfiguredPlugin<P> | undefined {
    const existing = [...this.#plugins.values()].find(({ plugin }) => plugin.type === type);
    if (existing !== undefined) return existing;
    this.#declare({ type }, type);
    return this.#plugins.get(type);
  }
}

type PluginEntry = NonNullable<ConfigDocument["plugins"]>[number];

type ParsedText =
  | { readonly kind: "parsed"; readonly value: unknown }
  | { readonly kind: "invalid"; readonly mistakes: readonly string[] };

function parseText(text: string): ParsedText {
  if (Buffer.byteLength(text) > documentBytesMax) {
    return { kind: "invalid", mistakes: [`the document is larger than ${documentBytesMax} bytes`] };
  }
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, prettyErrors: false });
  if (document.errors.length > 0) {
    const mistakes = document.errors.map(({ message, pos }) => {
      const { line, col } = lineCounter.linePos(pos[0]);
      return `line ${line}, column ${col}: ${message}`;
    });
    return { kind: "invalid", mistakes };
  }
  try {
    // The limit on aliases keeps a small document from unfolding into gigabytes.
    const value: unknown = document.toJS({ maxAliasCount: 100 });
    return value === null || value === undefined
      ? { kind: "invalid", mistakes: ["the document is empty"] }
      : { kind: "parsed", value };
  } catch (cause) {
    return {
      kind: "invalid",
      mistakes: [cause instanceof Error ? cause.message : String(cause)],
    };
  }
}

function sectionMistakes(value: unknown): string[] {
  return sectionsNotBuilt
    .filter((section) => isRecord(value) && value[section] !== undefined)
    .map((section) => `${section}: known and not built yet`);
}

function withoutSections(value: unknown): unknown {
  if (!isRecord(value)) return value;
  return Object.fromEntries(
    Object.entries(value).filter(([key]) => !sectionsNotBuilt.includes(key)),
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function issueText(issue: z.core.$ZodIssue): string {
  const path = pathText(issue.path).replace(/^\./, "");
  return path === "" ? issue.message : `${path}: ${issue.message}`;
}

/** `.plugins[2].weight` */
function pathText(path: readonly PropertyKey[]): string {
  return path.map((key) => (typeof key === "number" ? `[${key}]` : `.${String(key)}`)).join("");
}
