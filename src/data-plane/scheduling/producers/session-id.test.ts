import { describe, expect, it } from "vitest";
import { itKeepsTheDataProducerContract } from "#test/contract/data-producer.ts";
import { aContext, aHead, aRequest } from "#test/support/builders.ts";
import { pluginDeps } from "#test/support/plugin-deps.ts";
import { sessionIdProducer } from "./session-id.ts";

function producerOf(parameters: object) {
  const { producer } = sessionIdProducer.create(parameters, pluginDeps());
  if (producer === undefined) throw new Error("it is a producer");
  return producer;
}

function sessionOf(parameters: object, header: readonly [string, string]) {
  const request = aRequest({ head: aHead({ headers: new Map([header]) }) });
  return producerOf(parameters).produce(aContext({ request }), []);
}

describe("session-id-producer", () => {
  itKeepsTheDataProducerContract(producerOf({ headerName: "x-session" }));

  it("reads a header, in any case in the configuration", () => {
    expect(sessionOf({ headerName: "X-Session" }, ["x-session", "s1"])).toBe("s1");
  });

  it.each([
    ["sid=s1", "s1"],
    ["a=b; sid=s1; sidx=s2", "s1"],
    ['sid="s 1"', "s 1"],
    ["sid=a=b", "a=b"],
    ["asid=s2", undefined],
    ["sid", undefined],
    ["sid=", undefined],
  ])("reads the cookie of %j as %j", (cookies, session) => {
    expect(sessionOf({ cookieName: "sid" }, ["cookie", cookies])).toBe(session);
  });

  it("ignores an id that is longer than 512 characters", () => {
    expect(sessionOf({ headerName: "x" }, ["x", "a".repeat(512)])).toHaveLength(512);
    expect(sessionOf({ headerName: "x" }, ["x", "a".repeat(513)])).toBeUndefined();
  });

  it.each([{}, { headerName: "a", cookieName: "b" }, { headerName: "" }])(
    "refuses %j",
    (parameters) => {
      expect(sessionIdProducer.params.safeParse(parameters).success).toBe(false);
    },
  );
});
