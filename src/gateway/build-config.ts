import { hash } from "node:crypto";
import { buildConfigured, type Configured } from "./configured.ts";
import type { PolicyView } from "../core/policies.ts";
import { loadConfig } from "../config/load-config.ts";
import { type GatewayConfig, plugins } from "./plugins.ts";
import { testOnlyPlugins } from "../data-plane/scheduling/registry.ts";
import type { PluginMemory } from "../state/plugin-memory.ts";
import type { Random } from "../std/random.ts";

/** A document that was loaded and built, and is ready to be in force. */
export interface BuiltConfig {
  readonly text: string;
  /** SHA-256 of the text, in hex. */
  readonly hash: string;
  readonly config: GatewayConfig;
  readonly configured: Configured;
  /** Makes what its plugins remember all that is remembered; call once it is in force. */
  keepMemory(): void;
}

export type BuildResult =
  | { readonly kind: "built"; readonly built: BuiltConfig }
  | { readonly kind: "invalid"; readonly mistakes: readonly string[] };

export interface BuildDeps {
  readonly memory: PluginMemory;
  readonly random: Random;
  /** What objects of a cluster say of requests, before what the document says. */
  readonly policies?: PolicyView;
  /** Whether plugins for test set-ups may be loaded. */
  readonly allowsTestOnly: boolean;
  /** Feature gates of the command line, over those of each document. */
  readonly featureGates?: readonly string[];
}

/** Parses, validates and builds a document, without a trace where anything is wrong with it. */
export function buildConfig(text: string, deps: BuildDeps): BuildResult {
  const { memory, random, policies, allowsTestOnly, featureGates = [] } = deps;
  const options = { testOnly: testOnlyPlugins, allowsTestOnly, featureGates };
  const loaded = loadConfig(text, plugins, options);
  if (loaded.kind === "invalid") return loaded;
  const { states, keep } = memory.open();
  const result = buildConfigured(loaded.config, { random, states, policies });
  if (result.kind === "invalid") return result;
  return {
    kind: "built",
    built: {
      text,
      hash: hashOf(text),
      config: loaded.config,
      configured: result.configured,
      keepMemory: keep,
    },
  };
}

/** What one text is told from another by. */
export function hashOf(text: string): string {
  return hash("sha256", text);
}
