import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Explanation } from "../../src/admin/explanation.ts";
import { freePort } from "#test/support/free-port.ts";
import { startPointsman } from "#test/support/child.ts";
import { fastEngine, startEngines } from "#test/support/simulated.ts";
import { eventually } from "#test/support/wait.ts";

const opened: (() => unknown)[] = [];
let folder: string;
let ports: { readonly http: number; readonly metrics: number };

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "pointsman-explain-"));
  opened.push(() => rm(folder, { recursive: true, force: true }));
  const simulator = await startEngines({ engines: 3, settings: fastEngine });
  opened.push(() => simulator.close());
  const urls = simulator.engines.map(({ port }) => `http://127.0.0.1:${port}`);
  const child = startPointsman([
    ...["gateway", "--listen", "127.0.0.1:0", "--metrics-port", "0"],
    ...["--endpoints", urls.join(",")],
  ]);
  opened.push(() => child.close());
  ports = JSON.parse(await child.line(/"listening"/u)) as typeof ports;
});

afterEach(async () => {
  for (const close of opened.splice(0).toReversed()) await close();
});

/** A phrase that no output may have. */
const secret = "zebra quartz 7719";
const chat = (content: string) => ({
  model: "sim-model",
  messages: [{ role: "user", content }],
  max_tokens: 3,
});

async function ask(requestId: string, body: object = chat(secret)): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${ports.http}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-request-id": requestId },
    body: JSON.stringify(body),
  });
  await response.text();
}

const url = (target: string) => `http://127.0.0.1:${ports.metrics}${target}`;

async function text(target: string, init: RequestInit = {}): Promise<string> {
  return (await fetch(url(target), init)).text();
}

async function explainedBy(...argv: readonly string[]) {
  const child = startPointsman(["explain", "--url", url(""), ...argv]);
  opened.push(() => child.close());
  const code = await child.ended;
  return { code, output: child.output() };
}

/** The decisions about a request, once it has ended. */
async function decisionsOf(requestId: string): Promise<readonly Explanation[]> {
  return eventually("the end of the request", async () => {
    const page = JSON.parse(await text(`/explain/${requestId}`)) as {
      decisions: readonly Explanation[];
    };
    return page.decisions[0]?.actual ? page.decisions : undefined;
  });
}

/** The metrics that a request changes. */
async function countsPage(): Promise<string[] | null> {
  return (await text("/metrics")).match(
    /^(llm_d_epp_request_total|pointsman_prefix_.*|.*in_flight.*) .*$/gm,
  );
}

/** The decisions, without the time of day, which is computed at each reading, to a millisecond. */
async function decisionsPage(): Promise<string> {
  return (await text("/debug/decisions?last=100")).replaceAll(/"at": .*/g, "");
}

