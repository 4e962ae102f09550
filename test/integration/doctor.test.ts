import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Child, startPointsman } from "#test/support/child.ts";
import { freePort } from "#test/support/free-port.ts";
import { fastEngine, startEngines } from "#test/support/simulated.ts";
import { anAuthority, type CertificateNames, startTlsFront } from "#test/support/tls-front.ts";
import { eventually } from "#test/support/wait.ts";
import type { Finding } from "../../src/cli/doctor/finding.ts";
import type { EngineSettings } from "../../src/simulator/engine-settings.ts";
import { listening } from "../../src/listening/listen-error.ts";

const head = "apiVersion: llm-d.ai/v1alpha1\nkind: EndpointPickerConfig\n";
const good = `${head}plugins: [{type: random-picker}]\n`;
const mistaken = `${head}plugins: [{type: radom-picker}]\n`;

let folder: string;
let closers: (() => Promise<unknown>)[];

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "pointsman-doctor-"));
  closers = [];
});

afterEach(async () => {
  await Promise.all(closers.map((close) => close()));
  await rm(folder, { recursive: true, force: true });
});

function started(...argv: readonly string[]): Child {
  const child = startPointsman(argv);
  closers.push(() => child.close());
  return child;
}

/** `pointsman doctor` and its findings as severity, code and subject. */
async function doctor(...argv: readonly string[]) {
  const child = started("doctor", "--json", ...argv);
  const code = await child.ended;
  const output = child.output();
  const report = output.startsWith("{") ? (JSON.parse(output) as Report) : undefined;
  const found = report?.findings.map((each) => `${each.severity} ${each.code} ${each.subject}`);
  return { code, output, found, report };
}

interface Report {
  readonly findings: readonly Finding[];
  readonly notChecked: readonly string[];
}

/** The `host:port` of a new simulated engine. */
async function engineAt(settings: Partial<EngineSettings> = {}): Promise<string> {
  const simulator = await startEngines({ engines: 1, settings: { ...fastEngine, ...settings } });
  closers.push(() => simulator.close());
  return `127.0.0.1:${simulator.engines[0]?.port}`;
}

/** An engine that is a minute late and reports no cached tokens. */
async function lateEngine(): Promise<string> {
  let reads = 0;
  const server: Server = createServer((request, response) => {
    request.resume();
    response.setHeader("date", new Date(Date.now() - 60_000).toUTCString());
    reads += 1;
    if (request.url === "/v1/models") {
      // As the simulated engines list theirs.
      response.end('{"data":[{"id":"sim-model","parent":null,"max_model_len":400000}]}');
    } else if (request.url === "/metrics") {
      response.end(
        `vllm:num_requests_waiting 0\nvllm:num_requests_running 0\nvllm:kv_cache_usage_perc 0\n` +
          `vllm:prompt_tokens_total ${reads}\n` +
          `vllm:cache_config_info{block_size="16",num_gpu_blocks="9",enable_prefix_caching="True"} 1\n`,
      );
    } else response.end('{"usage":{"prompt_tokens":500,"prompt_tokens_details":null}}');
  });
  const port = await listening(server, { address: "127.0.0.1", port: 0, hostPort: "" });
  closers.push(async () => {
    server.closeAllConnections();
    server.close();
  });
  return `127.0.0.1:${port}`;
}

