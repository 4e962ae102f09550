import { createServer, type ServerResponse } from "node:http";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { envoyPath } from "#test/components/envoy.ts";
import { start } from "#test/support/child.ts";
import { aClusterPod, aClusterPool, collections, FakeCluster } from "#test/support/fake-cluster.ts";
import { freePort } from "#test/support/free-port.ts";
import { kubeconfigText } from "#test/support/kubeconfig.ts";
import {
  type Chat,
  chatTo,
  type CommandEnd,
  load,
  promptOf,
  Stand,
} from "#test/support/planted/stand.ts";
import { eventually } from "#test/support/wait.ts";
import type { Finding } from "../../src/cli/doctor/finding.ts";
import { KubeError } from "../../src/control-plane/kubernetes/kube-api.ts";
import { localEnvoyConfigOf } from "../../src/demo/envoy-config.ts";
import { listening } from "../../src/listening/listen-error.ts";

/** The faults of docs/troubleshooting.md, each with the words that name it and the time of the command. */
const rows: string[] = [];

let stand: Stand;
beforeEach(async () => {
  stand = await Stand.open();
});
afterEach(() => stand.close());
afterAll(() => console.log(rows.join("\n")));

/** The finding that names a fault; fails with all others if there is none. */
function named(
  fault: string,
  code: string,
  { findings, seconds }: { readonly findings: readonly Finding[] } & Pick<CommandEnd, "seconds">,
): Finding {
  const found = findings.find((each) => each.code === code);
  if (found === undefined) throw new Error(`no ${code} in ${JSON.stringify(findings, null, 1)}`);
  rows.push(
    `| ${fault} | ${found.subject}: ${found.what} \`[${code}]\` | ${seconds.toFixed(1)} s |`,
  );
  return found;
}

const at = (port: number) => ({ address: "127.0.0.1", port });

/** Passes a page on as a machine that is a minute late would. */
async function passLate(url: string, response: ServerResponse): Promise<void> {
  const answer = await fetch(url);
  const text = await answer.text();
  response.setHeader("date", new Date(Date.now() - 60_000).toUTCString());
  response.writeHead(answer.status).end(text);
}

/** Chats that share nothing. */
const differentChat = (index: number): Chat => ({ content: promptOf(`chat ${index}`, 2_000) });

/** Short turns of 40 conversations. */
const turnOfConversation = (index: number): Chat => ({
  content: promptOf(`conversation ${index % 40}`, 1_500),
});

/** Ten texts of about 1,100 tokens in turns. */
const textInTurn = (index: number): Chat => ({ content: promptOf(`text ${index % 10}`, 1_100) });

/** Chats of two tenants in turn; those of one begin with the time. */
function timedChat(index: number): Chat {
  const isTimed = index % 2 === 0;
  const name = isTimed ? new Date(index * 1_000).toISOString() : "assistant";
  const headers = { "x-llm-d-inference-fairness-id": isTimed ? "reports" : "chats" };
  return { content: promptOf(name, 800), headers };
}

