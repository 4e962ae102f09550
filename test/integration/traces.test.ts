import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { startPointsman } from "#test/support/child.ts";
import { ExtProcClient, type ProxiedRequest } from "#test/support/ext-proc-client.ts";
import { GrpcCollector, HttpCollector } from "#test/support/otlp-receiver.ts";
import { edgesOf, mistakesIn, spanNamed } from "#test/support/span-tree.ts";
import { eventually } from "#test/support/wait.ts";

/** Weighted scorers, so that decisions have all stages. */
const document = (endpoints: string) => `apiVersion: pointsman.dev/v1alpha1
kind: EndpointPickerConfig
plugins:
- {type: file-discovery, parameters: {path: ${endpoints}}}
- {type: queue-scorer}
- {type: prefix-cache-scorer}
schedulingProfiles:
- name: default
  plugins: [{pluginRef: queue-scorer, weight: 2}, {pluginRef: prefix-cache-scorer, weight: 3}]
dataLayer: {discovery: {pluginRef: file-discovery}}
`;

const secret = "a-prompt-that-no-collector-may-see";
const body = JSON.stringify({ model: "m", prompt: secret, max_tokens: 7 });
const clientSpan = "00f067aa0ba902b7";

/** The variables that KServe sets. */
const kserve = (url: string) => ({
  OTEL_SERVICE_NAME: "inference-scheduler",
  OTEL_EXPORTER_OTLP_ENDPOINT: url,
  OTEL_TRACES_EXPORTER: "otlp",
  OTEL_TRACES_SAMPLER: "parentbased_traceidratio",
  OTEL_TRACES_SAMPLER_ARG: "0",
  OTEL_RESOURCE_ATTRIBUTES: "k8s.namespace.name=models,k8s.pod.name=epp%2D0",
  OTEL_BSP_SCHEDULE_DELAY: "50",
});

let folder = "";
let config = "";
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "pointsman-traces-"));
  const endpoints = path.join(folder, "endpoints.yaml");
  // Nothing listens there: the test answers in the engine's place.
  await writeFile(
    endpoints,
    "endpoints: [{name: a, address: 127.0.0.1, port: 9}, {name: b, address: 127.0.0.2, port: 9}]\n",
  );
  config = path.join(folder, "config.yaml");
  await writeFile(config, document(endpoints));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const opened: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).toReversed()) await close();
});

async function aPicker(env: Readonly<Record<string, string>>, flags: readonly string[] = []) {
  const child = startPointsman(
    [
      ...["serve", "--config-file", config, "--bind-address", "127.0.0.1"],
      ...["--secure-serving=false", ...flags],
      ...["--grpc-port", "0", "--grpc-health-port", "0", "--metrics-port", "0"],
    ],
    env,
  );
  opened.push(() => child.close());
  const { grpc, metrics } = JSON.parse(await child.line(/"msg":"listening"/)) as {
    grpc: number;
    metrics: number;
  };
  await child.line(/endpoints file loaded/);
  const client = new ExtProcClient(grpc);
  opened.push(() => client.close());
  const metric = async (name: string) => {
    const page = await (await fetch(`http://127.0.0.1:${metrics}/metrics`)).text();
    const line = page.split("\n").find((each) => each.startsWith(`${name} `));
    return Number(line?.slice(name.length));
  };
  return { child, client, metric };
}

async function grpcCollector(): Promise<GrpcCollector> {
  const collector = await GrpcCollector.start();
  opened.push(() => collector.close());
  return collector;
}

async function httpCollector(): Promise<HttpCollector> {
  const collector = await HttpCollector.start();
  opened.push(() => collector.close());
  return collector;
}

let traces = 0;
/** A new trace of a client. */
const aTrace = () => (0xabc000 + ++traces).toString(16).padStart(32, "4bf92f3577b34da6");

const sampled = (trace: string, flags = "01") => ({
  traceparent: `00-${trace}-${clientSpan}-${flags}`,
  tracestate: "vendor=1",
});

const requestOf = (headers: ProxiedRequest["headers"] = {}): ProxiedRequest => ({ headers, body });

