import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it, vi } from "vitest";
import { systemClock } from "../../../std/clock.ts";
import type { SecretRef, SecretSource, SecretValues } from "../../../core/secrets.ts";
import type { ReadingState } from "../../../core/signals.ts";
import { loadAt } from "#test/support/reports.ts";
import { PoolState } from "../../../state/pool-state.ts";
import type { ScrapesDone } from "./thread-messages.ts";
import type { HeaderSource } from "./scrape-access.ts";
import { ScraperThread } from "./scraper-thread.ts";

const servers: Server[] = [];
const until = (isMet: () => boolean) => vi.waitUntil(isMet, { timeout: 20_000, interval: 5 });

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.close();
    server.closeAllConnections();
  }
});

async function anEngine(page: (token: string | undefined) => string) {
  let scrapes = 0;
  const server = createServer(({ headers }, response) => {
    scrapes += 1;
    response.end(page(headers.authorization));
  });
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  // A server that listens on TCP has an address object.
  const { port } = server.address() as AddressInfo;
  return { port, scrapes: () => scrapes };
}

const spec = (name: string, port: number, labels = {}) => ({
  id: `default/${name}`,
  namespace: "default",
  name,
  address: "127.0.0.1",
  port,
  labels,
});

interface Parts {
  readonly idleIntervalMs?: number;
  readonly headers?: readonly HeaderSource[];
  readonly secrets?: SecretSource;
}

function threadOn(state: PoolState, { idleIntervalMs = 50, headers = [], secrets }: Parts = {}) {
  const readings: ReadingState[] = [];
  const lines: { readonly level: string; readonly fields: object; readonly message: string }[] = [];
  const done: ScrapesDone[] = [];
  const noteLine = (level: string) => (fields: object, message: string) =>
    void lines.push({ level, fields, message });
  const thread = new ScraperThread(
    {
      scheme: "http",
      path: "/metrics",
      port: undefined,
      insecureSkipVerify: true,
      isPathGiven: false,
      engineAddresses: [],
      usesPodAnnotations: true,
      intervalMs: 50,
      calmIntervalMs: 50,
      idleIntervalMs,
      backoffMsMax: 100,
      timeoutMs: 1_000,
      cpuBudgetRatio: 1,
      engines: undefined,
      probes: [],
      headers,
    },
    {
      store: state.store,
      facts: state.facts,
      counts: state.counts,
      view: state.view,
      clock: systemClock,
      log: { info: noteLine("info"), warn: noteLine("warn"), error: noteLine("error") },
      onCheck: () => undefined,
      onReading: (_, reading) => readings.push(reading),
      secrets,
      metrics: { scraped: (scrapes) => done.push(scrapes) },
    },
  );
  const stopping = new AbortController();
  const running = thread.run(stopping.signal);
  const stop = async () => {
    stopping.abort();
    await running;
  };
  return { lines, done, readings, stop };
}

const tokenOfSecret = {
  name: "authorization",
  prefix: "Bearer ",
  from: { kind: "secret", secret: { namespace: undefined, name: "scrape", key: "token" } },
} as const;