describe("a fault of an engine", () => {
  it("caching is off", async () => {
    const engines = await stand.engines(3);
    await engines.plant(1, { prefixCaching: false });
    const end = await stand.doctor("--endpoints", engines.urls.join());
    const { subject } = named("caching off on one engine", "prefix-caching-off", end);
    expect([subject, end.code]).toEqual([engines.hostPorts[1], 1]);
  });

  it("metrics are frozen", async () => {
    const engines = await stand.engines(3, "--step-base-ms", "20");
    await engines.plant(1, { staleMetrics: true });
    const gateway = await stand.gateway(engines);
    const over = new AbortController();
    stand.onClose(() => over.abort());
    for (let index = 0; index < 30; index += 1) {
      const content = promptOf(`chat ${index}`, 50);
      void chatTo(gateway.url, { content, maxTokens: 5_000, signal: over.signal }).catch(() => 0);
    }
    const end = await eventually(
      "frozen metrics",
      async () => {
        const result = await stand.doctor("--url", gateway.adminUrl);
        return result.findings.some(({ code }) => code === "metrics-frozen") ? result : undefined;
      },
      60_000,
    );
    const { subject } = named("metrics of one engine frozen", "metrics-frozen", end);
    expect(subject).toContain(engines.hostPorts[1]);
  });

  it("is three times slower", async () => {
    const engines = await stand.engines(4, "--prefill-tokens-per-second", "20000");
    await engines.plant(1, { slowFactor: 3 });
    const gateway = await stand.gateway(engines);
    await load(gateway.url, { chats: 120, clients: 8, chatOf: differentChat });
    const end = await stand.doctor("--url", gateway.adminUrl);
    const { subject } = named("one engine 3 times slower", "engine-slow", end);
    expect(subject).toContain(engines.hostPorts[1]);
  });

  it("has blocks of another size", async () => {
    const engines = await stand.engines(3);
    await engines.plant(2, { blockTokens: 32 });
    const end = await stand.doctor("--endpoints", engines.urls.join());
    const { subject } = named("wrong block size", "block-size-differs", end);
    expect(subject).toBe(engines.hostPorts[2]);
  });

  it("has a clock that is off by a minute", async () => {
    const engines = await stand.engines(1);
    const server = createServer((request, response) => {
      void passLate(`${engines.urls[0]}${request.url}`, response);
    });
    const port = await listening(server, { address: "127.0.0.1", port: 0, hostPort: "" });
    stand.onClose(() => void server.close());
    const late = `127.0.0.1:${port}`;
    const end = await stand.doctor("--endpoints", `${engines.urls[0]},http://${late}`);
    expect(named("clock off by a minute", "clock-skew", end).subject).toBe(late);
  });
});

/** Weights by which requests go to the cache and away from it. */
const fighting = `apiVersion: llm-d.ai/v1alpha1
kind: EndpointPickerConfig
plugins: [{type: prefix-cache-scorer}, {type: active-request-scorer}, {type: max-score-picker}]
schedulingProfiles:
- name: default
  plugins:
  - {pluginRef: prefix-cache-scorer, weight: 1}
  - {pluginRef: active-request-scorer, weight: 1}
  - {pluginRef: max-score-picker}
`;

