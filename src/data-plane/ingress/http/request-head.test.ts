import { describe, expect, it } from "vitest";
import { RandomHex } from "../../../std/random-hex.ts";
import type { Client } from "./client.ts";
import { ClientHead } from "./request-head.ts";

/** The forwarded headers that an engine gets from a client at 10.0.0.9. */
function forwardedOf(rawHeaders: readonly string[], trustsForwarded: boolean) {
  const client = {
    ...{ method: "GET", path: "/", authority: "gateway", address: "10.0.0.9", rawHeaders },
    ...{ isEncrypted: false, mistake: undefined, upgrade: undefined },
  };
  // The head reads nothing else of a client.
  const head = new ClientHead(client as Partial<Client> as Client, {
    random: new RandomHex(),
    trustsForwarded,
  });
  const sent = head.sentTo({ set: [], removed: [] });
  const pairs = sent.flatMap((name, at) =>
    at % 2 === 0 ? [[name.toLowerCase(), sent[at + 1]]] : [],
  );
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
