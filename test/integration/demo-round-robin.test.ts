import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { policyDocumentOf } from "../../src/demo/policies.ts";
import { type Child, startPointsman } from "#test/support/child.ts";

let folder = "";
let children: Child[] = [];
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "pointsman-round-robin-"));
  children = [];
});
afterEach(async () => {
  await Promise.all(children.map((child) => child.close()));
  await rm(folder, { recursive: true, force: true });
});

function started(...argv: readonly string[]): Child {
  const child = startPointsman(argv);
  children.push(child);
  return child;
}

/** A gateway with the demo's document of round robin over three engines; resolves to its address. */
async function aRoundRobin(): Promise<string> {
  const endpointsFile = path.join(folder, "endpoints.json");
  const configFile = path.join(folder, "config.yaml");
  await writeFile(configFile, policyDocumentOf("roundRobin", endpointsFile));
  const sim = started(
    ...["sim", "--engines", "3", "--port", "0", "--admin-port", "0"],
    ...["--endpoints-file", endpointsFile],
  );
  await sim.line(/^admin /u);
  const gateway = started(
    ...["gateway", "--config-file", configFile, "--listen", "127.0.0.1:0"],
    ...["--metrics-port", "0"],
  );
  const line = await gateway.line(/"msg":"listening"/u);
  await gateway.line(/^try /u);
  return `http://127.0.0.1:${(JSON.parse(line) as { readonly http: number }).http}`;
}

async function servedBy(url: string, content: string): Promise<string> {
  const body = { model: "sim-model", max_tokens: 1, messages: [{ role: "user", content }] };
  const answer = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    body: JSON.stringify(body),
  });
  expect(answer.status).toBe(200);
  await answer.arrayBuffer();
  return answer.headers.get("x-served-by") ?? "";
}

describe("round robin of the demo", () => {
  it("gives requests to the engines in turn, equal and different prompts alike", async () => {
    const url = await aRoundRobin();
    const served: string[] = [];
    for (let index = 0; index < 12; index += 1) {
      const content = index < 6 ? "the same words. ".repeat(50) : `number ${index} `.repeat(50);
      // One request after another: the order is what counts.
      // oxlint-disable-next-line no-await-in-loop
      served.push(await servedBy(url, content));
    }
    const turn = served.slice(0, 3);
    expect(turn.toSorted()).toEqual(["engine-0", "engine-1", "engine-2"]);
    expect(served).toEqual([...turn, ...turn, ...turn, ...turn]);
  });
});