describe("doctor and engines", () => {
  it("finds nothing in engines that are well, and ends with 0", async () => {
    const engines = [await engineAt(), await engineAt()];
    const { code, found, report } = await doctor(
      "--try",
      "--strict",
      "--endpoints",
      engines.join(),
    );
    expect({ code, found, notChecked: report?.notChecked }).toEqual({
      code: 0,
      found: [],
      notChecked: [],
    });
  });

  it("names each planted fault with the engine that has it, and ends with 1", async () => {
    const well = [await engineAt(), await engineAt()];
    const uncached = await engineAt({ prefixCaching: false });
    const down = `127.0.0.1:${await freePort()}`;
    const larger = await engineAt({ blockTokens: 32 });
    const garbage = await engineAt({ metricsGarbage: true });
    const frozen = await engineAt({ staleMetrics: true });
    const failing = await engineAt({ errorRatio: 1 });
    const late = await lateEngine();
    const all = [...well, uncached, down, larger, garbage, frozen, failing, late];
    const { code, found } = await doctor("--try", "--endpoints", all.join());
    expect(code).toBe(1);
    expect(found?.toSorted()).toEqual(
      [
        `error completion-failed ${failing}`,
        `error engine-down ${down}`,
        `error metrics-frozen ${frozen}`,
        `error metrics-unknown ${garbage}`,
        `error prefix-caching-off ${uncached}`,
        `warning block-size-differs ${larger}`,
        `warning cached-tokens-not-reported ${late}`,
        `warning clock-skew ${late}`,
      ].toSorted(),
    );
  });
});

describe("doctor and engines over TLS", () => {
  it("names a certificate that is not trusted, with the line to change", async () => {
    const authority = await anAuthority();
    const caFile = path.join(folder, "ca.crt");
    await writeFile(caFile, authority.cert);
    const [, enginePort = ""] = (await engineAt()).split(":");
    const secureAt = async (names: CertificateNames) => {
      const front = await startTlsFront(Number(enginePort), await authority.issue(names));
      closers.push(front.close);
      return `https://127.0.0.1:${front.port}`;
    };
    const well = await secureAt({ addresses: ["127.0.0.1"] });
    const expired = await secureAt({ addresses: ["127.0.0.1"], days: [-9, -2] });
    const other = await secureAt({ names: ["other.example.com"] });
    const all = ["--endpoints", [well, expired, other].join()];
    const changesOf = ({ report }: Awaited<ReturnType<typeof doctor>>) =>
      report?.findings.map(({ code, change }) => `${code}: ${change}`);
    const trusting = await doctor("--engine-ca-file", caFile, ...all);
    expect(trusting.code).toBe(1);
    expect(changesOf(trusting)).toEqual([
      "engine-tls: renew it at the engine",
      "engine-tls: set --engine-server-name",
    ]);
    const old = await secureAt({ addresses: ["127.0.0.1"], days: [-80, 10] });
    const short = await secureAt({ addresses: ["127.0.0.1"], days: [-0.5, 0.5] });
    const aging = await doctor("--engine-ca-file", caFile, "--endpoints", [old, short].join());
    expect([aging.code, aging.found]).toEqual([
      0,
      [`warning certificate-expires ${new URL(old).host}`],
    ]);
    expect(aging.report?.findings[0]?.what).toMatch(
      /^its certificate expires in 9 days, at \d{4}-/u,
    );
    const blind = await doctor("--endpoints", well);
    expect(changesOf(blind)).toEqual(["engine-tls: set --engine-ca-file"]);
    expect((await doctor("--engine-insecure-skip-verify", ...all)).found).toEqual([]);
  });
});

describe("doctor and a document", () => {
  it.each([
    { name: "well", text: good, code: 0, found: [] },
    {
      name: "mistaken",
      text: mistaken,
      code: 1,
      found: ["error document-mistake"],
    },
  ])("that is $name ends with $code", async ({ text, code, found }) => {
    const file = path.join(folder, "config.yaml");
    await writeFile(file, text);
    const result = await doctor("--config-file", file);
    expect(result.code).toBe(code);
    expect(result.found).toEqual(found.map((each) => `${each} ${file}`));
  });

  it("tells of the wait that a gateway has to allow", async () => {
    const file = path.join(folder, "config.yaml");
    const flow = "featureGates: [flowControl]\nflowControl: {defaultRequestTTL: 90s}\n";
    await writeFile(file, `${good}${flow}`);
    const { report } = await doctor("--config-file", file);
    expect(report?.notChecked[0]).toMatch(/message_timeout .*may wait 90 s/);
  });
});

