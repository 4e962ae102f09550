import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { tracingIn } from "./otel-environment.ts";

type Environment = Readonly<Record<string, string>>;

const collector = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4317" };
const ofTraces = { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://a" };
const toConsole = { OTEL_TRACES_EXPORTER: "console" };
const toNone = { OTEL_TRACES_EXPORTER: "none" };
const empty = { OTEL_EXPORTER_OTLP_ENDPOINT: " " };
const found = (env: Environment, flag?: boolean) => tracingIn(env, { flag, serviceName: "us" });
const settingsOf = (env: Environment) => found({ ...collector, ...env }).settings;

describe("traces", () => {
  it.each([
    ["without anything", { env: {}, flag: undefined }, undefined],
    ["with an address", { env: collector, flag: undefined }, "otlp"],
    ["with an address of traces", { env: ofTraces, flag: undefined }, "otlp"],
    ["with an exporter", { env: { OTEL_TRACES_EXPORTER: "otlp" }, flag: undefined }, "otlp"],
    ["with the console", { env: toConsole, flag: undefined }, "console"],
    ["with the flag alone", { env: {}, flag: true }, "otlp"],
    ["with the flag and an exporter", { env: toConsole, flag: true }, "console"],
    ["with the flag turned off", { env: collector, flag: false }, undefined],
    ["with the exporter none", { env: { ...collector, ...toNone }, flag: true }, undefined],
    ["with OTEL_SDK_DISABLED", { env: { OTEL_SDK_DISABLED: "TRUE" }, flag: true }, undefined],
    ["with an empty variable", { env: { ...collector, ...empty }, flag: undefined }, undefined],
  ] as const)("%s have their exporter, or none", (_, { env, flag }, exporter) => {
    expect(found(env, flag).settings?.exporter).toBe(exporter);
  });

  it.each([
    [{}, { ratio: 0.1, followsParent: true }],
    [{ OTEL_TRACES_SAMPLER_ARG: "0.05" }, { ratio: 0.05, followsParent: true }],
    [{ OTEL_TRACES_SAMPLER: "traceidratio" }, { ratio: 0.1, followsParent: false }],
    [{ OTEL_TRACES_SAMPLER: "always_on" }, { ratio: 1, followsParent: false }],
    [{ OTEL_TRACES_SAMPLER: "always_off" }, { ratio: 0, followsParent: false }],
    [{ OTEL_TRACES_SAMPLER: "parentbased_always_on" }, { ratio: 1, followsParent: true }],
    [{ OTEL_TRACES_SAMPLER: "parentbased_always_off" }, { ratio: 0, followsParent: true }],
  ])("are sampled as %j says", (env, sampler) => {
    expect(settingsOf(env)?.sampler).toEqual(sampler);
  });

  it.each([
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: "http://c:4317" }, "grpc", "http://c:4317/"],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: "http://c:4318" }, "http/protobuf", "http://c:4318/v1/traces"],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: "https://c/otlp/" }, "grpc", "https://c/otlp/"],
    [
      {
        OTEL_EXPORTER_OTLP_ENDPOINT: "https://c/otlp/",
        OTEL_EXPORTER_OTLP_PROTOCOL: "http/protobuf",
      },
      "http/protobuf",
      "https://c/otlp/v1/traces",
    ],
    [
      {
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://c:4318/mine",
        OTEL_EXPORTER_OTLP_ENDPOINT: "http://d",
      },
      "http/protobuf",
      "http://c:4318/mine",
    ],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: "c:4317" }, "grpc", "https://c:4317/"],
    [
      { OTEL_EXPORTER_OTLP_ENDPOINT: "c:4317", OTEL_EXPORTER_OTLP_INSECURE: "true" },
      "grpc",
      "http://c:4317/",
    ],
    [
      { OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: "http/protobuf", OTEL_TRACES_EXPORTER: "otlp" },
      "http/protobuf",
      "http://localhost:4318/v1/traces",
    ],
    [{ OTEL_TRACES_EXPORTER: "otlp" }, "grpc", "http://localhost:4317/"],
  ] as const)("go with %j by %s to %s", (env, protocol, url) => {
    const { settings, warnings } = found(env);
    expect([settings?.collector.protocol, settings?.collector.url.href]).toEqual([protocol, url]);
    expect(warnings).toEqual([]);
  });

  it("have the names that variables give", () => {
    const named = { OTEL_RESOURCE_ATTRIBUTES: "service.name=a, k8s.pod.name = p%2C0 ,," };
    expect(settingsOf({})?.resource).toEqual({ "service.name": "us" });
    expect(settingsOf(named)?.resource).toEqual({ "service.name": "a", "k8s.pod.name": "p,0" });
    expect(settingsOf({ ...named, OTEL_SERVICE_NAME: "b" })?.resource["service.name"]).toBe("b");
  });

  it("never show what a header says", () => {
    const { settings, warnings } = found({
      ...collector,
      OTEL_EXPORTER_OTLP_HEADERS: "Authorization=Bearer%20secret=,no-value-but-secret,%zz=secret",
    });
    expect(settings?.collector.headers).toEqual({ authorization: "Bearer secret=" });
    expect(warnings).toHaveLength(2);
    expect(warnings.join("\n")).not.toContain("secret");
  });

  it.each([
    ["OTEL_TRACES_SAMPLER", "jaeger_remote"],
    ["OTEL_TRACES_SAMPLER_ARG", "1.5"],
    ["OTEL_TRACES_SAMPLER_ARG", "x"],
    ["OTEL_BSP_MAX_QUEUE_SIZE", "0"],
    ["OTEL_BSP_SCHEDULE_DELAY", "-1"],
    ["OTEL_EXPORTER_OTLP_TIMEOUT", "10s"],
    ["OTEL_EXPORTER_OTLP_COMPRESSION", "zstd"],
    ["OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"],
    ["OTEL_EXPORTER_OTLP_PROTOCOL", "udp"],
    ["OTEL_EXPORTER_OTLP_INSECURE", "yes"],
    ["OTEL_PROPAGATORS", "b3"],
  ])("ignore a wrong %s with one warning: %s", (name, value) => {
    const address = name.endsWith("INSECURE") ? "collector:4317" : "http://collector:4317";
    const { settings, warnings } = found({ OTEL_EXPORTER_OTLP_ENDPOINT: address, [name]: value });
    expect(settings).toBeDefined();
    expect(warnings.map((warning) => warning.split(":")[0])).toEqual([name]);
  });

  it("take any text for an answer", () => {
    const names = [
      ...["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_TRACES_SAMPLER_ARG"],
      ...["OTEL_RESOURCE_ATTRIBUTES", "OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_TRACES_EXPORTER"],
    ];
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...names), fc.string()), (env) => {
        const { settings } = found(env, true);
        const { ratio } = settings?.sampler ?? { ratio: 0 };
        expect(ratio >= 0 && ratio <= 1).toBe(true);
        expect(settings?.collector.url.protocol ?? "http:").toMatch(/^https?:$/u);
        expect(settings?.batch.queuedSpansMax ?? 1).toBeGreaterThan(0);
      }),
      { numRuns: 500 },
    );
  });
});
