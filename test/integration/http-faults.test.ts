import { afterEach, describe, expect, it } from "vitest";
import { engineSettings, type Fault, faults } from "../../loadtest/http-faults/faults.ts";
import { type FaultResult, runFault } from "../../loadtest/http-faults/run.ts";
import { type HttpGatewayOptions, startHttpGateway } from "#test/support/http-gateway.ts";
import { startEngines } from "#test/support/simulated.ts";

const opened: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).toReversed()) await close();
});

/** Lines of the log of the last gateway. */
let lines: () => readonly Readonly<Record<string, unknown>>[] = () => [];

const load = { clients: 8, requests: 160 };

/** A short form of `loadtest/http-faults.ts`, in one process. */
async function under(name: string, http: HttpGatewayOptions["http"]): Promise<FaultResult> {
  const fault = faults.find((each) => each.name === name) as Fault;
  const simulator = await startEngines({ engines: 4, settings: engineSettings });
  opened.push(() => simulator.close());
  const gateway = await startHttpGateway({
    engines: simulator.engines.map(({ port }) => port),
    http: {
      connections: {
        connectTimeoutMs: 10_000,
        // An engine that hangs costs so much; a busy machine delays the others too.
        headTimeoutMs: name.startsWith("hung") ? 1_000 : 10_000,
        idleTimeoutMs: 10_000,
      },
      ...http,
    },
  });
  opened.push(gateway.close);
  lines = () => gateway.lines;
  const origin = `http://127.0.0.1:${simulator.adminPort}/engines`;
  return runFault(
    {
      origin: gateway.origin,
      set: async (settings, isOfAll) => {
        const url = isOfAll ? origin : `${origin}/engine-0`;
        await fetch(url, { method: "PATCH", body: JSON.stringify(settings) });
      },
      metric: async (metric) => {
        const page = await gateway.page("/metrics");
        const samples = page.matchAll(new RegExp(`^${metric}(?:\\{.*)? (.*)$`, "gmu"));
        return [...samples].reduce((sum, [, value]) => sum + Number(value), 0);
      },
    },
    fault,
    load,
  );
}

const budget = { ratio: 0.2, floor: 100 };
const withRetries = { retries: { retriesMax: 2, budget } };
const without = { retries: { retriesMax: 0, budget } };

const countOf = ({ counts }: FaultResult, outcome: keyof FaultResult["counts"]) =>
  counts[outcome] ?? 0;

/** Everything that clients saw besides good answers. */
const badOf = ({ counts }: FaultResult) =>
  Object.keys(counts).filter((outcome) => outcome !== "ok");

describe("an engine that fails under load", () => {
  it.each([
    ["refused", "502"],
    ["reset", "502"],
    ["hung", "504"],
    ["hung after its head", "504"],
    ["503", "503"],
    ["429", "429"],
  ] as const)("costs no request with retries, and is counted without: %s", async (name, status) => {
    const retried = await under(name, withRetries);
    expect(retried.counts).toEqual({ ok: load.requests });
    expect(retried.retries).toBeGreaterThan(0);
    const unretried = await under(name, without);
    expect(badOf(unretried)).toEqual([status]);
    expect(countOf(unretried, "ok") + countOf(unretried, status)).toBe(load.requests);
    expect(unretried.retries).toBe(0);
    for (const { recoveredS } of [retried, unretried]) expect(recoveredS).toBeDefined();
  });

  it.each(["429", "429 with retry-after", "503 with retry-after"])(
    "turns away few requests, and is not ejected: %s",
    async (name) => {
      const { counts } = await under(name, without);
      const turnedAway = counts[name.slice(0, 3) as "429" | "503"] ?? 0;
      // Eight clients may have sent theirs before the first answers; then one tries it at a time.
      expect(turnedAway).toBeGreaterThan(0);
      expect(turnedAway).toBeLessThan(load.requests / 8);
      expect((counts.ok ?? 0) + turnedAway).toBe(load.requests);
      expect(lines().map(({ msg }) => msg)).not.toContain("endpoint ejected");
    },
  );

  it.each([
    ["500", "500"],
    ["error in 200", "error event"],
    ["empty 200", "false end"],
  ] as const)("is left out if it fails at once: %s", async (name, outcome) => {
    const { counts } = await under(name, without);
    expect(counts[outcome] ?? 0).toBeLessThan(load.requests / 8);
    expect((counts.ok ?? 0) + (counts[outcome] ?? 0)).toBe(load.requests);
    expect(lines().map(({ msg }) => msg)).toContain("endpoint ejected");
  });

  it("costs no request if it is slow and requests are hedged", async () => {
    const hedged = await under("slow", {
      ...withRetries,
      hedgeAfter: { kind: "fixed", ms: 200 },
    });
    expect(hedged.counts).toEqual({ ok: load.requests });
  });

  it.each([withRetries, without])(
    "ends streams that have begun by an error event, never as complete",
    async (http) => {
      const result = await under("dies mid-stream", http);
      expect(badOf(result)).toEqual(["error event"]);
      expect(countOf(result, "ok") + countOf(result, "error event")).toBe(load.requests);
      // Of requests that have no byte yet when their endpoint is ejected.
      expect(result.retries).toBeLessThanOrEqual(http === without ? 0 : load.clients);
    },
  );

  it("costs the streams under way if it is killed, and no other request", async () => {
    const result = await under("killed under load", withRetries);
    expect(countOf(result, "ok")).toBeGreaterThanOrEqual(load.requests - load.clients);
    expect(countOf(result, "ok") + countOf(result, "error event")).toBe(load.requests);
    expect(result.failedAfter).toBe(0);
  });

  it("is never multiplied by retries if all fail, and is well again with the engines", async () => {
    const result = await under("all 503", {
      retries: { retriesMax: 2, budget: { ratio: 0.2, floor: 5 } },
    });
    expect(result.counts).toEqual({ "503": load.requests });
    // A fifth of the requests of ten seconds, with those before the fault.
    expect(result.retries).toBeLessThanOrEqual(0.2 * (load.requests + 8 * load.clients) + 1);
    expect(result.recoveredS).toBeDefined();
  });

  it("leaves errors of the gateway if all are gone, and is well again with the engines", async () => {
    const result = await under("all down", withRetries);
    expect(badOf(result).filter((outcome) => outcome !== "error event")).toEqual(["502"]);
    const streams = countOf(result, "ok") + countOf(result, "error event");
    expect(streams + countOf(result, "502")).toBe(load.requests);
    expect(result.recoveredS).toBeDefined();
  });
});