describe("doctor and a picker", () => {
  it("names what a running picker sees: an engine that is down, block sizes, a refused document", async () => {
    const file = path.join(folder, "config.yaml");
    await writeFile(file, good);
    const down = `127.0.0.1:${await freePort()}`;
    const engines = [await engineAt(), await engineAt(), await engineAt({ blockTokens: 32 }), down];
    const picker = started(
      ...["gateway", "--listen", "127.0.0.1:0", "--metrics-port", "0", "--config-file", file],
      ...["--endpoints", engines.map((each) => `http://${each}`).join()],
    );
    const { metrics } = JSON.parse(await picker.line(/"msg":"listening"/)) as { metrics: number };
    await writeFile(file, mistaken);
    await picker.line(/"msg":"configuration refused"/);
    const url = `http://127.0.0.1:${metrics}`;
    const found = await eventually("all findings", async () => {
      const result = await doctor("--url", url);
      expect(result.code).toBe(1);
      return (result.found?.length ?? 0) >= 3 ? result.found : undefined;
    });
    const codes = found.map((each) => each.split(" ").slice(0, 2).join(" "));
    expect(codes).toEqual([
      "error config-refused",
      "error metrics-unreadable",
      "warning block-size-differs",
    ]);
    expect(found[1]).toContain(down);
    expect(found[2]).toContain(engines[2]);
  });
});

describe("doctor and the certificate of a picker", () => {
  it("names one that should have been renewed, until it is", async () => {
    const authority = await anAuthority();
    const [crt, key] = [path.join(folder, "tls.crt"), path.join(folder, "tls.key")];
    const issue = async (days: readonly [number, number]) => {
      const issued = await authority.issue({ addresses: ["127.0.0.1"], days });
      await writeFile(key, issued.key);
      await writeFile(crt, issued.cert);
    };
    await issue([-80, 10]);
    const picker = started(
      ...["gateway", "--listen", "127.0.0.1:0", "--metrics-port", "0", "--tls-cert-file", crt],
      ...["--tls-key-file", key, "--endpoints", `http://${await engineAt()}`],
    );
    const { metrics } = JSON.parse(await picker.line(/"msg":"listening"/)) as { metrics: number };
    const url = `http://127.0.0.1:${metrics}`;
    const due = await doctor("--url", url);
    expect(due.found).toEqual([`warning certificate-expires ${url}`]);
    expect(due.report?.findings[0]?.what).toMatch(
      /^the certificate of its http port expires in 9 days, at \d{4}-/u,
    );
    await issue([0, 90]);
    await picker.line(/"msg":"certificate reloaded"/);
    expect((await doctor("--url", url)).found).toEqual([]);
  });
});

describe("doctor that cannot run", () => {
  it("ends with 2, and says why", async () => {
    const nobody = await doctor("--url", `http://127.0.0.1:${await freePort()}`);
    expect(nobody).toMatchObject({ code: 2, output: expect.stringContaining("ECONNREFUSED") });
    const noFile = await doctor("--config-file", path.join(folder, "none"));
    expect(noFile).toMatchObject({ code: 2, output: expect.stringContaining("ENOENT") });
    const noUrl = await doctor("--endpoints", "ftp://a");
    expect(noUrl).toMatchObject({ code: 2, output: expect.stringContaining("--endpoints") });
    const noEnvoy = await doctor("--envoy", `http://127.0.0.1:${await freePort()}`);
    expect(noEnvoy).toMatchObject({ code: 2, output: expect.stringContaining("ECONNREFUSED") });
    const engine = await doctor("--envoy", `http://${await engineAt()}`);
    expect(engine).toMatchObject({
      code: 2,
      output: expect.stringContaining("/config_dump: status 404"),
    });
    const badUrl = await doctor("--envoy", "http://127.0.0.1:9901/stats");
    expect(badUrl).toMatchObject({ code: 2, output: expect.stringContaining("for --envoy") });
    expect(await doctor("--bogus")).toMatchObject({ code: 2 });
  });
});