describe("a picker with the variables of KServe", () => {
  it.each([
    ["1", "undefined"],
    ["3", "number"],
  ])(
    "sends the spans of sampled requests by gRPC, with %s threads",
    async (workers, typeOfWorker) => {
      const collector = await grpcCollector();
      const flags = ["--tracing=true", "--workers", workers];
      const { client, child, metric } = await aPicker(kserve(collector.url), flags);
      const trace = aTrace();
      const { headers } = await client.run(
        requestOf({ ...sampled(trace), "x-request-id": `id-${trace}` }),
      );

      await eventually("the spans", () => collector.spans[0]);
      const { spans } = collector;
      expect(mistakesIn(spans)).toEqual([]);
      expect(edgesOf(spans)).toEqual(
        [
          "? > gateway.request",
          "gateway.request > gateway.request_orchestration",
          "gateway.request_orchestration > decide",
          ...Array.from({ length: 2 }, () => "decide > produce_data"),
          "decide > run_scheduler_profile",
          "run_scheduler_profile > filter_endpoints",
          "run_scheduler_profile > llm_d.epp.scoring",
          "llm_d.epp.scoring > llm_d.epp.scorer.prefix-cache-scorer",
          "llm_d.epp.scoring > llm_d.epp.scorer.queue-scorer",
          "run_scheduler_profile > pick_endpoints",
          "gateway.request > engine.request",
        ].toSorted(),
      );
      const request = spanNamed(spans, "gateway.request");
      expect(request).toMatchObject({
        ...{ traceId: trace, parentId: clientSpan, traceState: "vendor=1", kind: "server" },
        // Sampled, and the client's span is of another process.
        flags: 0x301,
        error: undefined,
        scope: { name: "pointsman" },
        resource: {
          "service.name": "inference-scheduler",
          "k8s.namespace.name": "models",
          "k8s.pod.name": "epp-0",
        },
        attributes: {
          "gen_ai.operation.name": "text_completion",
          "gen_ai.request.id": `id-${trace}`,
          "gen_ai.request.model": "m",
          "gen_ai.request.max_tokens": 7,
          "http.response.status_code": 200,
          "pointsman.end": "complete",
        },
      });
      expect(typeof request.attributes["pointsman.worker"]).toBe(typeOfWorker);
      expect(spanNamed(spans, "gateway.request_orchestration")).toMatchObject({
        kind: "server",
        attributes: { target_model: "m", request_prio: 0 },
      });
      expect(spanNamed(spans, "run_scheduler_profile").attributes).toMatchObject({
        "llm_d.epp.scheduling.profile.name": "default",
      });
      expect(spanNamed(spans, "filter_endpoints").attributes).toMatchObject({
        "llm_d.epp.filter.candidate_endpoints": 2,
        "llm_d.epp.filter.filtered_endpoints": 2,
      });
      expect(spanNamed(spans, "llm_d.epp.scorer.queue-scorer").attributes).toMatchObject({
        "llm_d.epp.scorer.type": "queue-scorer",
        "llm_d.epp.scorer.name": "queue-scorer",
        "llm_d.epp.scorer.weight": 2,
        "llm_d.epp.scorer.candidate_endpoints": 2,
      });
      const { "llm_d.epp.picker.top_endpoints": top } = spanNamed(
        spans,
        "pick_endpoints",
      ).attributes;
      expect(top).toHaveLength(2);

      // The engine's spans are below that of the attempt.
      const attempt = spanNamed(spans, "engine.request");
      expect(headers["traceparent"]).toBe(`00-${trace}-${attempt.id}-01`);
      expect(attempt).toMatchObject({
        kind: "client",
        attributes: { "server.port": 9, "pointsman.attempt.kind": "first" },
        events: [{ name: "response_head" }, { name: "first_token" }],
      });
      expect(headers).not.toHaveProperty("tracestate");

      expect(JSON.parse(await child.line(/"msg":"request"/))).toMatchObject({ traceId: trace });
      expect(JSON.stringify(spans, shown)).not.toContain(secret);
      expect(await metric("pointsman_trace_spans_exported_total")).toBe(spans.length);
    },
  );

  it("leaves the headers of other requests as they are", async () => {
    const collector = await grpcCollector();
    const { client, child } = await aPicker(kserve(collector.url));
    for (const headers of [{}, sampled(aTrace(), "00"), { traceparent: "x", tracestate: "a=1" }]) {
      const picked = await client.run(requestOf(headers));
      expect(picked.headers).not.toHaveProperty("traceparent");
    }
    const last = aTrace();
    await client.run(requestOf(sampled(last)));
    await eventually("the spans", () => collector.spans[0]);
    expect(new Set(collector.spans.map(({ traceId }) => traceId))).toEqual(new Set([last]));
    // Lines are written in batches.
    await eventually("the line of the request", () => child.output().match(/"traceId"/u));
    expect(child.output().match(/"traceId"/gu)).toHaveLength(1);
  });

  it("sends what is left when it ends", async () => {
    const collector = await grpcCollector();
    const env = { ...kserve(collector.url), OTEL_BSP_SCHEDULE_DELAY: "600000" };
    const { client, child } = await aPicker(env);
    await client.run(requestOf(sampled(aTrace())));
    expect(collector.calls).toBe(0);
    client.close();
    child.signal("SIGTERM");
    expect(await child.ended).toBe(0);
    expect(collector.spans.length).toBeGreaterThan(8);
  });
});

