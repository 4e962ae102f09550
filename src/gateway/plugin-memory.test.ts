import { describe, expect, it } from "vitest";
import { aContext, aDecision, aHead, aRequest, endpoints } from "#test/support/builders.ts";
import type { Endpoint } from "../core/endpoint.ts";
import { PluginMemory } from "../state/plugin-memory.ts";
import { buildConfig } from "./build-config.ts";

const [first, second] = endpoints(2) as readonly [Endpoint, Endpoint];
const context = aContext({
  request: aRequest({ head: aHead({ headers: new Map([["x-session-id", "s"]]) }) }),
  endpoints: [first, second],
});

/** Puts a document in force whose only plugin is named `sticky` and pins sessions to endpoints. */
function inForce(memory: PluginMemory, type: string) {
  const document = {
    apiVersion: "llm-d.ai/v1alpha1",
    kind: "EndpointPickerConfig",
    plugins: [{ name: "sticky", type, parameters: { strategy: "session_id" } }],
  };
  const text = JSON.stringify(document);
  const result = buildConfig(text, { memory, random: () => 0, allowsTestOnly: false });
  if (result.kind === "invalid") throw new Error(result.mistakes.join("\n"));
  result.build.keepMemory();
  const { hooks, profiles } = result.build.dataPlane.graph;
  const { filters = [], scorers = [] } = profiles.get("default") ?? {};
  return {
    send: (endpoint: Endpoint) =>
      hooks.map(({ instance }) =>
        instance.sent({ context, decision: aDecision({ endpoints: [endpoint] }) }),
      ),
    /** Slots that the filter keeps, or that the scorer gives 1. */
    preferred: () => {
      const candidates = [first, second];
      const kept = filters[0]?.filter.filter(context, candidates).map(({ slot }) => slot);
      const scores = new Float64Array(2);
      scorers[0]?.scorer.score(context, candidates, scores);
      return kept ?? candidates.flatMap(({ slot }) => (scores[slot] === 1 ? [slot] : []));
    },
  };
}

describe("a reload", () => {
  it.each([
    // The session is at the second endpoint, under the name and type that learned it.
    { from: "session-affinity-scorer", to: "session-affinity-scorer", preferred: [1] },
    { from: "session-affinity-filter", to: "session-affinity-filter", preferred: [1] },
    // A filter without a session keeps every candidate, a scorer without one prefers no endpoint.
    { from: "session-affinity-scorer", to: "session-affinity-filter", preferred: [0, 1] },
    { from: "session-affinity-filter", to: "session-affinity-scorer", preferred: [] },
  ])(
    "that gives the name of a $from to a $to passes on what was learned only to the same type",
    ({ from, to, preferred }) => {
      const memory = new PluginMemory();
      const before = inForce(memory, from);
      before.send(second);
      expect(before.preferred()).toEqual([1]);
      expect(inForce(memory, to).preferred()).toEqual(preferred);
    },
  );
});
