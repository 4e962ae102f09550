import { describe, expect, it } from "vitest";
import type { Endpoint } from "../../../core/endpoint.ts";
import { itKeepsTheFilterContract } from "#test/contract/filter.ts";
import {
  aContext,
  aDecision,
  aHead,
  anEndpoint,
  aRequest,
  aResponseHead,
} from "#test/support/builders.ts";
import { buildPlugin, buildFilter, needsOf } from "#test/support/build-plugin.ts";
import { sessionAffinityFilter } from "./session-affinity.ts";

const first = anEndpoint({ slot: 0 });
const second = anEndpoint({ slot: 1 });
const third = anEndpoint({ slot: 2 });
const pool = [first, second, third];

const tokenOf = ({ id }: Endpoint) => Buffer.from(id).toString("base64");

const withHeader = (name: string, value: string) =>
  aContext({
    request: aRequest({ head: aHead({ headers: new Map([[name, value]]) }) }),
    endpoints: pool,
  });

const bySessionId = { strategy: "session_id" };

describe("session-affinity-filter", () => {
  itKeepsTheFilterContract(buildFilter(sessionAffinityFilter, {}));

  describe("with a token", () => {
    const filter = buildFilter(sessionAffinityFilter, {});

    it("keeps only the endpoint that the token names", () => {
      expect(filter.filter(withHeader("x-session-token", tokenOf(second)), pool)).toEqual([second]);
    });

    it.each([
      { what: "no token", name: "x-other", token: tokenOf(second) },
      { what: "an empty token", name: "x-session-token", token: "" },
      { what: "no base64", name: "x-session-token", token: "%%%" },
      { what: "a stranger", name: "x-session-token", token: tokenOf({ ...second, id: "a/b" }) },
    ])("keeps all candidates for $what", ({ name, token }) => {
      expect(filter.filter(withHeader(name, token), pool)).toEqual(pool);
    });

    it("keeps all candidates if the endpoint is not one", () => {
      const candidates = [first, third];
      const context = withHeader("x-session-token", tokenOf(second));
      expect(filter.filter(context, candidates)).toEqual(candidates);
    });

    it("sends the token with the response", () => {
      const { hooks } = buildPlugin(sessionAffinityFilter, {});
      const decision = aDecision({ endpoints: [third] });
      const follower = hooks?.sent({ context: aContext(), decision });
      expect(follower?.responseHeaders?.(aResponseHead())).toEqual([
        ["x-session-token", tokenOf(third)],
      ]);
    });
  });

  describe("with the strategy session_id", () => {
    it("keeps the first endpoint of the session", () => {
      const { filter, hooks } = buildPlugin(sessionAffinityFilter, bySessionId);
      const context = withHeader("x-session-id", "chat-1");
      expect(filter?.filter(context, pool)).toEqual(pool);
      hooks?.sent({ context, decision: aDecision({ endpoints: [second] }) });
      expect(filter?.filter(context, pool)).toEqual([second]);
      expect(filter?.filter(withHeader("x-session-id", "chat-2"), pool)).toEqual(pool);
    });

    it("keeps all candidates while the endpoint is not one, and then only that one again", () => {
      const { filter, hooks } = buildPlugin(sessionAffinityFilter, bySessionId);
      const context = withHeader("x-session-id", "chat-1");
      hooks?.sent({ context, decision: aDecision({ endpoints: [second] }) });
      expect(filter?.filter(context, [first, third])).toEqual([first, third]);
      hooks?.sent({ context, decision: aDecision({ endpoints: [first] }) });
      expect(filter?.filter(context, pool)).toEqual([second]);
    });

    it("needs the producers its sources name", () => {
      const sessionIdConfig = { sources: [{ attribute: "session", producer: "ids" }] };
      expect(needsOf(sessionAffinityFilter, { ...bySessionId, sessionIdConfig })).toMatchObject([
        { data: "session-id", producer: "ids" },
      ]);
    });
  });

  it.each([{ strategy: "cookie" }, { header: "x" }])("refuses %j", (parameters) => {
    expect(sessionAffinityFilter.load(parameters).kind).toBe("invalid");
  });
});
