import { describe, expect, it } from "vitest";
import type { HealthCheckSettings } from "../../../core/health-settings.ts";
import { vllm } from "./engines/vllm.ts";
import { type ScrapeFlags, type ScrapePlan, scraperOptionsOf } from "./scrape-settings.ts";
import { metricsSourcePlugin } from "./source-plugin.ts";

const flags: ScrapeFlags = {
  scheme: "http",
  path: "/metrics",
  port: undefined,
  insecureSkipVerify: true,
  intervalMs: 50,
  engine: undefined,
};

const check: HealthCheckSettings = {
  path: "/health",
  grpcService: undefined,
  port: 8_081,
  intervalMs: 2_000,
  timeoutMs: 1_000,
  failuresMax: 3,
};

function sourceOf(parameters: object) {
  const loaded = metricsSourcePlugin.load(parameters);
  if (loaded.kind === "invalid") throw new Error(JSON.stringify(loaded.mistakes));
  return loaded.build({});
}

const plan = (parts: Partial<ScrapePlan> = {}): ScrapePlan => ({
  source: undefined,
  engines: undefined,
  probes: [],
  healthCheck: undefined,
  signals: {
    calmIntervalMs: 150,
    idleIntervalMs: 1_000,
    cpuBudgetRatio: 0.2,
    trust: { graceMs: 250, halfLifeMs: 1_000, boundMs: 5_000 },
  },
  ...parts,
});

describe("options of the scraper", () => {
  it("take from flags what the document leaves out, and nothing else", () => {
    const given: ScrapeFlags = {
      scheme: "https",
      path: "/stats",
      port: 9_000,
      insecureSkipVerify: false,
      intervalMs: 70,
      engine: undefined,
    };
    const { engine: _, ...ofFlags } = given;
    expect(scraperOptionsOf(plan(), given)).toMatchObject({ ...ofFlags, isPathGiven: true });
    const source = sourceOf({
      ...{ scheme: "http", path: "/other", port: 9_001, insecureSkipVerify: true },
      interval: "80ms",
    });
    expect(scraperOptionsOf(plan({ source }), given)).toMatchObject({
      ...{ scheme: "http", path: "/other", port: 9_001, insecureSkipVerify: true },
      intervalMs: 80,
    });
  });

  it("take the settings of llm-d-router's documents, and no others", () => {
    const source = sourceOf({ scheme: "https", path: "/metrics", insecureSkipVerify: true });
    expect(scraperOptionsOf(plan({ source }), flags)).toMatchObject({
      scheme: "https",
      path: "/metrics",
      isPathGiven: false,
      port: undefined,
      insecureSkipVerify: true,
      headers: [],
    });
  });

  it.each([
    [undefined, 1, 50],
    ["10ms", 70, 50],
    ["60ms", 70, 60],
  ])("clamp an interval of %s over a flag of %s ms to %s ms", (interval, intervalMs, expected) => {
    const source = interval === undefined ? undefined : sourceOf({ interval });
    const options = scraperOptionsOf(plan({ source }), { ...flags, intervalMs });
    expect(options.intervalMs).toBe(expected);
  });

  it.each([
    [{}, true, true],
    [{ caCertPath: "/ca" }, false, false],
    [{ caCertPath: "/ca", insecureSkipVerify: true }, true, true],
    [{ insecureSkipVerify: false }, false, true],
  ])("verify certificates by %j: scrapes %s, checks %s", (parameters, ofScrapes, ofChecks) => {
    const source = sourceOf(parameters);
    const { insecureSkipVerify, probes } = scraperOptionsOf(
      plan({ source, healthCheck: check }),
      flags,
    );
    expect(insecureSkipVerify).toBe(ofScrapes);
    expect(probes).toMatchObject([{ kind: "check", insecureSkipVerify: ofChecks }]);
  });

  it("send a check as its settings say, after the readings of the document, without a token", () => {
    const source = sourceOf({ bearerTokenPath: "/run/token", serverName: "engine" });
    const reading = {
      ...({ kind: "models", scheme: "http", path: "/v1/models", port: undefined } as const),
      ...{ insecureSkipVerify: true, intervalMs: 5_000, timeoutMs: 1_000 },
    };
    const { probes } = scraperOptionsOf(
      plan({ source, healthCheck: check, probes: [reading] }),
      flags,
    );
    expect(probes).toMatchObject([
      reading,
      { kind: "check", scheme: "http", serverName: "engine", ...check },
    ]);
    expect(probes[1]).not.toHaveProperty("headers");
    expect(scraperOptionsOf(plan({ probes: [reading] }), flags).probes).toEqual([reading]);
  });

  it("use an engine of the flags, unless the document describes it", () => {
    const engine = { ...vllm, off: ["waiting"] as const };
    const withFlag = { ...flags, engine };
    expect(scraperOptionsOf(plan(), withFlag).engines).toEqual({ engines: [engine] });
    const engines = { defaultEngine: "vllm", engines: [vllm] };
    expect(scraperOptionsOf(plan({ engines }), withFlag).engines).toEqual(engines);
  });

  it("can go to another thread unchanged", () => {
    const source = sourceOf({ bearerTokenPath: "/run/token" });
    const options = scraperOptionsOf(plan({ source, healthCheck: check }), {
      ...flags,
      engine: vllm,
    });
    expect(structuredClone(options)).toEqual(options);
  });
});
