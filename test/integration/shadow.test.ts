import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ShadowPage } from "../../src/admin/shadow-page.ts";
import { type Child, startPointsman } from "#test/support/child.ts";
import { fastEngine, startEngines } from "#test/support/simulated.ts";
import { eventually } from "#test/support/wait.ts";

const opened: (() => unknown)[] = [];
let file = "";
let child: Child;
let ports: { readonly http: number; readonly metrics: number };

beforeEach(async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "pointsman-shadow-"));
  opened.push(() => rm(folder, { recursive: true, force: true }));
  file = path.join(folder, "shadow.yaml");
  const simulator = await startEngines({ engines: 3, settings: fastEngine });
  opened.push(() => simulator.close());
  const urls = simulator.engines.map(({ port }) => `http://127.0.0.1:${port}`);
  child = startPointsman([
    ...["gateway", "--listen", "127.0.0.1:0", "--metrics-port", "0", "--shadow-config-file", file],
    ...["--endpoints", urls.join(",")],
  ]);
  opened.push(() => child.close());
  ports = JSON.parse(await child.line(/"listening"/u)) as typeof ports;
});

afterEach(async () => {
  for (const close of opened.splice(0).toReversed()) await close();
});

/** A document with one plugin, and the whole CPU as its budget. */
const document = (plugins: string, scorer: string) => `apiVersion: pointsman.dev/v1alpha1
kind: EndpointPickerConfig
plugins: [${plugins}]
schedulingProfiles: [{name: default, plugins: [{pluginRef: ${scorer}}]}]
shadow: {cpuBudget: 1}
`;
const byQueue = document("{type: queue-scorer}", "queue-scorer");
/** No endpoint has this label. */
const byNothing = document(
  "{type: label-selector-filter, parameters: {matchLabels: {no: such}}}",
  "label-selector-filter",
);

async function write(text: string): Promise<void> {
  await writeFile(`${file}.new`, text);
  await rename(`${file}.new`, file);
}

async function page(): Promise<ShadowPage> {
  const response = await fetch(`http://127.0.0.1:${ports.metrics}/debug/shadow`);
  return (await response.json()) as ShadowPage;
}

const inUse = (text: string) =>
  eventually("the shadow document", async () => {
    const { document: used } = await page();
    return used?.text === text ? used : undefined;
  });

async function ask(count: number, tenant = "a"): Promise<readonly number[]> {
  const statuses: number[] = [];
  for (let each = 0; each < count; each += 1) {
    const content = `${tenant} conversation ${each % 4}. ${"some words ".repeat(100)}`;
    const response = await fetch(`http://127.0.0.1:${ports.http}/v1/chat/completions`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        "x-llm-d-inference-fairness-id": tenant,
      },
      body: JSON.stringify({
        model: "sim-model",
        stream: true,
        max_tokens: 2,
        messages: [{ role: "user", content }],
      }),
    });
    await response.text();
    statuses.push(response.status);
  }
  return statuses;
}

/** The page once as many decisions were compared. */
const compared = (decisions: number) =>
  eventually(`${decisions} compared decisions`, async () => {
    const found = await page();
    return found.total.decisions >= decisions ? found : undefined;
  });

async function shadowCommand(...argv: readonly string[]) {
  const command = startPointsman(["shadow", "--url", `http://127.0.0.1:${ports.metrics}`, ...argv]);
  opened.push(() => command.close());
  const code = await command.ended;
  return { code, output: command.output() };
}

describe("gateway with a shadow document", () => {
  it("compares every request, by tenant, in page, metrics and command", async () => {
    expect(await shadowCommand()).toMatchObject({ code: 2, output: /missing or empty/u });
    await write(byQueue);
    await inUse(byQueue);
    await ask(12, "a");
    await ask(6, "b");
    const { total, sets, failures, comparedRatio } = await compared(18);
    expect({ decisions: total.decisions, failures }).toEqual({ decisions: 18, failures: 0 });
    expect(comparedRatio).toBeGreaterThan(0);
    const tenants = sets.map(({ fairnessId, decisions }) => [fairnessId, decisions]);
    expect(tenants).toEqual([
      ["a", 12],
      ["b", 6],
    ]);
    // A document that knows no prefixes sends most repeated prompts where they are not cached.
    expect(total.agreementRatio).toBeLessThan(1);
    expect(total.hitDifferenceTokens).toBeLessThan(0);
    const metrics = await (await fetch(`http://127.0.0.1:${ports.metrics}/metrics`)).text();
    const counted = [...metrics.matchAll(/^pointsman_shadow_decisions_total\{.*\} (\d+)$/gmu)];
    expect(counted.reduce((sum, [, count]) => sum + Number(count), 0)).toBe(18);
    const { code, output } = await shadowCommand();
    expect(code).toBe(0);
    expect(output).toMatch(/18 decisions compared/u);
    expect(output).toMatch(/sim-model +a +0 +12 /u);
  });

  it("keeps the shadow document in use if the next one has mistakes, and lets it go with its file", async () => {
    await write(byQueue);
    await inUse(byQueue);
    await write(byQueue.replace("queue-scorer", "queue-scorre"));
    const { refused, document: used } = await eventually("a refusal", async () => {
      const found = await page();
      return found.refused === null ? undefined : found;
    });
    expect(refused?.mistakes.join("\n")).toMatch(/queue-scorre/u);
    expect(used?.text).toBe(byQueue);
    expect(await ask(2)).toEqual([200, 200]);
    expect((await shadowCommand()).code).toBe(2);
    await rm(file);
    await eventually("no document", async () =>
      (await page()).document === null ? true : undefined,
    );
    expect(await ask(1)).toEqual([200]);
  });

  it("harms no request if the shadow document would refuse all of them", async () => {
    await write(byNothing);
    await inUse(byNothing);
    expect(await ask(5)).toEqual([200, 200, 200, 200, 200]);
    const { total, reasons } = await compared(5);
    expect(total).toMatchObject({ decisions: 5, same: 0, refused: 5, ttftDifferenceMs: null });
    expect(reasons).toEqual([{ reason: "refused", decisions: 5 }]);
  });
});