describe("a fault of the configuration or the traffic", () => {
  it("weights work against each other", async () => {
    const engines = await stand.engines(2, "--prefill-tokens-per-second", "50000");
    const document = await stand.file("config.yaml", fighting);
    const { url, adminUrl } = await stand.gateway(engines, "--config-file", document);
    const over = new AbortController();
    stand.onClose(() => over.abort());
    // One engine is busy, so the other one gets 40 prompts, and has them in its cache.
    const first = new AbortController();
    const held = chatTo(url, { content: "x", maxTokens: 50_000, signal: first.signal }).catch(
      () => 0,
    );
    await inFlight(adminUrl, 1);
    await load(url, { chats: 40, clients: 1, chatOf: turnOfConversation });
    first.abort();
    await held;
    // Now that one is busy: its cache draws the prompts there, its load drives them away.
    for (const index of [0, 1, 2]) {
      const long = { ...turnOfConversation(index), maxTokens: 50_000, signal: over.signal };
      void chatTo(url, long).catch(() => 0);
      // The next one must find this one there.
      // oxlint-disable-next-line no-await-in-loop
      await inFlight(adminUrl, index + 1);
    }
    await load(url, { chats: 40, clients: 1, chatOf: turnOfConversation });
    const end = await stand.doctor("--url", adminUrl);
    const { what } = named("weights that fight", "weights-fight", end);
    expect(what).toContain("prefix-cache-scorer (weight 1) and active-request-scorer (weight 1)");
  });

  it("prompts of a tenant begin with the time", async () => {
    const engines = await stand.engines(3, "--prefill-tokens-per-second", "50000");
    const gateway = await stand.gateway(engines);
    await load(gateway.url, { chats: 80, clients: 4, chatOf: timedChat });
    const end = await stand.doctor("--url", gateway.adminUrl);
    const fault = "a tenant whose prompts begin with a timestamp";
    expect(named(fault, "tenant-without-hits", end).subject).toBe("reports");
    // All engines cache, and count it: findings about their counters would lead astray.
    const about = end.findings.map(({ code, subject, what }) => `${code} ${subject}: ${what}`);
    expect(about.filter((text) => /^(?:hit-counters-still|no-cache-hit)/u.test(text))).toEqual([]);
  });

  it("the caches are too small", async () => {
    const engines = await stand.engines(2, "--kv-cache-tokens-max", "4096");
    const gateway = await stand.gateway(engines);
    await load(gateway.url, { chats: 60, clients: 1, chatOf: textInTurn });
    const { code, output, seconds } = await stand.command("hits", "--url", gateway.adminUrl);
    const text = output.replaceAll(/\s+/gu, " ");
    const [said = ""] =
      /The caches are too small.*? 2 times the size gives \d+ %/u.exec(text) ?? [];
    expect([code, said]).toEqual([0, expect.stringContaining("8192 tokens together")]);
    rows.push(`| caches that are too small | ${said} | ${seconds.toFixed(1)} s |`);
  });

  it("an adapter is loaded nowhere", async () => {
    const engines = await stand.engines(2, "--adapters", "sql");
    const gateway = await stand.gateway(engines);
    const asked = { content: "x", headers: { "x-request-id": "lost-adapter" } };
    expect(await chatTo(gateway.url, { ...asked, model: "sql-v2" })).toBe(404);
    const end = await stand.doctor("--url", gateway.adminUrl);
    expect(named("an adapter loaded nowhere", "model-not-served", end).what).toContain('"sql-v2"');
    const explained = await stand.command("explain", "lost-adapter", "--url", gateway.adminUrl);
    expect(explained.output).toContain("refused: model_not_found");
  });

  it("a document is refused", async () => {
    const engines = await stand.engines(1);
    const good = fighting.replaceAll(/active-request-scorer/gu, "queue-scorer");
    const document = await stand.file("config.yaml", good);
    const gateway = await stand.gateway(engines, "--config-file", document);
    await writeFile(document, good.replace("weight: 1", "weight: heavy"));
    await gateway.child.line(/"msg":"configuration refused"/u);
    const end = await stand.doctor("--url", gateway.adminUrl);
    expect(named("a document refused", "config-refused", end).what).toContain("weight");
    expect(end.code).toBe(1);
  });
});

