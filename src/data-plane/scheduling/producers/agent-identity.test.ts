import { expect, it } from "vitest";
import { aContext, aHead, aRequest } from "#test/support/builders.ts";
import { pluginDeps } from "#test/support/plugin-deps.ts";
import { fairnessIdOf } from "../../../core/fairness-id.ts";
import { agentIdentity } from "./agent-identity.ts";

const built = agentIdentity.create({ additionalSessionHeaders: ["x-team"] }, pluginDeps());

it.each([
  [{ "x-team": "t", "x-claude-code-session-id": "c" }, "t"],
  [{ "x-team": "", "x-claude-code-session-id": "c", "session-id": "s" }, "c"],
  [{ "x-session-affinity": "a", "session-id": "s" }, "a"],
  [{ "session-id": "s", session_id: "older" }, "s"],
  [{ session_id: "older" }, "older"],
  [{ "session-id": "x".repeat(513) }, undefined],
  [{}, undefined],
])("reads the identity of %j: %s", (headers, id) => {
  const head = aHead({ headers: new Map(Object.entries(headers)) });
  expect(built.agentIdOf?.(head)).toBe(id);
  expect(built.producer?.produce(aContext({ request: aRequest({ head }) }), [])).toBe(id);
});

it("is the fairness id of a request without one of its own", () => {
  const own = new Map([["x-llm-d-inference-fairness-id", "own"]]);
  expect([
    fairnessIdOf(aRequest({ agentId: "agent" })),
    fairnessIdOf(aRequest({ agentId: "agent", head: aHead({ headers: own }) })),
    fairnessIdOf(aRequest()),
  ]).toEqual(["agent", "own", "default-flow"]);
});
