import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Child, startPointsman } from "#test/support/child.ts";
import { checkHealth } from "#test/support/health-client.ts";
import { unreachableKubeconfig } from "#test/support/kubeconfig.ts";

const readinessNames = [
  "readiness",
  "inference-extension",
  "envoy.service.ext_proc.v3.ExternalProcessor",
  "",
];

/** On free ports: the deployments' own ports may be in use on the machine that tests. */
const freePorts = ["--grpc-port", "0", "--grpc-health-port", "0", "--metrics-port", "0"];

let children: Child[] = [];
let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "pointsman-serve-"));
});
afterEach(async () => {
  await Promise.all(children.map((child) => child.close()));
  children = [];
  await rm(folder, { recursive: true, force: true });
});

function pointsman(argv: readonly string[], env: Readonly<Record<string, string>> = {}): Child {
  const child = startPointsman(argv, { POINTSMAN_BIND_ADDRESS: "127.0.0.1", ...env });
  children.push(child);
  return child;
}

async function portsOf(child: Child): Promise<{ grpc: number; health: number; metrics: number }> {
  return JSON.parse(await child.line(/"msg":"listening"/)) as {
    grpc: number;
    health: number;
    metrics: number;
  };
}

const document = `apiVersion: llm-d.ai/v1alpha1
kind: EndpointPickerConfig
plugins:
- type: queue-scorer
- type: kv-cache-utilization-scorer
- type: metrics-data-source
  parameters: {scheme: http, path: /metrics, insecureSkipVerify: true}
- type: core-metrics-extractor
schedulingProfiles:
- name: default
  plugins: [{pluginRef: queue-scorer, weight: 2}, {pluginRef: kv-cache-utilization-scorer, weight: 2}]
`;

/** What deployments pass, word for word but for the ports and for plugins that are not built yet. */
const deployments: readonly (readonly [string, (configFile: string) => readonly string[]])[] = [
  [
    "the conformance suite",
    () => [
      ...["--pool-name", "primary", "--pool-namespace", "inference-conformance-app-backend"],
      ...["--zap-encoder", "json", "--grpc-port", "9002", "--grpc-health-port", "9003"],
    ],
  ],
  [
    "KServe 0.16, in camelCase",
    () => [
      ...["--poolName", "p", "--poolNamespace", "n", "--zap-encoder", "json"],
      ...["--grpcPort", "9002", "--grpcHealthPort", "9003", "--configText", document],
    ],
  ],
  [
    "KServe without TLS, with four empty words",
    () => [
      ...["--pool-name", "p", "--pool-namespace", "n", "--zap-encoder", "json"],
      ...["--grpc-port", "9002", "--grpc-health-port", "9003"],
      ...["", "", "", "", "--config-text", document],
    ],
  ],
  [
    "KServe's own test, with repeats and bare booleans",
    () => [
      ...["--pool-name", "first", "--pool-namespace", "n", "--pool-name", "p"],
      ...["--pool-group", "inference.networking.x-k8s.io", "--secure-serving"],
      ...["--model-server-metrics-scheme", "https"],
      "--model-server-metrics-https-insecure-skip-verify",
      ...["--kv-cache-usage-percentage-metric", "vllm:kv_cache_usage_perc"],
      ...["--ha-enable-leader-election", "-configText", document, "--tracing=true"],
    ],
  ],
  [
    "Kaito 0.12",
    (configFile) => [
      ...["--pool-name", "is-inferencepool", "--pool-namespace", "n"],
      ...["--pool-group", "inference.networking.k8s.io", "--zap-encoder", "json"],
      ...["--config-file", configFile, "--grpc-health-port", "9003"],
      ...["--secure-serving=false", "--tracing=false"],
    ],
  ],
  [
    "Kaito 0.11, flags in two words and an empty metric",
    (configFile) => [
      ...["--pool-name", "is-inferencepool", "--pool-namespace", "n", "--config-file", configFile],
      ...["--model-server-metrics-port", "5000", "--secure-serving", "false"],
      ...["--lora-info-metric", ""],
    ],
  ],
];

describe("the metrics port of serve on a loopback address", () => {
  it.each([
    { host: "127.0.0.1:9090", status: 200 },
    { host: "localhost:9090", status: 200 },
    // A web page can let its own name lead here.
    { host: "rebound.example.com", status: 403 },
  ])("answers $status to $host", async ({ host, status }) => {
    const { metrics } = await portsOf(pointsman(["serve", ...freePorts]));
    const request = get({ port: metrics, host: "127.0.0.1", path: "/ui", headers: { host } });
    const [response] = (await once(request, "response")) as [IncomingMessage];
    response.resume();
    expect(response.statusCode).toBe(status);
  });
});

