import { describe, expect, it } from "vitest";
import { CorsPolicy } from "./cors.ts";

const page = "https://chat.example.com";
const asked = (more: Readonly<Record<string, string>> = {}) =>
  new Map(Object.entries({ origin: page, "access-control-request-method": "POST", ...more }));
const pairsOf = (flat: readonly string[] = []) =>
  Object.fromEntries(
    flat.flatMap((name, index) => (index % 2 === 0 ? [[name, flat[index + 1]]] : [])),
  );

describe("a policy for one page", () => {
  const policy = new CorsPolicy([page]);

  it("lets it read answers", () => {
    expect(pairsOf(policy.headersFor(new Map([["origin", page]])))).toEqual({
      "access-control-allow-origin": page,
      "access-control-expose-headers": "*",
      vary: "Origin",
    });
  });

  it.each(["https://evil.example", "https://chat.example.com.evil.example", "null", `${page}:444`])(
    "tells %s nothing",
    (origin) => {
      const headers = asked({ origin });
      expect(pairsOf(policy.headersFor(headers))).toEqual({ vary: "Origin" });
      expect(policy.preflightFor("OPTIONS", headers)).toEqual([]);
    },
  );

  it("answers a browser that asks before it sends", () => {
    const headers = asked({ "access-control-request-headers": "authorization, content-type" });
    expect(pairsOf(policy.preflightFor("OPTIONS", headers))).toMatchObject({
      "access-control-allow-methods": expect.stringContaining("POST"),
      "access-control-allow-headers": "authorization, content-type",
    });
  });

  it("repeats no header that could not be sent", () => {
    const headers = asked({ "access-control-request-headers": "a\u00e9" });
    expect(pairsOf(policy.preflightFor("OPTIONS", headers))).not.toHaveProperty(
      "access-control-allow-headers",
    );
  });

  it.each([
    ["POST", asked()],
    ["OPTIONS", new Map([["origin", page]])],
    ["OPTIONS", new Map([["access-control-request-method", "POST"]])],
  ])("leaves a request of %s with other headers alone", (method, headers) => {
    expect(policy.preflightFor(method, headers)).toBeUndefined();
  });
});

it("a policy for all pages names none", () => {
  const headers = new CorsPolicy(["*"]).headersFor(new Map([["origin", page]]));
  expect(pairsOf(headers)).toEqual({
    "access-control-allow-origin": "*",
    "access-control-expose-headers": "*",
  });
});