describe("ScraperThread", () => {
  it("brings numbers, adapters and the engine's name to the store, by the store's clock", async () => {
    const page =
      'vllm:num_requests_waiting 3\nvllm:lora_requests_info{max_lora="2",running_lora_adapters="a"} 1\n';
    const engine = await anEngine(() => page);
    const state = new PoolState({ slotsMax: 4 });
    const { store } = state;
    const { done, lines, stop } = threadOn(state);
    store.apply([spec("a", engine.port)]);
    const [endpoint] = store.endpoints();
    if (endpoint === undefined) throw new Error("the store took it");
    const load = () => loadAt(state, systemClock.nowMs());
    await until(() => load().waitingRequests[endpoint.slot] === 3);
    await until(() => state.facts.engineOf(endpoint) === "vllm");
    await until(() => load().adapters[endpoint.slot]?.adaptersMax === 2);
    const ageMs = systemClock.nowMs() - (load().signalsAtMs[endpoint.slot] ?? Number.NaN);
    expect(ageMs).toBeGreaterThanOrEqual(0);
    expect(ageMs).toBeLessThan(10_000);
    await stop();
    expect(done.map(({ outcomes }) => [...outcomes.keys()])).toEqual(done.map(() => ["ok"]));
    expect(done.length).toBeGreaterThan(0);
    expect(lines).toEqual([]);
  });

  it("shows values of Secrets that the main thread follows, and reports the state of readings", async () => {
    const engine = await anEngine((token) =>
      token === "Bearer hidden" ? "vllm:num_requests_waiting 3\n" : "up 1\n",
    );
    const state = new PoolState({ slotsMax: 4 });
    const { store } = state;
    // For a named engine only its own place is asked.
    store.apply([spec("a", engine.port, { "llm-d.ai/engine-type": "vllm" })]);
    const followed: (readonly SecretRef[])[] = [];
    const listeners: ((values: SecretValues) => void)[] = [];
    const secrets: SecretSource = {
      follow: (refs, listener) => {
        followed.push(refs);
        listeners.push(listener);
      },
    };
    const { lines, readings, stop } = threadOn(state, { headers: [tokenOfSecret], secrets });
    await until(() => readings.length > 0);
    expect(readings[0]?.failure).toMatchObject({ kind: "parse" });
    listeners[0]?.(new Map([["/scrape/token", "hidden"]]));
    await until(() => readings.at(-1)?.failure === undefined);
    expect(readings.at(-1)).toMatchObject({
      engine: "vllm",
      url: `http://127.0.0.1:${engine.port}/metrics`,
    });
    await stop();
    expect(followed).toEqual([[tokenOfSecret.from.secret], []]);
    expect(JSON.stringify([lines, readings])).not.toContain("hidden");
  });

  it("warns of Secrets if no cluster is followed", async () => {
    const { lines, stop } = threadOn(new PoolState({ slotsMax: 4 }), {
      headers: [tokenOfSecret],
    });
    await until(() => lines.length > 0);
    await stop();
    expect(lines).toEqual([
      {
        level: "warn",
        fields: { secrets: ["scrape"], reason: "not connected to a cluster" },
        message: "scrape secrets ignored",
      },
    ]);
  });

  it("follows endpoints that leave, and reports those that cannot be read", async () => {
    const [a, b] = await Promise.all([
      anEngine(() => "vllm:num_requests_waiting 1\n"),
      anEngine(() => "nothing of use\n"),
    ]);
    const state = new PoolState({ slotsMax: 4 });
    const { store } = state;
    store.apply([spec("a", a.port), spec("b", b.port)]);
    const { lines, stop } = threadOn(state);
    await until(() => a.scrapes() > 2 && lines.length === 1);
    expect(lines).toMatchObject([{ level: "warn", fields: { endpoint: "default/b" } }]);
    store.apply([spec("b", b.port)]);
    const [then, thenOfB] = [a.scrapes(), b.scrapes()];
    await until(() => b.scrapes() > thenOfB + 3);
    // One more may have been under way.
    expect(a.scrapes()).toBeLessThanOrEqual(then + 1);
    await stop();
  });

  it("soon scrapes an idle endpoint that gets a request", async () => {
    const engine = await anEngine(() => "vllm:num_requests_waiting 1\n");
    const state = new PoolState({ slotsMax: 4 });
    const { store } = state;
    store.apply([spec("a", engine.port)]);
    const [endpoint] = store.endpoints();
    if (endpoint === undefined) throw new Error("the store took it");
    const { stop } = threadOn(state, { idleIntervalMs: 3_600_000 });
    // 50, 100, 200, ... ms apart: the next one is far away.
    await until(() => engine.scrapes() >= 7);
    const before = engine.scrapes();
    state.counts.sent(endpoint, 1, systemClock.nowMs());
    await until(() => engine.scrapes() > before + 2);
    expect(engine.scrapes()).toBeGreaterThan(before + 2);
    await stop();
  });
});