describe("a fault around the picker", () => {
  it("Envoy takes 1,024 requests at a time, and refuses the others", async () => {
    const engines = await stand.engines(1);
    await engines.plant(0, { hang: true });
    const endpoint = new URL(engines.urls[0] ?? "");
    const endpoints = [{ name: "a", address: endpoint.hostname, port: Number(endpoint.port) }];
    const list = await stand.file("endpoints.json", JSON.stringify({ endpoints }));
    const document = await stand.file(
      "config.yaml",
      `{apiVersion: llm-d.ai/v1alpha1, kind: EndpointPickerConfig, plugins: [{type: file-discovery, parameters: {path: ${JSON.stringify(list)}}}], dataLayer: {discovery: {pluginRef: file-discovery}}}`,
    );
    const picker = stand.started(
      ...["serve", "--config-file", document, "--bind-address", "127.0.0.1"],
      ...["--secure-serving=false", "--grpc-port", "0", "--grpc-health-port", "0"],
      ...["--metrics-port", "0"],
    );
    // The line is the picker's own.
    const { grpc } = JSON.parse(await picker.line(/"msg":"listening"/u)) as { grpc: number };
    const [port, adminPort] = [await freePort(), await freePort()];
    const envoy = await startUsualEnvoy({ port, adminPort, grpc });
    stand.onClose(() => void envoy.close());
    const admin = `http://127.0.0.1:${adminPort}`;
    await eventually("Envoy", () =>
      fetch(`${admin}/ready`).then(
        ({ ok }) => ok || undefined,
        () => undefined,
      ),
    );
    const before = await stand.doctor("--envoy", admin);
    const limits = before.findings.filter(({ code }) => code === "envoy-streams-limited");
    expect(limits.map(({ what }) => what).toSorted()).toEqual(
      ["models", "picker"].map(
        (name) => `cluster ${name} takes 1,024 requests at a time (max_requests)`,
      ),
    );
    expect(before.code).toBe(0);

    const over = new AbortController();
    stand.onClose(() => over.abort());
    const statuses: number[] = [];
    for (let index = 0; index < 1_100; index += 1) {
      void chatTo(`http://127.0.0.1:${port}`, { content: "x", signal: over.signal }).then(
        (status) => statuses.push(status),
        () => undefined,
      );
    }
    await eventually("refused requests", () => (statuses.length > 50 ? true : undefined));
    expect(new Set(statuses)).toEqual(new Set([500]));
    const end = await stand.doctor("--envoy", admin);
    named("Envoy's 1,024 streams", "envoy-streams-full", end);
    expect(end.code).toBe(1);
  });

  it("a pod has no rights", async () => {
    const cluster = new FakeCluster();
    cluster.put(collections.pools, aClusterPool(8_000));
    cluster.put(collections.pods, aClusterPod({ name: "a", createdAt: 1 }));
    cluster.refusals.set(
      collections.pods,
      new KubeError(
        403,
        "Forbidden",
        'pods is forbidden: User "system:serviceaccount:n:epp" cannot list resource "pods"',
      ),
    );
    const over = new AbortController();
    stand.onClose(() => over.abort());
    const server = await cluster.listen(over.signal);
    const kubeconfig = await stand.file("kubeconfig", kubeconfigText({ server }));
    const picker = stand.started(
      ...["serve", "--kubeconfig", kubeconfig, "--pool-name", "llama", "--pool-namespace", "n"],
      ...["--bind-address", "127.0.0.1", "--secure-serving=false", "--grpc-port", "0"],
      ...["--grpc-health-port", "0", "--metrics-port", "0"],
    );
    // The line is the picker's own.
    const { metrics } = JSON.parse(await picker.line(/"msg":"listening"/u)) as { metrics: number };
    const end = await eventually(
      "the refusal",
      async () => {
        const result = await stand.doctor("--url", `http://127.0.0.1:${metrics}`);
        return result.findings.some(({ code }) => code === "not-followed") ? result : undefined;
      },
      60_000,
    );
    expect(named("one pod without rights", "not-followed", end).what).toMatch(
      /pods .*403|forbidden/u,
    );
  });
});

/** Resolves when a gateway has this many requests in flight. */
async function inFlight(adminUrl: string, count: number): Promise<void> {
  await eventually(`${count} requests in flight`, async () => {
    // The page is the gateway's own.
    const { endpoints } = (await (await fetch(`${adminUrl}/debug/pool`)).json()) as {
      readonly endpoints: readonly { readonly inFlightRequests: number }[];
    };
    const sum = endpoints.reduce((total, each) => total + each.inFlightRequests, 0);
    return sum === count ? true : undefined;
  });
}

/** An Envoy as many have it: with the admin port, and without circuit breakers of its own. */
async function startUsualEnvoy(ports: { port: number; adminPort: number; grpc: number }) {
  const binary = await envoyPath((line) => void process.stderr.write(`${line}\n`));
  const config = JSON.stringify(localEnvoyConfigOf(at(ports.port), at(ports.grpc)));
  const usual = config.replaceAll(/"circuit_breakers":\{"thresholds":\[\{[^}]*\}\]\},/gu, "");
  const admin = {
    address: { socket_address: { address: "127.0.0.1", port_value: ports.adminPort } },
  };
  const file = await stand.file(
    "envoy.json",
    JSON.stringify({ admin, ...(JSON.parse(usual) as object) }),
  );
  const argv = ["--config-path", file, "--disable-hot-restart", "--concurrency", "1"];
  return start(binary, [...argv, "--log-level", "error"]);
}

it("is in docs/troubleshooting.md", async () => {
  const page = await readFile(path.join("docs", "troubleshooting.md"), "utf8");
  // One fault is named by a sentence.
  const codes = rows.flatMap((row) => /`(\[[\w-]+\])`/u.exec(row)?.[1] ?? []);
  expect(codes.length).toBeGreaterThan(0);
  expect(codes.filter((code) => !page.includes(code))).toEqual([]);
});
