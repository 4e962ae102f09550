import { describe, expect, it } from "vitest";
import type { Endpoint } from "../../../core/endpoint.ts";
import type { ResponseHead } from "../../../core/request-follower.ts";
import type { SchedulingContext } from "../../../core/data-plane-plugin.ts";
import {
  aContext,
  aDecision,
  aHead,
  aRequest,
  aResponseHead,
  aTarget,
  type DecisionParts,
  endpoints,
} from "#test/support/builders.ts";
import { pluginDeps } from "#test/support/plugin-deps.ts";
import {
  type SessionAffinity,
  sessionAffinity,
  sessionAffinityNeeds,
  sessionAffinityParams,
} from "./session-affinity.ts";

const three = endpoints(3);
const [a, b, c] = three as readonly [Endpoint, Endpoint, Endpoint];

const tokenOf = ({ id }: Endpoint) => Buffer.from(id).toString("base64");

function affinity(parameters: unknown = {}, deps = pluginDeps()) {
  return sessionAffinity(sessionAffinityParams.parse(parameters), deps);
}

function contextWith(headers: Readonly<Record<string, string>>, nowMs = 10_000, pool = three) {
  const head = aHead({ headers: new Map(Object.entries(headers)) });
  return aContext({ request: aRequest({ head }), endpoints: pool, nowMs });
}

const refusals = (parameters: unknown) =>
  sessionAffinityParams.safeParse(parameters).error?.issues.map(({ message }) => message) ?? [];

/** Headers that a response gets. */
function headersFor(
  decision: DecisionParts,
  head: Partial<ResponseHead> = {},
  parameters: unknown = {},
) {
  const { hooks } = affinity(parameters);
  const sent = { context: contextWith({}), decision: aDecision(decision) };
  return hooks.sent(sent)?.responseHeaders?.(aResponseHead(head));
}

describe("a session known by its token", () => {
  it("is pinned to the endpoint that the token names", () => {
    const context = contextWith({ "x-session-token": tokenOf(b) });
    expect(affinity().pinnedId(context)).toBe(b.id);
  });

  it("is not pinned without a token, or with an invalid one", () => {
    const { pinnedId } = affinity();
    expect(pinnedId(contextWith({}))).toBeUndefined();
    for (const garbage of ["", "%%%", "ZGVmYXVsdC9lbmdpbmUtM", "\u0000"]) {
      const pinned = pinnedId(contextWith({ "x-session-token": garbage }));
      expect(three.map(({ id }) => id)).not.toContain(pinned);
    }
  });

  it("gets a token for the endpoint that was chosen", () => {
    expect(headersFor({ endpoints: [a, b] })).toEqual([["x-session-token", tokenOf(a)]]);
  });

  it("gets one for the fallback that the proxy used", () => {
    const decision = { endpoints: [a, b, c] } as const;
    expect(headersFor(decision, { servedBy: b.hostPort })).toEqual([
      ["x-session-token", tokenOf(b)],
    ]);
    expect(headersFor(decision, { servedBy: "10.9.9.9:80" })).toEqual([
      ["x-session-token", tokenOf(a)],
    ]);
  });

  it("gets one for the chosen rank if all share one port", () => {
    const { hostPort } = a;
    const decision = { targets: [aTarget(b, { hostPort }), aTarget(a)] } as const;
    expect(headersFor(decision, { servedBy: a.hostPort })).toEqual([
      ["x-session-token", tokenOf(b)],
    ]);
  });

  it.each([
    { httpStatus: 200, count: 1 },
    { httpStatus: 429, count: 1 },
    { httpStatus: undefined, count: 1 },
    { httpStatus: 500, count: 0 },
    { httpStatus: 503, count: 0 },
  ])("gets $count token with status $httpStatus", ({ httpStatus, count }) => {
    expect(headersFor({ endpoints: [a] }, { httpStatus })).toHaveLength(count);
  });

  it("gets one for the choice of the profile that is named", () => {
    const chosen = new Map([
      ["decode", [a]],
      ["prefill", [c]],
    ] as const);
    const decision = { endpoints: [a], profile: "decode", chosen } as const;
    const tokens = (profileName: string) => headersFor(decision, {}, { profileName });
    expect(tokens("prefill")).toEqual([["x-session-token", tokenOf(c)]]);
    expect(tokens("decode")).toEqual([["x-session-token", tokenOf(a)]]);
    expect(tokens("encode")).toEqual([]);
  });

  it("is in the configured header, in any case", () => {
    const parameters = { encodedEndpointHeaderConfig: { header: " X-Sticky " } };
    expect(affinity(parameters).pinnedId(contextWith({ "x-sticky": tokenOf(b) }))).toBe(b.id);
    expect(headersFor({ endpoints: [a] }, {}, parameters)).toEqual([["x-sticky", tokenOf(a)]]);
    const empty = { encodedEndpointHeaderConfig: { header: "" } };
    expect(headersFor({ endpoints: [a] }, {}, empty)).toEqual([["x-session-token", tokenOf(a)]]);
  });
});

const strategy = "session_id";

const chatAt = (nowMs: number) => contextWith({ "x-session-id": "chat-1" }, nowMs);

function sentTo({ hooks }: SessionAffinity, context: SchedulingContext, endpoint: Endpoint) {
  return hooks.sent({ context, decision: aDecision({ endpoints: [endpoint] }) });
}

