import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Report } from "../../src/replay/report.ts";
import type { RequestLine } from "../../src/telemetry/recording/lines.ts";
import { type Child, startPointsman } from "#test/support/child.ts";
import { ExtProcClient } from "#test/support/ext-proc-client.ts";
import { jsonLines } from "#test/support/json-lines.ts";
import { serveOverFile } from "#test/support/serve-over-file.ts";
import { startEngines } from "#test/support/simulated.ts";
import { eventually } from "#test/support/wait.ts";

const opened: (() => unknown)[] = [];
let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "pointsman-replay-"));
  opened.push(() => rm(folder, { recursive: true, force: true }));
});
afterEach(async () => {
  for (const close of opened.splice(0).toReversed()) await close();
});

const file = () => path.join(folder, "rec.jsonl");
const secret = "zebra quartz 7719";

/** A prompt of about 2,100 tokens, of which the first 2,000 are those of its group. */
function promptOf(group: number, question: number): string {
  return `${`group ${group} ${secret} `.repeat(400).slice(0, 8_000)} ${`question ${question} `.repeat(30)}`;
}

function chatOf(content: string): string {
  return JSON.stringify({
    model: "sim-model",
    messages: [{ role: "user", content }],
    max_tokens: 5,
    stream: true,
    stream_options: { include_usage: true },
  });
}

async function startGateway(flags: readonly string[] = []) {
  const settings = { prefillTokensPerSecond: 20_000, stepBaseMs: 2, decodeMsPerSequence: 0.1 };
  const simulator = await startEngines({ engines: 3, settings });
  opened.push(() => simulator.close());
  const urls = simulator.engines.map(({ port }) => `http://127.0.0.1:${port}`);
  const child = startPointsman([
    ...["gateway", "--listen", "127.0.0.1:0", "--metrics-port", "0", "--record", file()],
    ...["--endpoints", urls.join(","), ...flags],
  ]);
  opened.push(() => child.close());
  // The line of the process that listens has its ports.
  const ports = JSON.parse(await child.line(/"listening"/u)) as { http: number; metrics: number };
  return { child, ports };
}

async function ask(port: number, body: string, tenant: string): Promise<void> {
  const headers = { "content-type": "application/json", "x-llm-d-inference-fairness-id": tenant };
  const url = `http://127.0.0.1:${port}/v1/chat/completions`;
  await (await fetch(url, { method: "POST", headers, body })).text();
}

async function requestsRecorded(): Promise<readonly RequestLine[]> {
  const lines = jsonLines(await readFile(file(), "utf8"));
  // Lines with an end are those of requests.
  return lines.filter((line) => "end" in line) as readonly unknown[] as readonly RequestLine[];
}

/** Runs a command to its end. */
async function outputOf(...argv: readonly string[]): Promise<string> {
  const child: Child = startPointsman([...argv]);
  opened.push(() => child.close());
  const code = await child.ended;
  if (code !== 0) throw new Error(`it ended with ${code}:\n${child.output()}`);
  return child.output();
}

