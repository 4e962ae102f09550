import { afterEach, describe, expect, it } from "vitest";
import type { HitsPage } from "../../src/admin/hits-page.ts";
import type { PoolPage } from "../../src/admin/pool-page.ts";
import type { Simulator } from "../../src/simulator/simulator.ts";
import { startPointsman } from "#test/support/child.ts";
import { freePort } from "#test/support/free-port.ts";
import { fastEngine, startEngines } from "#test/support/simulated.ts";
import { eventually } from "#test/support/wait.ts";
import { seededRandom } from "../../src/std/random.ts";

const opened: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).toReversed()) await close();
});

type Settings = NonNullable<Parameters<typeof startEngines>[0]>["settings"];

/** Engines behind a gateway. */
async function behindGateway(settings: Settings, ...flags: readonly string[]) {
  const simulator: Simulator = await startEngines({ engines: 2, settings });
  opened.push(() => simulator.close());
  const urls = simulator.engines.map(({ port }) => `http://127.0.0.1:${port}`);
  const child = startPointsman([
    ...["gateway", "--listen", "127.0.0.1:0", "--metrics-port", "0"],
    ...["--endpoints", urls.join(","), ...flags],
  ]);
  opened.push(() => child.close());
  // The line is the gateway's own.
  const ports = JSON.parse(await child.line(/"listening"/u)) as Record<"http" | "metrics", number>;
  const metricsUrl = `http://127.0.0.1:${ports.metrics}`;
  await eventually("both engines are read", async () => {
    const pool = (await (await fetch(`${metricsUrl}/debug/pool`)).json()) as PoolPage;
    return pool.endpoints.filter(({ scrape }) => scrape.state === "read").length === 2 || undefined;
  });
  const ask = async (tenant: string, content: string) => {
    const response = await fetch(`http://127.0.0.1:${ports.http}/v1/chat/completions`, {
      method: "POST",
      headers: { "x-llm-d-inference-fairness-id": tenant },
      body: JSON.stringify({
        model: "sim-model",
        max_tokens: 1,
        messages: [{ role: "user", content }],
      }),
    });
    expect(response.status).toBe(200);
    await response.text();
  };
  return { ask, metricsUrl };
}

async function hits(...argv: readonly string[]) {
  const child = startPointsman(["hits", ...argv]);
  opened.push(() => child.close());
  const code = await child.ended;
  return { code, output: child.output() };
}

async function pageAt(metricsUrl: string): Promise<HitsPage> {
  const { code, output } = await hits("--url", metricsUrl, "--output=json");
  expect(code).toBe(0);
  // The command prints the page.
  return JSON.parse(output) as HitsPage;
}

const ratiosOf = ({ rungs }: Pick<HitsPage, "rungs">) =>
  Object.fromEntries(rungs.map(({ name, ratio }) => [name, ratio]));

/** Words that a seed makes, of four or five characters. */
function wordsOf(seed: number, count: number): string {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => Math.floor(random() * 1e6).toString(36)).join(" ");
}

const secret = "zebra quartz 7719";
const document = `${secret} ${wordsOf(1, 600)}`;

