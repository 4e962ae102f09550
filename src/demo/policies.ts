/** The policies that the demo compares, each over a pool of its own. */
export const policyNames = ["roundRobin", "pointsman"] as const;

export type PolicyName = (typeof policyNames)[number];

/** Their names for people. */
export const policyTitles: Readonly<Record<PolicyName, string>> = {
  roundRobin: "round robin",
  pointsman: "Pointsman",
};

/**
 * Each request to the endpoint that got one the longest ago. The scorer does this for prompts without a prefix match, and a
 * limit of one token leaves none. All but the choice is as in Pointsman's pool: signals, health checks, retries.
 */
const roundRobinPlugins = `- type: approx-prefix-cache-producer
  parameters: {maxPrefixTokensToMatch: 1}
- type: no-hit-lru-scorer
- type: max-score-picker
schedulingProfiles:
- name: round-robin
  plugins:
  - pluginRef: no-hit-lru-scorer
  - pluginRef: max-score-picker
`;

/** The document of a policy over the engines in the simulator's file: the default one, or round robin. */
export function policyDocumentOf(policy: PolicyName, endpointsFile: string): string {
  return `apiVersion: pointsman.dev/v1alpha1
kind: EndpointPickerConfig
plugins:
- type: file-discovery
  parameters: {path: ${JSON.stringify(endpointsFile)}}
${policy === "roundRobin" ? roundRobinPlugins : ""}dataLayer:
  discovery: {pluginRef: file-discovery}
`;
}
