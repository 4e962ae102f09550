import { describe, expect, it } from "vitest";
import type { Rig } from "#test/support/rig.ts";
import { scriptedRigs } from "#test/support/rig-fixture.ts";
import { eventually } from "#test/support/wait.ts";

const rigs = scriptedRigs();

const scheduling = `- type: prefix-cache-scorer
schedulingProfiles:
- name: default
  plugins: [{pluginRef: prefix-cache-scorer}]
`;

async function aRig(httpStatus: number, count: number): Promise<Rig> {
  await rigs.startEngines(count, () => (_request, response) => {
    response.writeHead(httpStatus, { "content-type": "application/json" });
    response.end('{"usage":{"prompt_tokens":1,"completion_tokens":1}}');
  });
  return rigs.start({ scheduling });
}

/** Asks a question about a document of 2,000 letters, and returns the status. */
async function ask(url: string, document: string, question: string): Promise<number> {
  const messages = [
    { role: "system", content: `${document}. `.repeat(2_000).slice(0, 2_000) },
    { role: "user", content: question },
  ];
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: "m", messages }),
  });
  await response.text();
  return response.status;
}

/** Which engine got so many questions about a document, by index; -1 where they went apart. */
function engineOf(document: string, questions: number): number {
  return rigs
    .engines()
    .findIndex(
      ({ seen }) => seen.filter(({ body }) => body.includes(`${document}.`)).length === questions,
    );
}

const blocksKnown = (running: Rig) => running.metric("llm_d_epp_prefix_indexer_size");

describe("a prefix cache behind Envoy", () => {
  it("sends every question about a document to the engine that has read it", async () => {
    const running = await aRig(200, 3);
    const documents = Array.from({ length: 20 }, (_, index) => `document ${index}`);
    for (const question of ["first", "second", "third"]) {
      for (const document of documents)
        expect(await ask(running.url, document, question)).toBe(200);
    }
    const homes = documents.map((document) => engineOf(document, 3));
    expect(homes).not.toContain(-1);
    // Nobody had read them before, so their homes were drawn.
    expect(new Set(homes).size).toBeGreaterThan(1);
    // The question is new each time; what comes before it is 8 blocks or so, all held.
    expect(await running.metric("llm_d_epp_prefix_indexer_hit_ratio_count")).toBe(60);
    const hitRatios = await running.metric("llm_d_epp_prefix_indexer_hit_ratio_sum");
    expect(hitRatios / 40).toBeGreaterThan(0.7);
    expect(hitRatios / 40).toBeLessThan(1);
    expect(running.requestLog().at(-1)?.["prefixHit"]).toBeGreaterThan(0.7);
  });

  it("learns nothing from an engine that answers 503", async () => {
    const running = await aRig(503, 1);
    expect(await ask(running.url, "document", "first")).toBe(503);
    await eventually("nothing is known", async () =>
      (await blocksKnown(running)) === 0 ? true : undefined,
    );
    expect(rigs.engines()[0]?.seen).toHaveLength(1);
  });

  it("learns nothing from an engine that nobody can reach", async () => {
    const running = await aRig(200, 1);
    await rigs.engines()[0]?.close();
    expect(await ask(running.url, "document", "first")).toBe(503);
    const line = await eventually("the request is over", async () =>
      running.requestLog().find(({ method }) => method === "POST"),
    );
    expect(line).toMatchObject({ status: 503 });
    expect(await blocksKnown(running)).toBe(0);
  });

  it("knows the blocks of a request that was answered", async () => {
    const running = await aRig(200, 1);
    expect(await ask(running.url, "document", "first")).toBe(200);
    expect(await blocksKnown(running)).toBeGreaterThanOrEqual(8);
  });
});
