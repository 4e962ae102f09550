import type { PluginOrigin, PluginUse } from "../core/plan.ts";
import type { Plugin, PluginKind } from "../core/plugin.ts";
import { ownApiVersion } from "./document.ts";
import { hintFor, mistakesOf } from "./mistakes.ts";
import { plannedPlugins } from "./planned-plugins.ts";

/** The flag that allows types for test set-ups. */
const testOnlySwitch = "--enable-conformance-plugins";

export interface PluginTableOptions {
  /** Types that may not be loaded unless `--enable-conformance-plugins` is on. */
  readonly testOnly: ReadonlySet<string>;
  readonly allowsTestOnly: boolean;
  /** The group of the document; plugins that llm-d-router lacks need `ownApiVersion`. */
  readonly apiVersion: string;
}

/** The plugins of one document by name, in order of declaration; collects mistakes. */
export class PluginTable {
  readonly mistakes: string[] = [];
  readonly warnings: string[] = [];
  readonly #registry: ReadonlyMap<string, Plugin>;
  readonly #options: PluginTableOptions;
  readonly #plugins = new Map<string, PluginUse>();
  /** Path of each plugin in the document, or its type if the document does not declare it. */
  readonly #paths = new Map<string, string>();
  /** Refused plugins: a reference to one is not a second mistake. */
  readonly #refusedNames = new Set<string>();

  constructor(registry: readonly Plugin[], options: PluginTableOptions) {
    this.#registry = new Map(
      registry.flatMap((plugin) =>
        [plugin.type, ...(plugin.aliases ?? [])].map((type) => [type, plugin] as const),
      ),
    );
    this.#options = options;
  }

  get plugins(): ReadonlyMap<string, PluginUse> {
    return this.#plugins;
  }

  /** Declares a plugin at `path` of the document; undefined, with a mistake, if it is invalid. */
  declare(
    { name, type, parameters }: { name?: string | undefined; type: string; parameters?: unknown },
    { path, origin }: { readonly path: string; readonly origin: PluginOrigin },
  ): PluginUse | undefined {
    const key = name ?? type;
    const plugin = this.#registry.get(type);
    const refusal = plugin === undefined ? this.#unknownType(type) : this.#notAllowed(plugin);
    if (plugin === undefined || refusal !== undefined) {
      this.mistakes.push(`${origin === "declared" ? `${path}.type` : path}: ${refusal}`);
      this.#refusedNames.add(key);
      return undefined;
    }
    if (this.#plugins.has(key) || this.#refusedNames.has(key)) {
      this.mistakes.push(`${path}.name: ${JSON.stringify(key)} is taken by another plugin`);
      return undefined;
    }
    if (plugin.type !== type) {
      this.warnings.push(`${path}.type: ${type} is an older name of ${plugin.type}`);
    }
    const loaded = plugin.load(parameters ?? {});
    if (loaded.kind === "invalid") {
      const inner = `${path}.parameters`;
      for (const issue of loaded.mistakes) {
        this.mistakes.push(...mistakesOf(issue, plugin.params, inner));
      }
      this.#refusedNames.add(key);
      return undefined;
    }
    const use: PluginUse = { name: key, plugin, loaded, origin };
    this.#plugins.set(key, use);
    this.#paths.set(key, path);
    return use;
  }

  /**
   * The plugin that a reference names. Undefined if there is none, with a mistake unless that
   * plugin was refused before.
   */
  referenced(ref: string, path: string): PluginUse | undefined {
    const use = this.#plugins.get(ref);
    if (use === undefined && !this.#refusedNames.has(ref)) {
      const hint = hintFor(ref, this.#plugins.keys());
      this.mistakes.push(`${path}: no plugin is named ${JSON.stringify(ref)}${hint}`);
    }
    return use;
  }

  /** The plugin that a reference names, which must be of this kind. */
  referencedAs(kind: PluginKind, ref: string, path: string): PluginUse | undefined {
    const use = this.referenced(ref, path);
    if (use === undefined || use.plugin.kinds.includes(kind)) return use;
    const kinds = use.plugin.kinds.map(withArticle).join(" and ");
    this.mistakes.push(`${path}: ${ref} is ${kinds}, not ${withArticle(kind)}`);
    return undefined;
  }

  /**
   * The plugin named like its type, declared with its defaults if the document has none. `path` is
   * the part of the document that asks for it.
   */
  provided(type: string, origin: PluginOrigin, path = type): PluginUse | undefined {
    if (this.#refusedNames.has(type)) return undefined;
    return this.#plugins.get(type) ?? this.#added({ type }, { path, origin });
  }

  /** Adds a plugin with these parameters, unless the document has one of this name. */
  injected(type: string, parameters: object): void {
    if (this.#refusedNames.has(type) || this.#plugins.has(type)) return;
    this.#added({ type, parameters }, { path: type, origin: "injected" });
  }

  #added(...[entry, place]: Parameters<PluginTable["declare"]>): PluginUse | undefined {
    const use = this.declare(entry, place);
    if (use !== undefined) this.#paths.set(entry.type, entry.type);
    return use;
  }

  /** Path of a plugin, such as `plugins[2]`, or its type if the document does not declare it. */
  pathOf(name: string): string {
    return this.#paths.get(name) ?? name;
  }

  get apiVersion(): string {
    return this.#options.apiVersion;
  }

  hasType(type: string): boolean {
    return this.#registry.has(type);
  }

  ofKind(kind: PluginKind): PluginUse[] {
    return [...this.#plugins.values()].filter(({ plugin }) => plugin.kinds.includes(kind));
  }

  #unknownType(type: string): string {
    if (plannedPlugins.has(type)) return `${type} is known and not built yet`;
    const hint = hintFor(type, [...this.#registry.keys(), ...plannedPlugins]);
    return `there is no plugin ${JSON.stringify(type)}${hint}`;
  }

  #notAllowed({ type, isOwn }: Plugin): string | undefined {
    const { testOnly, allowsTestOnly, apiVersion } = this.#options;
    if (isOwn === true && apiVersion !== ownApiVersion) {
      return `${type} is Pointsman's own and llm-d-router does not know it; a document that uses it needs apiVersion: ${ownApiVersion}`;
    }
    if (allowsTestOnly || !testOnly.has(type)) return undefined;
    return `${type} is for test set-ups and lets clients choose; ${testOnlySwitch} allows it`;
  }
}

/** `a scorer`, `an extractor` */
export function withArticle(noun: string): string {
  return `${/^[aeiou]/.test(noun) && !noun.startsWith("usage") ? "an" : "a"} ${noun}`;
}