const overHttp = (url: string) => ({
  OTEL_EXPORTER_OTLP_ENDPOINT: url,
  OTEL_EXPORTER_OTLP_PROTOCOL: "http/protobuf",
  OTEL_EXPORTER_OTLP_HEADERS: "Authorization=Bearer%20a-secret",
  OTEL_EXPORTER_OTLP_COMPRESSION: "gzip",
  OTEL_TRACES_SAMPLER: "always_on",
  OTEL_BSP_SCHEDULE_DELAY: "20",
});

describe("a picker whose collector speaks HTTP", () => {
  it("begins traces, and says nothing of secrets", async () => {
    const collector = await httpCollector();
    const { client, child } = await aPicker(overHttp(collector.url));
    const picked = await client.run(requestOf());
    await eventually("the spans", () => collector.spans[0]);
    const request = spanNamed(collector.spans, "gateway.request");
    expect(request).toMatchObject({ parentId: "", flags: 0x101 });
    expect(request.resource["service.name"]).toBe("llm-d-epp");
    expect(picked.headers["traceparent"]).toContain(`00-${request.traceId}-`);
    expect(collector.batches[0]).toMatchObject({
      path: "/v1/traces",
      headers: { authorization: "Bearer a-secret", "content-type": "application/x-protobuf" },
    });
    expect(child.output()).not.toContain("a-secret");
  });

  it.each([
    ["says later", { status: 429, headers: { "retry-after": "1" } }],
    ["has no room", { status: 503, headers: { "retry-after": "1" } }],
    ["is unavailable behind its proxy", { status: 502 }],
    ["sends garbage", "garbage"],
    ["hangs", "hang"],
  ] as const)("serves requests while it %s, and then sends their spans", async (_, answer) => {
    const collector = await httpCollector();
    collector.answers.push(answer);
    const { client, child } = await aPicker({
      ...overHttp(collector.url),
      OTEL_EXPORTER_OTLP_TIMEOUT: "500",
    });
    const before = performance.now();
    expect(await client.run(requestOf())).toMatchObject({ refused: undefined });
    await child.line(/"msg":"trace export failed"/);
    expect(await client.run(requestOf())).toMatchObject({ refused: undefined });
    await child.line(/"msg":"trace export restored"/);
    const roots = () => collector.spans.filter(({ name }) => name === "gateway.request");
    await eventually("both requests", () => (roots().length === 2 ? true : undefined));
    // The first pause is half a second at least, or as long as the collector asked for.
    const asked = typeof answer === "object" && "headers" in answer;
    expect(performance.now() - before).toBeGreaterThan(asked ? 1_000 : 500);
  });

  it("drops what the collector does not take, and counts it", async () => {
    const collector = await httpCollector();
    collector.answers.push({ status: 400 });
    const { client, child, metric } = await aPicker(overHttp(collector.url));
    await client.run(requestOf());
    expect(JSON.parse(await child.line(/"msg":"trace export failed"/))).toMatchObject({
      reason: "HTTP status 400",
    });
    const spans = collector.batches[0]?.spans.length ?? 0;
    expect(await metric('pointsman_trace_spans_dropped_total{reason="refused"}')).toBe(spans);
    await client.run(requestOf());
    await child.line(/"msg":"trace export restored"/);
    expect(collector.batches).toHaveLength(2);
  });

  it("serves requests without a collector, within a bound, and ends in time", async () => {
    const { client, child, metric } = await aPicker({
      ...overHttp("http://127.0.0.1:9"),
      OTEL_BSP_MAX_QUEUE_SIZE: "30",
      OTEL_BSP_MAX_EXPORT_BATCH_SIZE: "10",
    });
    for (let sent = 0; sent < 20; sent += 1) await client.run(requestOf());
    expect(
      await metric('pointsman_trace_spans_dropped_total{reason="queue-full"}'),
    ).toBeGreaterThan(100);
    expect(await metric("pointsman_trace_spans_queued")).toBeLessThanOrEqual(30);
    expect(child.output().match(/trace export failed/gu)).toHaveLength(1);
    client.close();
    child.signal("SIGINT");
    expect(await child.ended).toBe(0);
  });

  it("does not wait longer than its limit for a collector that hangs", async () => {
    const collector = await httpCollector();
    collector.answers.push("hang", "hang", "hang", "hang");
    const { client, child } = await aPicker({
      ...overHttp(collector.url),
      OTEL_BSP_EXPORT_TIMEOUT: "300",
    });
    await client.run(requestOf());
    await eventually("the batch", () => collector.batches[0]);
    client.close();
    const before = performance.now();
    child.signal("SIGINT");
    expect(await child.ended).toBe(0);
    expect(performance.now() - before).toBeLessThan(5_000);
  });
});

