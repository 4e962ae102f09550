import { describe, expect, it } from "vitest";
import { metricsPathIn, metricsSourcePlugin } from "./source-plugin.ts";

function sourceOf(parameters: object) {
  const loaded = metricsSourcePlugin.load(parameters);
  if (loaded.kind === "invalid") throw new Error(JSON.stringify(loaded.mistakes));
  return loaded.build({});
}

describe("metrics-data-source", () => {
  it.each([
    ["50ms", 50],
    ["1s", 1_000],
    ["1m30s", 90_000],
  ])("accepts an interval of %s", (interval, intervalMs) => {
    const loaded = metricsSourcePlugin.load({ interval });
    if (loaded.kind === "invalid") throw new Error("refused");
    expect(loaded.build({})).toMatchObject({ intervalMs });
  });

  it.each([
    ["/metrics ", "/metrics"],
    [" /metrics\t", "/metrics"],
    ["/stats/prometheus?usedonly", "/stats/prometheus?usedonly"],
    ["metrics", undefined],
    ["/met rics", undefined],
    ["/m\u00e9trics", undefined],
    ["", undefined],
  ])("reads the path %j as %j", (text, path) => {
    expect(metricsPathIn(text)).toBe(path);
    const loaded = metricsSourcePlugin.load({ path: text });
    expect(loaded.kind).toBe(path === undefined ? "invalid" : "loaded");
    expect(loaded.kind === "loaded" ? loaded.build({}).path : undefined).toBe(path);
  });

  it("names the places of secrets and never holds one", () => {
    const source = sourceOf({
      bearerTokenPath: "/run/token",
      headers: [
        { name: "X-Tenant", path: "/run/tenant" },
        { name: "X-Key", prefix: "Key ", secret: { name: "s", key: "k", namespace: "n" } },
      ],
    });
    expect(source.headers).toEqual([
      { name: "authorization", prefix: "Bearer ", from: { kind: "file", path: "/run/token" } },
      { name: "X-Tenant", prefix: "", from: { kind: "file", path: "/run/tenant" } },
      {
        name: "X-Key",
        prefix: "Key ",
        from: { kind: "secret", secret: { namespace: "n", name: "s", key: "k" } },
      },
    ]);
  });

  it.each<readonly [object, string, string]>([
    [{ headers: [{ name: "X-Key", value: "secret" }] }, "headers", "Unrecognized"],
    [{ headers: [{ name: "X-Key" }] }, "headers", "either path or secret"],
    [{ headers: [{ name: "Host", path: "/x" }] }, "headers", "set by the picker"],
    [{ headers: [{ name: "a b", path: "/x" }] }, "headers", "name of a header"],
    [
      { bearerTokenPath: "/x", headers: [{ name: "Authorization", path: "/y" }] },
      "headers",
      "only once",
    ],
    [
      { bearerTokenPath: "/x", bearerTokenSecret: { name: "s", key: "k" } },
      "bearerTokenSecret",
      "not both",
    ],
    [{ clientCertPath: "/x" }, "clientCertPath", "wants clientKeyPath"],
    [{ clientKeyPath: "/x" }, "clientKeyPath", "wants clientCertPath"],
    [{ engines: [{ name: "sglang", port: 0 }] }, "engines", ">=1"],
  ])("refuses %j", (parameters, path, message) => {
    const loaded = metricsSourcePlugin.load(parameters);
    if (loaded.kind !== "invalid") throw new Error("accepted");
    const [mistake] = loaded.mistakes;
    expect(mistake?.path[0]).toBe(path);
    expect(mistake?.message).toContain(message);
  });
});
