import { afterEach, describe, expect, it } from "vitest";
import { startHttpGateway } from "#test/support/http-gateway.ts";
import { fastEngine, startEngines } from "#test/support/simulated.ts";
import { eventually } from "#test/support/wait.ts";

const opened: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).toReversed()) await close();
});

interface Fault {
  readonly refuse?: boolean;
  readonly dieAfterTokens?: number;
  readonly slowFactor?: number;
}

/** Four engines, one gateway, and clients that send one request after another until they are told to stop. */
async function underLoad(retriesMax: number) {
  const simulator = await startEngines({ engines: 4, settings: { ...fastEngine, stepBaseMs: 1 } });
  opened.push(() => simulator.close());
  const gateway = await startHttpGateway({
    engines: simulator.engines.map(({ port }) => port),
    http: { retries: { retriesMax, budget: { ratio: 0.2, floor: 10 } } },
  });
  opened.push(gateway.close);
  const results: string[] = [];
  const over = new AbortController();
  const body = { model: "sim-model", stream: true, max_tokens: 8 };
  const clients = Array.from({ length: 8 }, async (_, client) => {
    for (let turn = 0; !over.signal.aborted; turn += 1) {
      const messages = [{ role: "user", content: `client ${client} turn ${turn}` }];
      try {
        const response = await gateway.ask({ ...body, messages });
        const text = await response.text();
        const isWhole = response.status === 200 && text.endsWith("data: [DONE]\n\n");
        results.push(isWhole ? "ok" : String(response.status));
      } catch {
        results.push("broken");
      }
    }
  });
  opened.push(async () => {
    over.abort();
    await Promise.all(clients);
  });
  const more = async (count: number) => {
    const from = results.length;
    await eventually(
      `${count} more requests`,
      () => (results.length >= from + count ? true : undefined),
      30_000,
    );
    return results.slice(from);
  };
  const set = async (engine: number, fault: Fault) => {
    const url = `http://127.0.0.1:${simulator.adminPort}/engines/engine-${engine}`;
    const response = await fetch(url, { method: "PATCH", body: JSON.stringify(fault) });
    if (!response.ok) throw new Error(await response.text());
  };
  return { more, set };
}

const shareOf = (results: readonly string[], result: string) =>
  results.filter((each) => each === result).length / results.length;

describe("an engine that fails under load", () => {
  it("costs no request that it refuses", async () => {
    const { more, set } = await underLoad(2);
    expect(shareOf(await more(100), "ok")).toBe(1);
    await set(0, { refuse: true });
    const during = await more(300);
    // Streams that were open when the engine's port closed break off; nothing else fails.
    expect(during.filter((result) => result !== "ok").length).toBeLessThanOrEqual(8);
    expect(during.filter((result) => /^\d+$/u.test(result))).toEqual([]);
    expect(shareOf((await more(100)).slice(-50), "ok")).toBe(1);
  });

  it("fails requests without retries, until its ejection", async () => {
    const { more, set } = await underLoad(0);
    await more(100);
    await set(0, { refuse: true });
    const during = await more(300);
    expect(during.filter((result) => result === "502").length).toBeGreaterThan(0);
    expect(shareOf((await more(100)).slice(-50), "ok")).toBe(1);
  });

  it("breaks streams that have begun, never as if they were complete", async () => {
    const { more, set } = await underLoad(2);
    await set(0, { dieAfterTokens: 3 });
    const during = await more(300);
    expect(new Set(during.filter((result) => result !== "ok"))).toEqual(new Set(["broken"]));
    expect(shareOf((await more(100)).slice(-50), "ok")).toBeGreaterThan(0.9);
  });

  it("leaves errors of the gateway if all engines are gone, and recovers with them", async () => {
    const { more, set } = await underLoad(2);
    for (let engine = 0; engine < 4; engine += 1) await set(engine, { refuse: true });
    const during = (await more(200)).slice(-100);
    expect(new Set(during)).toEqual(new Set(["502"]));
    for (let engine = 0; engine < 4; engine += 1) await set(engine, { refuse: false });
    const ends = await eventually(
      "good answers",
      async () => {
        const last = (await more(50)).slice(-25);
        return shareOf(last, "ok") === 1 ? last : undefined;
      },
      30_000,
    );
    expect(ends).toHaveLength(25);
  });
});
