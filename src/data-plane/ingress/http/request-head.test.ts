import { describe, expect, it } from "vitest";
import { RandomHex } from "../../../std/random-hex.ts";
import type { Client } from "./client.ts";
import { ClientHead, type HeadOptions } from "./request-head.ts";

/** The headers that an engine gets from a client at 10.0.0.9. */
function sentOf(rawHeaders: readonly string[], options: Omit<HeadOptions, "random">) {
  const client = {
    ...{ method: "GET", path: "/", authority: "gateway", address: "10.0.0.9", rawHeaders },
    ...{ isEncrypted: false, mistake: undefined, upgrade: undefined },
  };
  // The head reads nothing else of a client.
  const head = new ClientHead(client as Partial<Client> as Client, {
    random: new RandomHex(),
    ...options,
  });
  const sent = head.sentTo({ set: [], removed: [] });
  const pairs = sent.flatMap((name, at) =>
    at % 2 === 0 ? [[name.toLowerCase(), sent[at + 1]]] : [],
  );
  return { head, pairs };
}

function forwardedOf(rawHeaders: readonly string[], trustsForwarded: boolean) {
  const { pairs } = sentOf(rawHeaders, { trustsForwarded });
  return pairs.filter(([name]) => name?.startsWith("x-forwarded-") === true);
}

const ofProxy = [
  ...[
    "X-Forwarded-For",
    "6.6.6.6",
    "X-Forwarded-Proto",
    "https",
    "X-Forwarded-Host",
    "llm.example",
  ],
  ...["X-Forwarded-For", "10.0.0.1, 10.0.0.2"],
];

describe("headers of a proxy in front", () => {
  it("stay if they are trusted, all lines of the addresses", () => {
    expect(forwardedOf(ofProxy, true)).toEqual([
      ["x-forwarded-for", "6.6.6.6, 10.0.0.1, 10.0.0.2, 10.0.0.9"],
      ["x-forwarded-proto", "https"],
      ["x-forwarded-host", "llm.example"],
    ]);
  });

  it.each([
    [ofProxy, false],
    [[], true],
  ] as const)("are set anew if not, or if there are none", (raw, trusts) => {
    expect(forwardedOf(raw, trusts)).toEqual([
      ["x-forwarded-for", "10.0.0.9"],
      ["x-forwarded-proto", "http"],
      ["x-forwarded-host", "gateway"],
    ]);
  });
});

function traceOf(rawHeaders: readonly string[], hasSampler: boolean) {
  const { head, pairs } = sentOf(rawHeaders, { trustsForwarded: false, hasSampler });
  const sent = pairs.filter(([name]) => name?.startsWith("trace") === true);
  return { sent, seen: head.headers.get("traceparent"), state: head.headers.get("tracestate") };
}

describe("the trace of a request", () => {
  const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
  const state = ["tracestate", "vendor=1"];

  it.each([true, false])("is the client's, with its state", (hasSampler) => {
    expect(traceOf(["Traceparent", parent, ...state], hasSampler)).toEqual({
      sent: [["traceparent", parent], state],
      seen: parent,
      state: "vendor=1",
    });
  });

  it.each([
    [[], true, "00"],
    [[], false, "01"],
    [["traceparent", "x", ...state], true, "00"],
    [["traceparent", parent, "traceparent", parent, ...state], true, "00"],
    [["traceparent", parent.toUpperCase(), ...state], false, "01"],
  ] as const)("begins here without a valid one: %j", (raw, hasSampler, flags) => {
    const { sent, ...seen } = traceOf(raw, hasSampler);
    const begun = new RegExp(`^00-[0-9a-f]{32}-[0-9a-f]{16}-${flags}$`, "u");
    expect(sent).toEqual([["traceparent", expect.stringMatching(begun)]]);
    // A trace that was not valid does not go on.
    expect(seen).toEqual({ seen: undefined, state: undefined });
  });
});