describe("a picker", () => {
  it.each([
    ["without a variable", {}, []],
    [
      "that is told not to",
      { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9" },
      ["--tracing=false"],
    ],
    ["whose exporter is none", { OTEL_TRACES_EXPORTER: "none" }, ["--tracing"]],
  ] as const)("traces nothing %s", async (_, env, flags) => {
    const { client, child, metric } = await aPicker(
      { ...env, OTEL_TRACES_SAMPLER: "always_on" },
      flags,
    );
    const picked = await client.run(requestOf(sampled(aTrace())));
    expect(picked.headers).not.toHaveProperty("traceparent");
    expect(child.output()).not.toContain("traceId");
    expect(await metric("pointsman_trace_spans_queued")).toBeNaN();
  });

  it("writes spans to its log if the exporter is the console", async () => {
    const env = { OTEL_TRACES_EXPORTER: "console", OTEL_TRACES_SAMPLER: "always_on" };
    const { client, child } = await aPicker(env);
    await client.run(requestOf());
    const line: unknown = JSON.parse(await child.line(/"span":"gateway.request"/));
    expect(line).toMatchObject({
      msg: "span ended",
      kind: "server",
      durationMs: expect.any(Number),
    });
    expect(child.output()).not.toContain(secret);
  });

  it("goes on with a warning for each variable that is invalid", async () => {
    const { child } = await aPicker({
      OTEL_TRACES_EXPORTER: "zipkin",
      OTEL_EXPORTER_OTLP_ENDPOINT: "nonsense://x",
      OTEL_TRACES_SAMPLER_ARG: "2",
      OTEL_EXPORTER_OTLP_HEADERS: "a-secret",
    });
    const lines = child
      .output()
      .split("\n")
      .filter((line) => line.includes("variable ignored"));
    const warned = lines.map((line) => (JSON.parse(line) as { warning: string }).warning);
    expect(warned.map((warning) => warning.split(":")[0])).toEqual([
      "OTEL_TRACES_EXPORTER",
      "OTEL_TRACES_SAMPLER_ARG",
      "OTEL_EXPORTER_OTLP_ENDPOINT",
      "OTEL_EXPORTER_OTLP_HEADERS",
    ]);
    expect(child.output()).not.toContain("a-secret");
  });
});

function shown(_: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}
