import { describe, expect, it } from "vitest";
import { itKeepsTheScorerContract, scoresIn } from "#test/contract/scorer.ts";
import { aContext, aDecision, aHead, aRequest, endpoints } from "#test/support/builders.ts";
import { buildScorer, buildWithHooks } from "#test/support/build-plugin.ts";
import { sessionAffinityScorer } from "./session-affinity.ts";

const three = endpoints(3);

function contextWith(headers: Readonly<Record<string, string>>) {
  const head = aHead({ headers: new Map(Object.entries(headers)) });
  return aContext({ request: aRequest({ head }), endpoints: three });
}

describe("session-affinity-scorer", () => {
  itKeepsTheScorerContract(buildScorer(sessionAffinityScorer));
  itKeepsTheScorerContract(buildScorer(sessionAffinityScorer, { strategy: "session_id" }));

  it("scores 1 for the endpoint of the token and 0 for all others", () => {
    const scorer = buildScorer(sessionAffinityScorer);
    // base64("default/engine-1")
    const context = contextWith({ "x-session-token": "ZGVmYXVsdC9lbmdpbmUtMQ==" });
    expect(scoresIn(scorer, context, three)).toEqual([0, 1, 0]);
  });

  it("scores 0 for all without a session, and if its endpoint is not a candidate", () => {
    const scorer = buildScorer(sessionAffinityScorer);
    expect(scoresIn(scorer, contextWith({}), three)).toEqual([0, 0, 0]);
    const context = contextWith({ "x-session-token": "ZGVmYXVsdC9lbmdpbmUtMQ==" });
    expect(scoresIn(scorer, context, three.slice(2))).toEqual([0]);
  });

  it("stores the endpoint of a session under session_id", () => {
    const { scorer, hooks } = buildWithHooks(sessionAffinityScorer, { strategy: "session_id" });
    const context = contextWith({ "x-session-id": "chat-7" });
    expect(scoresIn(scorer, context, three)).toEqual([0, 0, 0]);
    const [, , last] = three;
    if (last !== undefined) hooks.sent({ context, decision: aDecision({ endpoints: [last] }) });
    expect(scoresIn(scorer, context, three)).toEqual([0, 0, 1]);
  });
});
