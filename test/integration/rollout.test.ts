import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Explanation } from "../../src/admin/explanation.ts";
import type { RolloutPage, ShadowPage } from "../../src/admin/shadow-page.ts";
import { type Child, startPointsman } from "#test/support/child.ts";
import { askIn } from "#test/support/conversations.ts";
import { startEngines } from "#test/support/simulated.ts";
import { eventually } from "#test/support/wait.ts";

const opened: (() => unknown)[] = [];
let folder = "";
let child: Child;
let ports: { readonly http: number; readonly metrics: number };

/** Engines of which a prompt of 200 tokens occupies one for 20 ms. */
const settings = { prefillTokensPerSecond: 10_000, stepBaseMs: 2, decodeMsPerSequence: 0.1 };

const rollout = (parts: string) =>
  `rollout: {steps: [20, 50], stepTime: 500ms, stepRequests: 20, tpotRiseMax: 3, ${parts}}`;

/** A document that decides by one plugin. */
const document = (plugin: string, type: string, more = "") => `# decides by ${type}
apiVersion: pointsman.dev/v1alpha1
kind: EndpointPickerConfig
plugins: [${plugin}]
schedulingProfiles: [{name: default, plugins: [{pluginRef: ${type}}]}]
${more}
`;
const inForce = document("{type: expected-latency-scorer}", "expected-latency-scorer");
const good = (more = "ttftRiseMax: 1") =>
  document("{type: active-request-scorer}", "active-request-scorer", rollout(more));
/** Prefers the busiest endpoint. */
const crowding = good("ttftRiseMax: 0.2")
  .replace("# decides", "# crowds")
  .replace("pluginRef: active-request-scorer}", "pluginRef: active-request-scorer, weight: -1}");
/** No endpoint has this label, so that it refuses every request. */
const refusing = document(
  "{type: label-selector-filter, parameters: {matchLabels: {no: such}}}",
  "label-selector-filter",
  rollout(""),
);

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "pointsman-rollout-"));
  opened.push(() => rm(folder, { recursive: true, force: true }));
  const simulator = await startEngines({ engines: 4, settings });
  opened.push(() => simulator.close());
  const urls = simulator.engines.map(({ port }) => `http://127.0.0.1:${port}`);
  await write("config.yaml", inForce);
  child = startPointsman([
    ...["gateway", "--listen", "127.0.0.1:0", "--metrics-port", "0"],
    ...["--config-file", path.join(folder, "config.yaml")],
    ...["--shadow-config-file", path.join(folder, "shadow.yaml")],
    ...["--endpoints", urls.join(",")],
  ]);
  opened.push(() => child.close());
  ports = JSON.parse(await child.line(/"listening"/u)) as typeof ports;
});

afterEach(async () => {
  for (const close of opened.splice(0).toReversed()) await close();
});

async function write(name: string, text: string): Promise<void> {
  const file = path.join(folder, name);
  await writeFile(`${file}.new`, text);
  await rename(`${file}.new`, file);
}

async function page(): Promise<ShadowPage> {
  const response = await fetch(`http://127.0.0.1:${ports.metrics}/debug/shadow`);
  return (await response.json()) as ShadowPage;
}

async function rolloutPage(): Promise<RolloutPage> {
  return eventually("the rollout", async () => (await page()).rollout ?? undefined);
}

const ask = (conversation: number) => askIn(conversation, `http://127.0.0.1:${ports.http}`);

/** Conversations of one request each, some at a time, until `isOver`; returns the statuses. */
async function load(
  isOver: (found: RolloutPage) => boolean,
  workersCount = 6,
): Promise<readonly number[]> {
  const statuses: number[] = [];
  const end = new AbortController();
  const worker = async (first: number) => {
    for (let each = first; each < 6_000 && !end.signal.aborted; each += workersCount) {
      statuses.push(await ask(each));
    }
  };
  const workers = Array.from({ length: workersCount }, (_, index) => worker(index));
  await eventually(
    "the end of the load",
    async () => (isOver(await rolloutPage()) ? true : undefined),
    60_000,
  ).finally(() => end.abort());
  await Promise.all(workers);
  return statuses;
}

const hasEnded = ({ state }: RolloutPage) => state !== "comparing";

async function metric(pattern: RegExp): Promise<string | undefined> {
  const text = await (await fetch(`http://127.0.0.1:${ports.metrics}/metrics`)).text();
  return pattern.exec(text)?.[1];
}

