import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { ApiKey } from "../../../../core/api-key.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { ApiKeys } from "./api-keys.ts";

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

function aKey(name: string, key: string, more: Partial<ApiKey> = {}): ApiKey {
  const none = { models: undefined, requestsPerMinute: undefined, tokensPerMinute: undefined };
  return { name, digests: [sha256(key)], ...none, ...more };
}

const nameOf = (keys: ApiKeys, headers: Readonly<Record<string, string>>) => {
  const found = keys.keyOf(new Map(Object.entries(headers)));
  return typeof found === "object" ? found.name : found;
};

describe("the key of a request", () => {
  const keys = new ApiKeys([aKey("alice", "sk-alice"), aKey("bob", "sk-bob")], new FakeClock());

  it.each([
    [{ authorization: "Bearer sk-alice" }, "alice"],
    [{ authorization: "bearer  sk-alice " }, "alice"],
    [{ "x-api-key": "sk-bob" }, "bob"],
    [{ "api-key": "sk-bob" }, "bob"],
    // Clients of Anthropic's API may send both.
    [{ authorization: "Bearer other", "x-api-key": "sk-bob" }, "bob"],
    [{ authorization: "Bearer sk-alice2" }, "unknown"],
    [{ authorization: "Bearer SK-ALICE" }, "unknown"],
    [{ "x-api-key": sha256("sk-alice") }, "unknown"],
    [{ authorization: `Bearer ${"k".repeat(10_000)}` }, "missing"],
    [{ authorization: "Basic c2stYWxpY2U=" }, "missing"],
    [{ authorization: "sk-alice" }, "missing"],
    [{ authorization: "" }, "missing"],
    [{}, "missing"],
  ])("with %j is %s", (headers, name) => {
    expect(nameOf(keys, headers)).toBe(name);
  });

  it("changes with the file, and keeps its use", () => {
    const clock = new FakeClock();
    const changing = new ApiKeys(
      [aKey("alice", "sk-1", { requestsPerMinute: 10 }), aKey("bob", "sk-2")],
      clock,
    );
    changing.uses.get("alice")?.requests?.take(4);
    changing.replace([aKey("alice", "sk-new", { requestsPerMinute: 10, tokensPerMinute: 5 })]);
    expect(nameOf(changing, { "x-api-key": "sk-1" })).toBe("unknown");
    expect(nameOf(changing, { "x-api-key": "sk-2" })).toBe("unknown");
    expect(nameOf(changing, { "x-api-key": "sk-new" })).toBe("alice");
    expect(changing.uses.get("alice")?.requests?.level).toBe(6);
    expect(changing.size).toBe(1);
    // Another limit begins full.
    changing.replace([aKey("alice", "sk-new", { requestsPerMinute: 20 })]);
    expect(changing.uses.get("alice")?.requests?.level).toBe(20);
  });
});