describe("explain", () => {
  it("tells of every candidate, and what came of the request", async () => {
    await ask("request-one");
    const [decision] = await decisionsOf("request-one");
    expect(decision).toMatchObject({
      requestId: "request-one",
      outcome: expect.stringMatching(/^sent to default\/127\.0\.0\.1:\d+, of 3 candidates$/),
      isWhole: true,
      actual: { end: "complete" },
    });
    expect(decision?.profiles[0]?.endpoints).toHaveLength(3);
    for (const endpoint of decision?.profiles[0]?.endpoints ?? []) {
      expect(endpoint.why).not.toBe("");
      expect(endpoint.inputs.length).toBeGreaterThan(5);
    }
    expect(decision?.baselines.map(({ policy }) => policy)).toEqual([
      "least requests in flight",
      "llm-d-router's default weights",
      "round robin",
      "consistent hash of the session",
      "the session's last endpoint",
    ]);
  });

  it("says which policies would have picked an endpoint that is dead", async () => {
    const dead = `http://127.0.0.1:${await freePort()}`;
    const simulator = await startEngines({ engines: 1, settings: fastEngine });
    opened.push(() => simulator.close());
    const child = startPointsman([
      ...["gateway", "--listen", "127.0.0.1:0", "--metrics-port", "0", "--endpoints"],
      `http://127.0.0.1:${simulator.engines[0]?.port},${dead}`,
    ]);
    opened.push(() => child.close());
    ports = JSON.parse(await child.line(/"listening"/u)) as typeof ports;
    // Round robin is counted by decisions: of two endpoints, every second one is the dead one.
    const notes = await eventually("a pick of the dead endpoint", async () => {
      await ask("request-of-dead");
      const page = JSON.parse(await text("/explain/request-of-dead")) as {
        readonly decisions: readonly Explanation[];
      };
      const [decision] = page.decisions;
      const robin = decision?.baselines.find(({ policy }) => policy === "round robin");
      const isDead = robin?.picks.some((id) => dead.endsWith(id.replace("default/", "")));
      const isKnown = decision?.profiles[0]?.endpoints.some(({ result }) => result === "unwell");
      return isDead === true && isKnown === true ? robin?.note : undefined;
    });
    expect(notes).toBe("without health: it is kept out here");
  });

  it("finds a request by its id, the beginning of it, and the number of the decision", async () => {
    await ask("aaaa-1");
    await ask("aaab-2");
    await decisionsOf("aaab-2");
    for (const asked of ["aaab-2", "aaab", "2"]) {
      const { code, output } = await explainedBy(asked);
      expect([code, output.split("\n")[0]]).toEqual([0, "request aaab-2"]);
    }
    expect(await explainedBy("aaa")).toMatchObject({ code: 1 });
    expect(await text("/explain/unknown")).toMatch(/keeps its last 5,000 decisions: it has 2 of 2/);
  }, 60_000);

  it("has text for people and JSON for programs", async () => {
    await ask("request-one");
    await decisionsOf("request-one");
    expect(await text("/explain/request-one.txt")).toMatch(/^request request-one\n/);
    const browser = { headers: { accept: "text/html,application/xhtml+xml,*/*;q=0.8" } };
    expect(await text("/explain/request-one", browser)).toMatch(/^request request-one\n/);
    expect(JSON.parse(await text("/explain/request-one.json"))).toHaveProperty("decisions");
  });

  it("tells where a request would go, and sends and counts nothing", async () => {
    await ask("request-one");
    await decisionsOf("request-one");
    const [before, decided] = [await countsPage(), await decisionsPage()];
    const file = path.join(folder, "body.json");
    await writeFile(file, JSON.stringify(chat(secret)));
    const { code, output } = await explainedBy("--dry-run", file);
    expect([code, output]).toEqual([0, expect.stringContaining("=> would be sent to 127.0.0.1:")]);
    expect(output).not.toContain(secret);
    expect(await decisionsPage()).toBe(decided);
    expect(await countsPage()).toEqual(before);
    const bad = await fetch(url("/explain"), { method: "POST", body: "{" });
    expect(bad.status).toBe(400);
    expect(await bad.text()).not.toContain(secret);
  }, 60_000);

  it("keeps requests that were refused before a decision", async () => {
    await ask("no-model", { model: "unknown", messages: [] });
    await ask("bad-body", { model: 7 });
    const page = await text("/explain/no-model.txt");
    expect(page).toContain("refused");
    expect(page).toContain("model_not_found");
    expect(page).toContain("endpoints: 3 take requests, 0 may serve the model");
    expect(await text("/explain/bad-body.txt")).toMatch(/^next: /mu);
  });

  it("names the models that are served if a request is for another one, dry runs too", async () => {
    await ask("typo", { ...chat(secret), model: "sim-modle" });
    const body = JSON.stringify({ ...chat(secret), model: "sim-modle" });
    const tried = await text("/explain", {
      method: "POST",
      body,
      headers: { accept: "text/plain" },
    });
    expect(tried).toContain("=> would be refused: model_not_found");
    for (const page of [await text("/explain/typo.txt"), tried]) {
      expect(page).toContain('a similar name is served: "sim-model"');
      expect(page).toContain('that list each: "sim-model" (3)');
    }
    const [decision] = (
      JSON.parse(await text("/explain/typo.json")) as { decisions: readonly Explanation[] }
    ).decisions;
    expect(decision?.models).toMatchObject({ near: ["sim-model"], endpoints: 3, unknownCount: 0 });
    expect(decision?.refusalMessage).toContain("sim-modle");
  });

  it("shows no text of a prompt on any page", async () => {
    await ask("with-secret");
    await ask("with-session", { ...chat(secret), prompt_cache_key: "session-key-of-a-client" });
    await decisionsOf("with-session");
    const pages = await Promise.all(
      [
        ...["/explain/with-secret", "/explain/with-secret.txt", "/explain/with-session"],
        ...["/debug/decisions?last=100", "/debug/queues", "/debug/pool"],
      ].map((target) => text(target)),
    );
    const body = JSON.stringify(chat(secret));
    for (const accept of ["text/plain", "application/json"]) {
      pages.push(await text("/explain", { method: "POST", body, headers: { accept } }));
    }
    for (const page of pages) {
      expect(page.length).toBeGreaterThan(10);
      for (const word of [secret, "zebra", "session-key-of-a-client"])
        expect(page).not.toContain(word);
    }
  });
});