describe("the rollout of a shadow document", () => {
  it("promotes a good one step by step, and goes on if the document in force changes in the middle", async () => {
    await write("shadow.yaml", `${good()}shadow: {cpuBudget: 0.00001}\n`);
    await rolloutPage();
    await load(({ shareRatio }) => shareRatio >= 0.5);
    // Whatever the budget: each request is decided by both, and what that takes is shown.
    expect(await page()).toMatchObject({ learnedRatio: 1, comparedRatio: 1 });
    expect((await page()).cpuUsedRatio).toBeGreaterThan(0.002);
    // Another section, and then another way to decide.
    await write("config.yaml", `${inForce}health: {slowStart: 1s}\n`);
    await child.line(/"configuration applied"/u);
    expect((await rolloutPage()).shareRatio).toBe(0.5);
    expect(child.output()).not.toMatch(/rollout step restarted/u);
    await write("config.yaml", document("{type: queue-scorer}", "queue-scorer"));
    await child.line(/rollout step restarted/u);
    await write("config.yaml", inForce);
    const statuses = await load(hasEnded);
    expect(new Set(statuses)).toEqual(new Set([200]));
    const found = await rolloutPage();
    expect(found).toMatchObject({ state: "promoted", shareRatio: 1 });
    expect(found.advice).toMatch(/make it the configuration/u);
    await child.line(/rollout promoted/u);
    expect(await metric(/^pointsman_rollout_state\{state="promoted"\} (\d)$/mu)).toBe("1");
    // The document in force has become the same one.
    await write("config.yaml", `${good()}shadow: {cpuBudget: 0.00001}\n`);
    await eventually("the commit", async () =>
      (await page()).document?.isInForce === true ? true : undefined,
    );
    expect(await ask(1)).toBe(200);
  }, 120_000);

  it("tells in the explanation of a request which document decided, and why", async () => {
    await write("shadow.yaml", good());
    const { shareRatio } = await rolloutPage();
    const seen = new Set<string>();
    for (let each = 0; each < 40 && seen.size < 2; each += 1) {
      const headers = {
        "content-type": "application/json",
        "x-request-id": `explained-${each}`,
        "x-session-id": `session-${each}`,
      };
      const body = JSON.stringify({
        ...{ model: "sim-model", max_tokens: 1 },
        messages: [{ role: "user", content: "hello" }],
      });
      const init = { method: "POST", headers, body };
      const chats = "/v1/chat/completions";
      expect((await fetch(`http://127.0.0.1:${ports.http}${chats}`, init)).status).toBe(200);
      const explained = `http://127.0.0.1:${ports.metrics}/explain`;
      const found = await fetch(`${explained}/explained-${each}.json`);
      const [decision] = ((await found.json()) as { decisions: readonly Explanation[] }).decisions;
      const header = encodeURIComponent(`x-session-id:session-${each}`);
      const tried = await fetch(`${explained}?header=${header}`, { method: "POST", body });
      expect(decision?.rollout).toMatchObject({ shareRatio, assignedBy: "session" });
      expect(((await tried.json()) as Explanation).rollout).toEqual(decision?.rollout);
      const line = await child.line(new RegExp(`"explained-${each}".*"decision":`, "u"));
      const decidedBy = /"decidedBy":"shadow"/u.test(line) ? "shadow" : "inForce";
      expect(decision?.rollout?.decidedBy).toBe(decidedBy);
      seen.add(decidedBy);
    }
    expect(seen).toEqual(new Set(["shadow", "inForce"]));
  }, 60_000);

  it("rolls back one that breaks requests, and leaves the others alone", async () => {
    await write("shadow.yaml", refusing);
    await rolloutPage();
    const statuses = await load(hasEnded);
    const found = await rolloutPage();
    expect(found.state).toBe("rolledBack");
    expect(found.reasons.join("\n")).toMatch(/^errors: /u);
    // A few conversations were enough to see it.
    expect(statuses.filter((status) => status !== 200).length).toBeLessThan(60);
    await child.line(/rollout rolled back/u);
    expect(await Promise.all([7_001, 7_002, 7_003].map((each) => ask(each)))).toEqual([
      200, 200, 200,
    ]);
  }, 120_000);

  it("rolls back one that sends requests where the queue is longest", async () => {
    await write("shadow.yaml", crowding);
    await rolloutPage();
    const statuses = await load(hasEnded, 16);
    const found = await rolloutPage();
    expect(found.state).toBe("rolledBack");
    expect(found.reasons.join("\n")).toMatch(/^time to first token: \+/u);
    expect(new Set(statuses)).toEqual(new Set([200]));
    const line = JSON.parse(await child.line(/rollout rolled back/u)) as { reasons: unknown };
    expect(line.reasons).toEqual(found.reasons);
    // The document stays as a shadow, and decides about nothing.
    expect((await page()).document?.text).toBe(crowding);
    expect(await metric(/^pointsman_rollout_share_ratio (\d)$/mu)).toBe("0");
    // The same text comes back.
    await rm(path.join(folder, "shadow.yaml"));
    await eventually("no document", async () =>
      (await page()).document === null ? true : undefined,
    );
    await write("shadow.yaml", crowding);
    expect((await rolloutPage()).state).toBe("rolledBack");
  }, 120_000);
});
