import { describe, expect, it } from "vitest";
import type { PluginDeps } from "../../../core/data-plane-plugin.ts";
import type { Endpoint } from "../../../core/endpoint.ts";
import type { InferenceRequest } from "../../../core/request.ts";
import type { ResponseHead } from "../../../core/request-follower.ts";
import type { RequestRecord } from "../../../core/request-record.ts";
import type { SessionHome } from "../../../core/session-home.ts";
import { itKeepsTheDataProducerContract } from "#test/contract/data-producer.ts";
import {
  aContext,
  aDecision,
  aHead,
  anEndpoint,
  aRecord,
  aRequest,
  aResponseHead,
} from "#test/support/builders.ts";
import { buildPlugin } from "#test/support/build-plugin.ts";
import { pluginDeps } from "#test/support/plugin-deps.ts";
import type { MemoryKind } from "../../../core/plugin-states.ts";
import { SessionHomes, sessionHomeMemory, sessionHomeProducer } from "./session-home.ts";

const first = anEndpoint({ slot: 0 });
const second = anEndpoint({ slot: 1 });

interface Sending {
  readonly session?: string;
  readonly to?: Endpoint;
  readonly atMs?: number;
  readonly request?: InferenceRequest;
}

const contextOf = ({ session = "s", atMs = 0, request = aRequest() }: Sending) =>
  aContext({ request, nowMs: atMs, data: new Map([["conversation-producer", session]]) });

/** A producer that is told the session, and its memory. */
function aHomeProducer() {
  const homes = new SessionHomes({ ttlMs: 60_000 });
  const deps: PluginDeps = {
    ...pluginDeps(),
    // The producer asks for this kind alone.
    memory: <Memory>(_kind: MemoryKind<Memory>) => homes as Memory,
    // A test gives the session under the name of its producer.
    reader:
      (_data, producer = "") =>
      ({ data }) =>
        data.get(producer) as never,
  };
  const { producer, hooks } = buildPlugin(sessionHomeProducer, {}, deps);
  if (producer === undefined || hooks === undefined) throw new Error("it produces and follows");
  return {
    producer,
    forget: (endpoint: Endpoint) => sessionHomeMemory.forget?.(homes, endpoint),
    restart: (endpoint: Endpoint, restartMs: number) =>
      sessionHomeMemory.restart?.(homes, endpoint, restartMs),
    // The producer of session homes produces these.
    home: (asked: Sending = {}) =>
      producer.produce(contextOf(asked), []) as SessionHome | undefined,
    sent: (sending: Sending = {}) => {
      const context = contextOf(sending);
      const found = producer.produce(context, []);
      const data = new Map<string, unknown>([...context.data, ["under-test", found]]);
      const decision = aDecision({ endpoints: [sending.to ?? first] });
      const follower = hooks.sent({ context: { ...context, data }, decision });
      return {
        head: (head: Partial<ResponseHead>) =>
          follower?.responseHead?.(aResponseHead(head), sending.atMs ?? 0),
        ended: (record: Partial<RequestRecord> = {}) =>
          follower?.ended?.(aRecord({ endedMs: sending.atMs ?? 0, ...record })),
      };
    },
  };
}

const usage = { promptTokens: 900, outputTokens: 100, cachedTokens: undefined };
const stored = (storedId: string) => aRequest({ dialect: "responses", storedId });

