import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import type { ShadowPage } from "../../src/admin/shadow-page.ts";
import { askIn } from "#test/support/conversations.ts";
import { type Rig, startRig } from "#test/support/rig.ts";
import { startEngines } from "#test/support/simulated.ts";
import { eventually } from "#test/support/wait.ts";

const opened: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).toReversed()) await close();
});

/** Engines of which a prompt of 200 tokens occupies one for 40 ms. */
const settings = { prefillTokensPerSecond: 5_000, stepBaseMs: 2, decodeMsPerSequence: 0.1 };

const rollout = `rollout: {steps: [50], stepTime: 500ms, stepRequests: 50, ttftRiseMax: 0.4, tpotRiseMax: 3}`;

/** Sends all of its requests to one engine. */
const crowding = `apiVersion: pointsman.dev/v1alpha1
kind: EndpointPickerConfig
plugins: [{type: label-selector-filter, parameters: {matchLabels: {side: left}}}]
schedulingProfiles: [{name: default, plugins: [{pluginRef: label-selector-filter}]}]
${rollout}
`;

const good = `apiVersion: pointsman.dev/v1alpha1
kind: EndpointPickerConfig
plugins: [{type: expected-latency-scorer}]
${rollout}
`;

/** A picker behind a real Envoy, with a shadow document. */
async function aRig(shadow: string): Promise<Rig> {
  const folder = await mkdtemp(path.join(tmpdir(), "pointsman-rollout-"));
  opened.push(() => rm(folder, { recursive: true, force: true }));
  const file = path.join(folder, "shadow.yaml");
  await writeFile(file, shadow);
  const simulator = await startEngines({ engines: 4, settings });
  opened.push(() => simulator.close());
  const engines = simulator.engines.map(({ port }, index) => ({
    address: "127.0.0.1",
    port,
    labels: { side: index === 0 ? "left" : "right" },
  }));
  const rig = await startRig({ engines, flags: ["--shadow-config-file", file] });
  opened.push(() => rig.close());
  return rig;
}

async function rolloutOf(rig: Rig) {
  return (JSON.parse(await rig.debugPage("/debug/shadow")) as ShadowPage).rollout;
}

/** Eight requests at a time, until the rollout is over; returns it, and the statuses. */
async function rolledOut(rig: Rig) {
  const statuses = new Set<number>();
  const end = new AbortController();
  const worker = async (first: number) => {
    for (let each = first; each < 10_000 && !end.signal.aborted; each += 8) {
      statuses.add(await askIn(each, rig.url));
    }
  };
  const workers = Array.from({ length: 8 }, (_, index) => worker(index));
  const found = await eventually(
    "the end of the rollout",
    async () => {
      const page = await rolloutOf(rig);
      return page === null || page.state === "comparing" ? undefined : page;
    },
    90_000,
  ).finally(() => end.abort());
  await Promise.all(workers);
  return { found, statuses: [...statuses] };
}

describe("a rollout behind Envoy", () => {
  it("rolls back a document that sends all of its requests to one engine", async () => {
    const rig = await aRig(crowding);
    const { found, statuses } = await rolledOut(rig);
    expect(statuses).toEqual([200]);
    expect(found.state).toBe("rolledBack");
    expect(found.reasons.join("\n")).toMatch(/^time to first token: \+/u);
  });

  it("promotes a good document, which then decides about all requests", async () => {
    const rig = await aRig(good);
    const { found, statuses } = await rolledOut(rig);
    expect(statuses).toEqual([200]);
    expect(found).toMatchObject({ state: "promoted", shareRatio: 1 });
    const decisions = JSON.parse(await rig.debugPage("/debug/decisions")) as {
      readonly decisions: readonly { readonly profiles: readonly object[] }[];
    };
    // Scores of the shadow document: the one in force has no such scorer.
    expect(JSON.stringify(decisions.decisions[0])).toMatch(/expected-latency-scorer/u);
  });
});