describe("a session known by its id", () => {
  it("is pinned to the endpoint of its first request", () => {
    const sessions = affinity({ strategy });
    const context = contextWith({ "x-session-id": " chat-1 " });
    expect(sessions.pinnedId(context)).toBeUndefined();
    expect(sentTo(sessions, context, b)).toBeUndefined();
    expect(sessions.pinnedId(contextWith({ "x-session-id": "chat-1" }))).toBe(b.id);
    expect(sessions.pinnedId(contextWith({ "x-session-id": "chat-2" }))).toBeUndefined();
  });

  it("keeps its endpoint while that is in the pool, even if others served requests", () => {
    const sessions = affinity({ strategy });
    const context = contextWith({ "x-session-id": "chat-1" });
    sentTo(sessions, context, b);
    sentTo(sessions, context, c);
    expect(sessions.pinnedId(context)).toBe(b.id);
  });

  it("moves once its endpoint has left the pool", () => {
    const sessions = affinity({ strategy });
    sentTo(sessions, contextWith({ "x-session-id": "chat-1" }), b);
    const smaller = contextWith({ "x-session-id": "chat-1" }, 10_000, [a, c]);
    sentTo(sessions, smaller, c);
    expect(sessions.pinnedId(smaller)).toBe(c.id);
  });

  it("is dropped if it is not used for evictionTtlSeconds", () => {
    const parameters = { strategy, sessionIdConfig: { evictionTtlSeconds: 1.5 } };
    const sessions = affinity(parameters);
    sentTo(sessions, chatAt(0), b);
    expect(sessions.pinnedId(chatAt(1_500))).toBe(b.id);
    // Used at 1500, so it lasts until 3000.
    expect(sessions.pinnedId(chatAt(3_001))).toBeUndefined();
  });

  it("lasts 300 seconds by default, and for 0", () => {
    for (const sessionIdConfig of [{}, { evictionTtlSeconds: 0 }]) {
      const sessions = affinity({ strategy, sessionIdConfig });
      sentTo(sessions, chatAt(0), b);
      expect(sessions.pinnedId(chatAt(300_000))).toBe(b.id);
      expect(sessions.pinnedId(chatAt(600_001))).toBeUndefined();
    }
  });

  it("takes the first source that has an id", () => {
    const sessionIdConfig = {
      sources: [{ header: "X-Chat" }, { attribute: "SessionID", producer: "cookies" }],
    };
    const deps = pluginDeps({ data: { "session-id": "from-cookie" } });
    const sessions = affinity({ strategy, sessionIdConfig }, deps);
    sentTo(sessions, contextWith({ "x-chat": "from-header" }), a);
    sentTo(sessions, contextWith({}), b);
    expect(sessions.pinnedId(contextWith({ "x-chat": "from-header" }))).toBe(a.id);
    expect(sessions.pinnedId(contextWith({ "x-chat": " " }))).toBe(b.id);
    // The default header is not a source any more.
    expect(sessions.pinnedId(contextWith({ "x-session-id": "from-header" }))).toBe(b.id);
  });

  it("does not store an id that is missing, empty or longer than 512 characters", () => {
    const sessions = affinity({ strategy });
    for (const headers of [{}, { "x-session-id": " " }, { "x-session-id": "x".repeat(513) }]) {
      sentTo(sessions, contextWith(headers), b);
      expect(sessions.pinnedId(contextWith(headers))).toBeUndefined();
    }
    const longest = contextWith({ "x-session-id": "x".repeat(512) });
    sentTo(sessions, longest, b);
    expect(sessions.pinnedId(longest)).toBe(b.id);
  });

  it("is pinned to the choice of the named profile, if it ran", () => {
    const sessions = affinity({ strategy, profileName: "prefill" });
    const context = contextWith({ "x-session-id": "chat-1" });
    sentTo(sessions, context, a);
    expect(sessions.pinnedId(context)).toBeUndefined();
    const chosen = new Map([["prefill", [c]]] as const);
    sessions.hooks.sent({ context, decision: aDecision({ endpoints: [a], chosen }) });
    expect(sessions.pinnedId(context)).toBe(c.id);
  });
});

const needs = (parameters: unknown) =>
  sessionAffinityNeeds(sessionAffinityParams.parse(parameters));

describe("parameters of session affinity", () => {
  it("have defaults", () => {
    expect(sessionAffinityParams.parse({})).toEqual({
      strategy: "encoded_endpoint_header",
      encodedEndpointHeaderConfig: { header: "x-session-token" },
      sessionIdConfig: { sources: [], evictionTtlSeconds: 300, evictionSweepSeconds: 10 },
      profileName: "",
    });
  });

  it.each([
    { strategy: "cookie" },
    { encodedEndpointHeaderConfig: { header: "x session" } },
    { sessionIdConfig: { evictionTtlSeconds: -1 } },
    { sessionIdConfig: { evictionSweepSeconds: -1 } },
    { sessionIdConfig: { sources: [{}] } },
    { sessionIdConfig: { sources: [{ header: "a", attribute: "b" }] } },
    { sessionIdConfig: { sources: [{ header: "", producer: "p" }] } },
    { sessionIdConfig: { ttl: 1 } },
    { profile: "decode" },
  ])("refuse %j", (parameters) => {
    expect(refusals(parameters)).toHaveLength(1);
  });

  it("need the producers of their attributes", () => {
    const sources = [
      { header: "x-chat" },
      { attribute: "SessionID", producer: "cookies" },
      { attribute: "agent-identity" },
    ];
    const sessionIdConfig = { sources };
    expect(needs({ sessionIdConfig })).toEqual([]);
    expect(needs({ strategy: "session_id", sessionIdConfig })).toEqual([
      {
        kind: "data",
        data: "session-id",
        producer: "cookies",
        path: ["sessionIdConfig", "sources", 1, "producer"],
        isOptional: false,
      },
      {
        kind: "data",
        data: "session-id",
        producer: "agent-identity",
        path: ["sessionIdConfig", "sources", 2, "producer"],
        isOptional: true,
      },
    ]);
  });
});
