import type { Capabilities } from "../core/data-plane-plugin.ts";
import type { BodyRules } from "../core/parse-result.ts";
import { type Plan, usesOf } from "../core/plan.ts";
import type { PolicyView, RewriteRule } from "../core/policies.ts";
import type { RequestHead } from "../core/request.ts";
import { flowRulesOf } from "./flow-rules.ts";
import { createModelRewrite, targetHeaderOf } from "./model-rewrite.ts";
import { parserPlugins } from "./parsing/parser-plugins.ts";
import { createRequestReader } from "./parsing/request-reader.ts";
import { decisionPlugins } from "./plugins.ts";
import type { RoutingParts } from "./routing.ts";
import { buildGraph, type GraphDeps } from "./scheduling/build-graph.ts";

export type DataPlaneResult =
  | { readonly kind: "built"; readonly build: RoutingParts }
  | { readonly kind: "invalid"; readonly mistakes: readonly string[] };

export interface DataPlaneBuildDeps extends GraphDeps {
  /** Priorities and model rewrites of the cluster, which take precedence over those of the plan. */
  readonly policies: PolicyView | undefined;
  /** True if the picker asks endpoints which models they serve. */
  readonly listsModels: boolean;
  readonly refusesUnknownModels: boolean;
  readonly refusesNameless: boolean;
}

/** Builds the parts of a plan that handle requests. Its only side effect is that plugins open their memory. */
export function buildDataPlane(plan: Plan, deps: DataPlaneBuildDeps): DataPlaneResult {
  const result = buildGraph(usesOf(decisionPlugins, plan.buildOrder), plan, deps);
  if (result.kind === "invalid") return result;
  const { policies, random, listsModels, refusesUnknownModels, refusesNameless } = deps;
  const rewriteRules = rewriteRulesOf(plan, policies);
  const rewriteModel = createModelRewrite(rewriteRules, random);
  const readsModels =
    listsModels || [...plan.plugins.values()].some(({ plugin }) => plugin.readsModel);
  const usesModel = (head: RequestHead) =>
    readsModels || rewriteRules().length > 0 || targetHeaderOf(head) !== undefined;
  const parserUses = usesOf(parserPlugins, plan.parsers);
  const parsers = parserUses.map(({ loaded }) => loaded.build({}));
  const reader = createRequestReader(parsers, {
    refusesNameless: (head) => refusesNameless && rewriteModel(head, "") === "",
    usesModel,
  });
  return {
    kind: "built",
    build: {
      graph: result.graph,
      flow: flowRulesOf(plan, result, objectivePrioritiesOf(plan, policies)),
      reader,
      rewriteModel,
      rewriteRules,
      usesModel,
      agentIdOf: agentIdIn(result.instances),
      bodyRules: bodyRulesOf(
        parserUses.map(({ plugin }) => plugin.type),
        () => readsModels || rewriteRules().length > 0,
      ),
      priorityOf: priorityOf(plan, policies),
      hasDebugHeader: plan.hasDebugHeader,
      refusesUnknownModels,
    },
  };
}

function bodyRulesOf(parsers: readonly string[], usesModel: () => boolean): () => BodyRules {
  let rules: BodyRules = { parsers, usesModel: usesModel() };
  return () => {
    if (rules.usesModel !== usesModel()) rules = { parsers, usesModel: usesModel() };
    return rules;
  };
}

function priorityOf({ objectives }: Plan, policies: PolicyView | undefined) {
  const own = new Map(objectives.map(({ name, priority }) => [name, priority]));
  return (objective: string) => policies?.priorityOf(objective) ?? own.get(objective);
}

function rewriteRulesOf({ modelRewrites }: Plan, policies: PolicyView | undefined) {
  if (policies === undefined) return () => modelRewrites;
  let ofCluster: readonly RewriteRule[] | undefined;
  let rules: readonly RewriteRule[] = modelRewrites;
  return () => {
    if (policies.rewriteRules !== ofCluster) {
      ofCluster = policies.rewriteRules;
      rules = [...ofCluster, ...modelRewrites];
    }
    return rules;
  };
}

/** The first plugin that reads the identity of agents. */
function agentIdIn(instances: ReadonlyMap<string, Capabilities>) {
  return [...instances.values()].find(({ agentIdOf }) => agentIdOf !== undefined)?.agentIdOf;
}

function objectivePrioritiesOf({ objectives }: Plan, policies: PolicyView | undefined) {
  const own = objectives.map(({ priority }) => priority);
  let ofCluster: readonly number[] | undefined;
  let all: readonly number[] = own;
  return () => {
    if (policies !== undefined && policies.objectivePriorities !== ofCluster) {
      ofCluster = policies.objectivePriorities;
      all = [...new Set([...own, ...ofCluster])];
    }
    return all;
  };
}
