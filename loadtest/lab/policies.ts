import { readFileSync, readdirSync } from "node:fs";
import { defaultConfigText } from "../../src/config/default-document.ts";
import type { RequestHooks, Scorer } from "../../src/core/data-plane-plugin.ts";
import type { LabView, Policy } from "../../src/replay/lab/policy.ts";
import { baselines } from "./baselines/baselines.ts";
import { whatIfs } from "./what-ifs.ts";

/** A baseline: a scorer that only the lab has, and its hooks into the life of requests. */
export interface Baseline {
  readonly summary: string;
  readonly policy: (view: LabView) => { readonly scorer: Scorer; readonly hooks?: RequestHooks };
}

const folder = new URL("policies/", import.meta.url);

/** A document whose graph has a profile, a picker and, as data for baselines, tokens in flight. */
const baselineDocument = `apiVersion: llm-d.ai/v1alpha1
kind: EndpointPickerConfig
plugins:
- type: approx-prefix-cache-producer
- type: inflight-load-producer
- type: token-load-scorer
- type: max-score-picker
schedulingProfiles:
- name: default
  plugins:
  - pluginRef: token-load-scorer
  - pluginRef: max-score-picker
`;

/** The document that a picker has without one, as every build has it. */
const ownName = "pointsman";

/** The named documents of the lab. */
export function documentNames(): readonly string[] {
  const files = readdirSync(folder).filter((file) => file.endsWith(".yaml"));
  return [ownName, ...files.map((file) => file.slice(0, -".yaml".length))].toSorted();
}

/** A policy by its name, or a document by its path. */
export function policyOf(name: string): Policy {
  const baseline = baselines[name];
  if (baseline !== undefined) return baselinePolicy(name, baseline);
  const whatIf = whatIfs[name];
  if (whatIf !== undefined) return whatIf;
  if (name === ownName) return { name, document: defaultConfigText };
  if (documentNames().includes(name)) {
    return { name, document: readFileSync(new URL(`${name}.yaml`, folder), "utf8") };
  }
  if (/\.(?:ya?ml|json)$/.test(name)) return { name, document: readFileSync(name, "utf8") };
  const known = [...documentNames(), ...Object.keys(baselines), ...Object.keys(whatIfs)].join(", ");
  throw new Error(`the policy ${name} is unknown; known are ${known}, or a path of a document`);
}

function baselinePolicy(name: string, baseline: Baseline): Policy {
  return {
    name,
    document: baselineDocument,
    adapt: (parts, view) => {
      const { graph } = parts;
      const [profile] = graph.profiles.values();
      if (profile === undefined) throw new Error("the document of baselines has a profile");
      const { scorer, hooks } = baseline.policy(view);
      const scorers = [{ name, scorer, weight: 1 }];
      const profiles = new Map([[profile.name, { ...profile, filters: [], scorers }]]);
      const added = hooks === undefined ? [] : [{ name, instance: hooks }];
      return { ...parts, graph: { ...graph, profiles, hooks: [...graph.hooks, ...added] } };
    },
  };
}