describe("hits", () => {
  it("tells traffic that repeats from a tenant whose prompts begin with a time", async () => {
    const { ask, metricsUrl } = await behindGateway(fastEngine);
    const before = await hits("--url", metricsUrl);
    expect(before).toEqual({ code: 0, output: "no request with a prompt has come yet\n" });
    // A pair of prompts of a tenant is compared once a second.
    const endMs = Date.now() + 13_000;
    for (let request = 0; Date.now() < endMs; request += 1) {
      await ask("good", `${document} Question ${request}: ${wordsOf(100 + request, 20)}`);
      await ask("stamped", `Request ${request} of ${endMs}. ${document}`);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    const page = await pageAt(metricsUrl);
    const tenants = new Map(page.groups.map((group) => [group.tenant, ratiosOf(group)]));
    expect(tenants.get("stamped")).toMatchObject({ ceiling: 0, capacity: 0, predicted: 0 });
    const good = tenants.get("good");
    expect(good?.["ceiling"]).toBeGreaterThan(0.85);
    expect(good?.["predicted"]).toBeGreaterThan(0.8);
    expect(good?.["delivered"]).toBeGreaterThan(0.8);
    expect(page.cache).toMatchObject({ endpoints: 2, reporting: 2 });
    // Every request passes this picker, so that both counts are of the same prompts.
    expect(page).toMatchObject({ counted: { endpoints: 2 }, deliveredBy: "answers" });
    const { delivered = null } = ratiosOf(page);
    expect(Math.abs((page.counted.ratio ?? 2) - (delivered ?? 0))).toBeLessThan(0.1);

    const { output } = await hits("--url", metricsUrl);
    expect(output.replace(/\s+/gu, " ")).toContain(
      'Prompts for model "sim-model" of tenant "stamped" repeat',
    );
    expect(output).not.toContain('of tenant "good"');
    const exposed = await (await fetch(`${metricsUrl}/metrics`)).text();
    const ceiling = /^pointsman_hit_ladder_ratio\{rung="ceiling"\} (?<ratio>.*)$/m.exec(exposed);
    expect(Number(ceiling?.groups?.["ratio"])).toBeCloseTo(ratiosOf(page)["ceiling"] ?? -1, 2);
    const everything = await (await fetch(`${metricsUrl}/debug/hits`)).text();
    expect(output + everything + exposed).not.toContain(secret);
  }, 60_000);

  it("names engines that deliver nothing, because their prefix cache is off", async () => {
    const { ask, metricsUrl } = await behindGateway({ ...fastEngine, prefixCaching: false });
    for (let request = 0; request < 40; request += 1) {
      await ask("good", `${document} Question ${request}`);
    }
    const { findings, ...page } = await pageAt(metricsUrl);
    expect(ratiosOf(page)).toMatchObject({ delivered: 0 });
    // As in vLLM, an engine without the cache looks nothing up.
    expect(page.counted).toMatchObject({ endpoints: 2, lookupTokens: 0, ratio: null });
    const doctor = startPointsman(["doctor", "--url", metricsUrl, "--json"]);
    opened.push(() => doctor.close());
    await doctor.ended;
    expect(doctor.output()).toContain('"hit-counters-still"');
    expect(ratiosOf(page)["predicted"]).toBeGreaterThan(0.5);
    expect(findings.map(({ gap, isProblem }) => [gap, isProblem])).toContainEqual([
      "engines",
      true,
    ]);
  });

  it("names caches that are too small", async () => {
    const small = { ...fastEngine, kvCacheTokensMax: 4_096 };
    const { ask, metricsUrl } = await behindGateway(small);
    // Ten texts of about 1,100 tokens in turns, in caches of 8,192 tokens together.
    for (let request = 0; request < 60; request += 1) {
      await ask("round", wordsOf(500 + (request % 10), 900));
    }
    const page = await pageAt(metricsUrl);
    const { ceiling, capacity } = ratiosOf(page);
    expect(ceiling).toBeGreaterThan(0.8);
    expect(capacity).toBeLessThan(0.1);
    expect(page.findings.find(({ gap }) => gap === "capacity")?.text).toMatch(
      /2 endpoints hold 8192 tokens together\. 2 times the size gives 8\d %\./u,
    );
  });

  it("works with a document that looks for no prefixes", async () => {
    const text =
      "{apiVersion: llm-d.ai/v1alpha1, kind: EndpointPickerConfig, plugins: [{type: queue-scorer}]}";
    const { ask, metricsUrl } = await behindGateway(fastEngine, "--config-text", text);
    for (let request = 0; request < 30; request += 1) {
      await ask("good", `${document} Question ${request}`);
    }
    const page = await pageAt(metricsUrl);
    expect(ratiosOf(page)).toMatchObject({ predicted: null });
    expect(ratiosOf(page)["ceiling"]).toBeGreaterThan(0.8);
    expect(page.findings.find(({ gap }) => gap === "routing")?.text).toContain(
      "looks for no prefixes",
    );
  });

  it("ends with 1 for a port that is not a picker's, and refuses another format", async () => {
    const nobody = await hits("--url", `http://127.0.0.1:${await freePort()}`);
    expect(nobody).toMatchObject({ code: 1, output: expect.stringContaining("ECONNREFUSED") });
    const format = await hits("--output", "yaml");
    expect(format).toMatchObject({ code: 1, output: expect.stringContaining("want text or json") });
  });
});