describe("session-home-producer", () => {
  itKeepsTheDataProducerContract(aHomeProducer().producer);

  it("names the endpoint of the last request, from when it is sent", () => {
    const { sent, home } = aHomeProducer();
    expect(home()).toBeUndefined();
    sent({ to: second, atMs: 5, request: aRequest({ promptTokens: 700 }) });
    expect(home({ atMs: 6 })).toEqual({
      slot: 1,
      contextTokens: 700,
      usedAtMs: 5,
      isStored: false,
    });
    expect(home({ session: "t" })).toBeUndefined();
  });

  it("counts the prompt and the output that the engine reports as context", () => {
    const { sent, home } = aHomeProducer();
    sent().ended({ usage });
    expect(home()?.contextTokens).toBe(1_000);
  });

  it("moves with the session", () => {
    const { sent, home } = aHomeProducer();
    sent({ to: first }).ended({ usage });
    sent({ to: second });
    expect(home()?.slot).toBe(1);
  });

  it("names the fallback that served", () => {
    const { sent, home } = aHomeProducer();
    sent({ to: first }).head({ servedBy: second.hostPort, served: second });
    expect(home()?.slot).toBe(1);
  });

  it.each([400, 404, 429, 500, 503])("forgets a request that was answered with %d", (status) => {
    const { sent, home } = aHomeProducer();
    sent({ to: first }).head({ httpStatus: status });
    expect(home()).toBeUndefined();
    sent({ to: first }).head({ httpStatus: 200 });
    sent({ to: second }).head({ httpStatus: status });
    expect(home()?.slot).toBe(0);
  });

  it("keeps a newer home if an older request fails", () => {
    const { sent, home } = aHomeProducer();
    const older = sent({ to: first });
    sent({ to: second });
    older.head({ httpStatus: 500 });
    expect(home()?.slot).toBe(1);
  });

  it.each(["left", "restarted"] as const)("forgets an endpoint that has %s", (how) => {
    const { sent, home, forget, restart } = aHomeProducer();
    sent({ to: first }).ended({ answerId: "resp_1" });
    sent({ session: "t", to: second });
    if (how === "left") forget(first);
    else restart(first, 1);
    expect(home()).toBeUndefined();
    expect(home({ request: stored("resp_1") })).toBeUndefined();
    expect(home({ session: "t" })?.slot).toBe(1);
  });

  it("keeps the sessions that an engine got after its restart, before that was known", () => {
    const { sent, home, restart } = aHomeProducer();
    sent({ to: first, atMs: 10 }).ended({ answerId: "resp_1" });
    restart(first, 9);
    expect(home({ atMs: 11 })?.slot).toBe(0);
    expect(home({ atMs: 11, request: stored("resp_1") })?.isStored).toBe(true);
  });

  it("forgets a session that is idle for longer than ttlSeconds", () => {
    const { sent, home } = aHomeProducer();
    sent({ atMs: 0 });
    expect(home({ atMs: 60_000 })).toBeDefined();
    expect(home({ atMs: 120_001 })).toBeUndefined();
  });

  it.each([
    ["counts tokens", aRequest({ dialect: "count-tokens" })],
    ["renders", aRequest({ head: aHead({ path: "/v1/chat/completions/render" }) })],
    ["has no prompt", aRequest({ prompts: [] })],
  ])("does not follow a request that %s", (_, request) => {
    const { sent, home } = aHomeProducer();
    sent({ request });
    expect(home()).toBeUndefined();
  });

  it("knows which endpoint stores a response, though the session has moved", () => {
    const { sent, home } = aHomeProducer();
    sent({ to: first }).ended({ answerId: "resp_1", usage });
    sent({ to: second }).ended({ answerId: "resp_2" });
    expect(home({ request: stored("resp_1") })).toEqual({
      slot: 0,
      contextTokens: 1_000,
      usedAtMs: 0,
      isStored: true,
    });
    expect(home({ request: stored("resp_2") })?.slot).toBe(1);
    // It may be of another picker.
    expect(home({ request: stored("resp_3") })).toMatchObject({ slot: 1, isStored: false });
  });

  it("knows no response of another session", () => {
    const { sent, home } = aHomeProducer();
    sent({ session: "s" }).ended({ answerId: "resp_1" });
    expect(home({ session: "t", request: stored("resp_1") })).toBeUndefined();
  });

  it("knows no response that failed", () => {
    const { sent, home } = aHomeProducer();
    sent().ended({ answerId: "resp_1", failure: { code: "x", blame: "engine" } });
    expect(home({ request: stored("resp_1") })?.isStored).toBe(false);
  });

  it("adds the input to the stored context until the engine reports", () => {
    const { sent, home } = aHomeProducer();
    sent().ended({ answerId: "resp_1", usage });
    sent({ request: aRequest({ dialect: "responses", storedId: "resp_1", promptTokens: 50 }) });
    // 1,000 tokens are stored, and 50 are new.
    expect(home()?.contextTokens).toBe(1_050);
  });
});