describe("serve, started as others start a picker", () => {
  it.each(deployments)("understands %s, and waits for a pool", async (_, argvOf) => {
    const configFile = path.join(folder, "default-plugins.yaml");
    await writeFile(configFile, document);
    const kubeconfig = path.join(folder, "kubeconfig");
    await writeFile(kubeconfig, await unreachableKubeconfig());
    const child = pointsman([...argvOf(configFile), ...freePorts], { KUBECONFIG: kubeconfig });
    const { health } = await portsOf(child);
    expect(await checkHealth(health, "liveness")).toBe("SERVING");
    for (const name of readinessNames) {
      expect(`${name} ${await checkHealth(health, name)}`).toBe(`${name} NOT_SERVING`);
    }
    expect(await checkHealth(health, "nobody")).toMatch(/^error: 5 NOT_FOUND/);
  });

  it("is ready as soon as a pool is known, also an empty one", async () => {
    const endpoints = path.join(folder, "endpoints.yaml");
    const configFile = path.join(folder, "config.yaml");
    await writeFile(endpoints, "endpoints: []\n");
    await writeFile(
      configFile,
      `apiVersion: llm-d.ai/v1alpha1
kind: EndpointPickerConfig
plugins: [{type: queue-scorer}, {type: file-discovery, parameters: {path: ${endpoints}}}]
dataLayer: {discovery: {pluginRef: file-discovery}}
`,
    );
    const child = pointsman([
      "serve",
      "--config-file",
      configFile,
      "--health-checking",
      ...freePorts,
      "--secure-serving=false",
    ]);
    const { health, grpc, metrics } = await portsOf(child);
    for (const name of [...readinessNames, "liveness"]) {
      expect(await checkHealth(health, name)).toBe("SERVING");
    }
    expect(await checkHealth(grpc, "readiness")).toBe("SERVING");
    expect((await fetch(`http://127.0.0.1:${metrics}/readyz`)).status).toBe(200);
  });
});

describe("serve, given what it cannot use", () => {
  it.each([
    [
      "an unknown flag",
      ["--pool-nam", "x"],
      /unknown flag: --pool-nam \(did you mean --pool-name\?\)/,
    ],
    [
      "a bad value",
      ["--grpc-port", "x"],
      /invalid argument "x" for --grpc-port: want a whole number/,
    ],
    [
      "a configuration that is not there",
      ["--config-file", "/nonexistent.yaml"],
      /--config-file: .*nonexistent/,
    ],
    [
      "a configuration with mistakes",
      [
        "--config-text",
        "apiVersion: llm-d.ai/v1alpha1\nkind: EndpointPickerConfig\nplugins:\n- type: queue-scorr\n- type: precise-prefix-cache-scorer\n",
      ],
      /plugins\[0\]\.type: .*did you mean queue-scorer[^]*plugins\[1\]\.type: precise-prefix-cache-scorer is known and not built yet/,
    ],
    [
      "a certificate folder without a certificate",
      ["--cert-path", "/nonexistent"],
      /tls\.(crt|key)/,
    ],
    [
      "both kinds of configuration",
      ["--config-file", "a", "--config-text", "b"],
      /cannot both be given/,
    ],
  ])("says what is wrong with %s and exits with 1", async (_, argv, message) => {
    const child = pointsman(["serve", ...freePorts, ...argv]);
    expect(await child.ended).toBe(1);
    expect(child.output()).toMatch(message);
    // Lines for people, not a stack trace.
    expect(child.output()).not.toMatch(/^\s+at /m);
  });

  it.each(["--grpc-port", "--grpc-health-port", "--metrics-port"])(
    "says that the port of %s is in use",
    async (flag) => {
      const blocker = createServer();
      await new Promise<void>((resolve) => {
        blocker.listen(0, "127.0.0.1", resolve);
      });
      const address = blocker.address();
      const port = typeof address === "object" ? address?.port : undefined;
      const child = pointsman(["serve", ...freePorts, flag, String(port)]);
      expect(await child.ended).toBe(1);
      expect(child.output()).toMatch(new RegExp(`:${port}: the port is in use`));
      blocker.close();
    },
  );
});

describe("the command line", () => {
  it.each([[[]], [["--help"]], [["help"]]])("lists its commands for %j", async (argv) => {
    // A flag in the environment would mean serve.
    const child = pointsman(argv, { POINTSMAN_BIND_ADDRESS: "" });
    expect(await child.ended).toBe(0);
    expect(child.output()).toMatch(/serve .*\n.*sim /);
  });

  it.each(["serve", "sim", "demo"])("explains the flags of %s", async (command) => {
    const child = pointsman([command, "--help"]);
    expect(await child.ended).toBe(0);
    expect(child.output()).toMatch(/^Usage: pointsman .*\n[^]*^ +--\w+/m);
  });

  it("names its commands to somebody who asks for another", async () => {
    const child = pointsman(["sevre"]);
    expect(await child.ended).toBe(2);
    expect(child.output()).toMatch(/no command "sevre".*serve/);
  });

  it("ends sim at once on SIGTERM", async () => {
    const child = pointsman(["sim", "--port", "0", "--engines", "2"]);
    await child.line(/^admin http/);
    child.signal("SIGTERM");
    expect(await child.ended).toBe(0);
  });
});