describe("a recording of a real run", () => {
  it("has each request, no text, and replays with the same requests and nearly the same hits", async () => {
    const { child, ports } = await startGateway();
    for (let round = 0; round < 8; round += 1) {
      // A few at once, so that all engines get some.
      const groups = [0, 1, 2, 3, 4];
      await Promise.all(
        groups.map((group) => ask(ports.http, chatOf(promptOf(group, round)), `team-${group % 2}`)),
      );
    }
    await ask(ports.http, '{"model":"sim-model","messages":', "team-0");
    child.signal("SIGTERM");
    expect(await child.ended).toBe(0);

    const requests = await requestsRecorded();
    expect(requests).toHaveLength(41);
    const served = requests.filter(({ status }) => status === 200);
    expect(served).toHaveLength(40);
    expect(new Set(served.map(({ tenant }) => tenant)).size).toBe(2);
    for (const line of served) {
      expect(line).toMatchObject({ stream: true, end: "complete", outputTokens: 5 });
      expect(line.firstTokenMs).toBeLessThanOrEqual(line.lastMs ?? 0);
    }
    const beginnings = new Set(served.map(({ blocks }) => blocks?.[0]?.slice(0, 7 * 8)));
    expect(beginnings.size).toBe(5);
    const text = await readFile(file(), "utf8");
    for (const word of ["zebra", "quartz", "team-", "question"]) expect(text).not.toContain(word);

    const report = JSON.parse(
      (await outputOf("replay", file(), "--warm-up", "0", "--json", "--config", "default"))
        .split("\n")
        .filter((line) => !/^(?:calibrating|running)/.test(line))
        .join("\n"),
    ) as Report;
    expect(report).toMatchObject({ requests: 41, counted: 40, compares: "ttft", unreadable: 0 });
    expect(report.engines).toHaveLength(3);
    const [own, other] = report.runs;
    expect(own?.unserved).toBe(0);
    // Where requests go depends on how fast the machine is: each of the five groups costs its first
    // hit at one engine, two or three. The placements of the recording leave no such choice.
    expect(own?.hitRatio).toBeGreaterThan((report.recorded.hitRatio ?? 1) - 0.25);
    expect(report.placed.hitRatio).toBeCloseTo(report.recorded.hitRatio ?? 0, 1);
    // It is the same document.
    expect(other).toMatchObject({ ratio: 1, shares: own?.shares });

    const trace = jsonLines(await outputOf("replay", file(), "--export", "mooncake"));
    expect(trace).toHaveLength(40);
    for (const line of trace) expect(line).toMatchObject({ output_length: 5 });
  });

  it("goes on without a file that cannot be written, and says so", async () => {
    const missing = path.join(folder, "missing", "rec.jsonl");
    const { child, ports } = await startGateway(["--record", missing]);
    await child.line(/"recording failed"/u);
    await ask(ports.http, chatOf("hello"), "team-0");
    await eventually("the dropped request", async () => {
      const page = await (await fetch(`http://127.0.0.1:${ports.metrics}/metrics`)).text();
      return page.includes('pointsman_recorded_requests_total{result="dropped"} 1');
    });
    child.signal("SIGTERM");
    expect(await child.ended).toBe(0);
  });

  it("is refused over a file of another kind", async () => {
    await writeFile(file(), "my thesis");
    const child = startPointsman([
      ...["gateway", "--listen", "127.0.0.1:0", "--metrics-port", "0", "--record", file()],
      ...["--endpoints", "http://127.0.0.1:9"],
    ]);
    opened.push(() => child.close());
    expect(await child.ended).toBe(1);
    expect(child.output()).toContain("is there already and is no recording");
    expect(await readFile(file(), "utf8")).toBe("my thesis");
  });

  it("has the requests of all workers of serve", async () => {
    const serve = await serveOverFile(folder, { address: "127.0.0.1", port: 9 });
    const child = startPointsman([...serve, "--workers", "2", "--record", file()]);
    opened.push(() => child.close());
    // The line of the process that listens has its ports.
    const ports = JSON.parse(await child.line(/"listening"/u)) as { grpc: number };
    // Connections go to either worker.
    const clients = [0, 1, 2, 3].map(() => new ExtProcClient(ports.grpc));
    opened.push(() => clients.forEach((client) => client.close()));
    for (const [index, client] of clients.entries()) {
      await client.run({ path: "/v1/chat/completions", body: chatOf(promptOf(0, index)) });
    }
    child.signal("SIGTERM");
    expect(await child.ended).toBe(0);
    const requests = await requestsRecorded();
    expect(requests).toHaveLength(4);
    expect(new Set(requests.map(({ blocks }) => blocks?.[0]?.slice(0, 7 * 8))).size).toBe(1);
  });
});
