import { describe, expect, it } from "vitest";
import { clientKeyOf } from "./client-key.ts";

const keyOf = (headers: Readonly<Record<string, string>>) =>
  clientKeyOf(new Map(Object.entries(headers)));

describe("a client's key", () => {
  it("is the same for the same client, whatever proxies append and whatever its session", () => {
    const key = keyOf({ "x-forwarded-for": "10.0.0.1", "user-agent": "curl/8" });
    const later = { "x-forwarded-for": "10.0.0.1, 10.1.1.1", "user-agent": "curl/8" };
    expect(keyOf({ ...later, "x-session-token": "abc" })).toBe(key);
  });

  it.each([
    [{ "x-forwarded-for": "10.0.0.2" }],
    [{ authorization: "10.0.0.1" }],
    [{ "x-forwarded-for": "10.0.0.1", "x-llm-d-inference-fairness-id": "tenant" }],
    [{ "x-forwarded-for": "10.0.0.1", "x-api-key": "k" }],
  ])("is another one for another client: %o", (headers) => {
    expect(keyOf(headers)).not.toBe(keyOf({ "x-forwarded-for": "10.0.0.1" }));
  });

  it("is unknown if nothing distinguishes clients", () => {
    expect(keyOf({ "x-request-id": "1", "user-agent": "" })).toBeUndefined();
  });
});
