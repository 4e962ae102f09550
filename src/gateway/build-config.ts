import { makePlan } from "../config/make-plan.ts";
import { type Document, readDocument } from "../config/read-document.ts";
import {
  buildControlPlane,
  type CommandSettings,
  type ControlPlaneBuild,
} from "../control-plane/build.ts";
import type { Plan } from "../core/plan.ts";
import type { PolicyView } from "../core/policies.ts";
import { buildDataPlane } from "../data-plane/build.ts";
import type { RoutingParts } from "../data-plane/routing.ts";
import { testOnlyPlugins } from "../data-plane/scheduling/registry.ts";
import type { PluginMemory } from "../state/plugin-memory.ts";
import type { Random } from "../std/random.ts";
import { plugins } from "./plugins.ts";

/** The parts built from a plan, ready to be put in force. */
export interface Build {
  readonly document: Document;
  readonly plan: Plan;
  readonly dataPlane: RoutingParts;
  readonly controlPlane: ControlPlaneBuild;
  /**
   * Commits the memory of its plugins and drops that of plugins it does not have. Call it once the
   * build is in force.
   */
  keepMemory(): void;
}

export type BuildResult =
  | { readonly kind: "built"; readonly build: Build }
  | { readonly kind: "invalid"; readonly mistakes: readonly string[] };

export interface BuildDeps extends CommandSettings {
  readonly memory: PluginMemory;
  readonly random: Random;
  /**
   * Priorities and rewrites from objects of a cluster; they take precedence over the document's.
   */
  readonly policies?: PolicyView;
  /** True if plugins for test set-ups may be loaded. */
  readonly allowsTestOnly: boolean;
  /** Feature gates of the command line; they take precedence over those of each document. */
  readonly featureGates?: readonly string[];
}

/** Parses, plans and builds a document. Changes nothing if the text has mistakes. */
export function buildConfig(text: string, deps: BuildDeps): BuildResult {
  const { memory, random, policies, allowsTestOnly, featureGates = [] } = deps;
  const read = readDocument(text);
  if (read.kind === "invalid") return read;
  const { document } = read;
  const options = { testOnly: testOnlyPlugins, allowsTestOnly, featureGates };
  const planned = makePlan(document, plugins, options);
  if (planned.kind === "invalid") return planned;
  const { plan } = planned;
  const { states, keep } = memory.open();
  const control = buildControlPlane(plan, deps);
  const lists = control.kind === "built" ? control.build : noLists;
  const data = buildDataPlane(plan, { ...lists, random, states, policies });
  if (data.kind === "invalid" || control.kind === "invalid") {
    return { kind: "invalid", mistakes: [data, control].flatMap(mistakesOf) };
  }
  return {
    kind: "built",
    build: { document, plan, dataPlane: data.build, controlPlane: control.build, keepMemory: keep },
  };
}

const noLists = { listsModels: false, refusesUnknownModels: false, refusesNameless: false };

function mistakesOf(
  result: { readonly kind: "built" } | Extract<BuildResult, { readonly kind: "invalid" }>,
): readonly string[] {
  return result.kind === "invalid" ? result.mistakes : [];
}
