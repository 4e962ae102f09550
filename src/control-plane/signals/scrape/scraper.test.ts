import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, it, vi } from "vitest";
import { freePort } from "#test/support/free-port.ts";
import { systemClock } from "../../../std/clock.ts";
import { seededRandom } from "../../../std/random.ts";
import type { Endpoint } from "../../../core/endpoint.ts";
import { loadAt } from "#test/support/reports.ts";
import { PoolState } from "../../../state/pool-state.ts";
import type { ReadingState } from "../../../core/signals.ts";
import type { EndpointSpec } from "../../../state/membership.ts";
import { ReportWriter } from "../../../state/report-writer.ts";
import { samplesMax } from "./exposition/prometheus-text.ts";
import { Scraper, type ScraperOptions } from "./scraper.ts";

const soon = { timeout: 10_000, interval: 2 };
const cleanups: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) {
    // One after another: scrapers stop before the servers that they read.
    await cleanup();
  }
});

const exposition = (waiting: number | string) =>
  `vllm:num_requests_waiting ${waiting}\nvllm:num_requests_running 2\nvllm:kv_cache_usage_perc 0.5\n`;

/** An engine whose answer a test can change. */
class StandInEngine {
  answer: RequestListener = (_, response) => response.end(exposition(1));
  requests = 0;
  underWay = 0;
  underWayMax = 0;
  readonly sockets = new Set<Socket>();
  #server: Server | undefined;

  async listen(port = 0): Promise<number> {
    const server = createServer((request, response) => {
      this.requests += 1;
      this.underWay += 1;
      this.underWayMax = Math.max(this.underWayMax, this.underWay);
      this.sockets.add(request.socket);
      response.once("close", () => {
        this.underWay -= 1;
      });
      this.answer(request, response);
    });
    this.#server = server;
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
    // A server that listens on TCP has an address object.
    return (server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    const server = this.#server;
    if (server?.listening !== true) return;
    const closed = once(server, "close");
    server.close();
    server.closeAllConnections();
    await closed;
  }
}

const until = (isMet: () => boolean) => vi.waitUntil(isMet, soon);

async function anEngine(wantedPort = 0) {
  const engine = new StandInEngine();
  const port = await engine.listen(wantedPort);
  cleanups.push(() => engine.close());
  return { engine, port };
}

const spec = (name: string, port: number): EndpointSpec => ({
  id: `default/${name}`,
  namespace: "default",
  name,
  address: "127.0.0.1",
  port,
  labels: {},
});

const someOptions: ScraperOptions = {
  scheme: "http",
  path: "/metrics",
  port: undefined,
  insecureSkipVerify: true,
  isPathGiven: false,
  engineAddresses: [],
  usesPodAnnotations: true,
  intervalMs: 5,
  calmIntervalMs: 5,
  idleIntervalMs: 5,
  backoffMsMax: 20,
  timeoutMs: 5_000,
  cpuBudgetRatio: 1,
  engines: undefined,
  probes: [],
};

interface Line {
  readonly level: string;
  readonly fields: object;
  readonly message: string;
}

/** A scraper on this thread that follows a pool, and its reports. */
function scraperOf({ store, facts }: PoolState, options: Partial<ScraperOptions>) {
  const lines: Line[] = [];
  const outcomes: string[] = [];
  const engines: string[] = [];
  const readings = new Map<number, ReadingState>();
  let malformedLines = 0;
  let crowdedFamilies = 0;
  const scraper = new Scraper(
    { ...someOptions, ...options },
    {
      board: store.board,
      writer: new ReportWriter(store.board, new Map()),
      clock: systemClock,
      random: seededRandom(1),
      cpuMs: () => 0,
      sink: {
        log: (level, fields, message) => lines.push({ level, fields, message }),
        scraped: (outcome) => outcomes.push(outcome),
        malformed: (count) => (malformedLines += count),
        crowded: (count) => (crowdedFamilies += count),
        adapters: (holder, adapters) => facts.setAdapters(holder, adapters),
        engine: (_, name) => engines.push(name),
        models: (holder, models) => facts.setModels(holder, models),
        attribute: () => undefined,
        check: () => undefined,
        reading: ({ slot }, state) => readings.set(slot, state),
      },
    },
  );
  const asScraped = (all: readonly Endpoint[]) =>
    all.map((one) => ({ ...one, generation: store.board.generations[one.slot] ?? 0 }));
  scraper.apply({ added: asScraped(store.endpoints()), removed: [], updated: [] });
  const unsubscribe = store.onChange(({ added, removed, updated }) =>
    scraper.apply({ added: asScraped(added), removed, updated: asScraped(updated) }),
  );
  const malformed = () => malformedLines;
  const crowded = () => crowdedFamilies;
  const told = { lines, outcomes, engines, readings, malformed, crowded };
  return { scraper, unsubscribe, ...told };
}

function scraping(specs: readonly EndpointSpec[], options: Partial<ScraperOptions> = {}) {
  const state = new PoolState({ slotsMax: 8 });
  const { store } = state;
  // The values are tested here, whatever their age.
  state.view.trust = { graceMs: 60_000, halfLifeMs: 1_000, boundMs: 1_000 };
  store.apply(specs);
  const { scraper, unsubscribe, ...told } = scraperOf(state, options);
  const stopping = new AbortController();
  const running = scraper.run(stopping.signal);
  const stop = () => {
    unsubscribe();
    stopping.abort();
    return running;
  };
  cleanups.push(stop);

  const load = () => loadAt(state, systemClock.nowMs());
  const waitingOf = (name: string) => {
    const endpoint = store.endpoints().find((one) => one.name === name);
    return endpoint && load().waitingRequests[endpoint.slot];
  };
  return { store, load, stop, waitingOf, ...told };
}

describe("Scraper", () => {
  it("writes the signals of every endpoint to the store, repeatedly", async () => {
    const [a, b] = await Promise.all([anEngine(), anEngine()]);
    b.engine.answer = (_, response) => response.end(exposition(7));
    const { store, load: loadNow, waitingOf } = scraping([spec("a", a.port), spec("b", b.port)]);
    await until(() => waitingOf("a") === 1 && waitingOf("b") === 7);
    a.engine.answer = (_, response) => response.end(exposition(5));
    await until(() => waitingOf("a") === 5);
    const slot = store.endpoints()[0]?.slot ?? -1;
    const load = loadNow();
    expect([load.runningRequests[slot], load.kvCacheUsedRatio[slot]]).toEqual([2, 0.5]);
    const ageMs = systemClock.nowMs() - (load.signalsAtMs[slot] ?? Number.NaN);
    expect(ageMs).toBeGreaterThanOrEqual(0);
    expect(ageMs).toBeLessThan(5_000);
  });

  it("drops adapters that another scraper has read if its own settings find none", async () => {
    const { port } = await anEngine();
    const state = new PoolState({ slotsMax: 8 });
    const [endpoint] = state.store.apply([spec("a", port)]).added;
    if (endpoint === undefined) throw new Error("the store took it");
    state.facts.setAdapters(
      { slot: endpoint.slot, generation: state.store.board.generations[endpoint.slot] ?? 0 },
      { active: new Set(["sql"]), waiting: new Set(), adaptersMax: 2 },
    );
    const { scraper, outcomes } = scraperOf(state, {});
    const stopping = new AbortController();
    const running = scraper.run(stopping.signal);
    await until(() => outcomes.length > 0);
    stopping.abort();
    await running;
    expect(loadAt(state, systemClock.nowMs()).adapters[endpoint.slot]).toBeUndefined();
    expect(state.facts.isServed("sql")).toBe(false);
  });

  it("asks for the plain text of the configured path and port", async () => {
    const { engine, port } = await anEngine();
    const seen: unknown[] = [];
    engine.answer = ({ method, url, headers }, response) => {
      seen.push([method, url, headers["accept-encoding"], headers.host]);
      response.end(exposition(1));
    };
    const { waitingOf } = scraping([spec("a", 1)], { path: "/stats", port });
    await until(() => waitingOf("a") === 1);
    expect(seen[0]).toEqual(["GET", "/stats", "identity", `127.0.0.1:${port}`]);
  });

  it("reuses one connection", async () => {
    const { engine, port } = await anEngine();
    scraping([spec("a", port)]);
    await until(() => engine.requests > 10);
    expect(engine.sockets.size).toBe(1);
  });

  it("reads a body that comes in pieces", async () => {
    const { engine, port } = await anEngine();
    engine.answer = (_, response) => {
      const text = exposition(4);
      response.write(text.slice(0, 20));
      setImmediate(() => response.end(text.slice(20)));
    };
    const { waitingOf } = scraping([spec("a", port)]);
    await until(() => waitingOf("a") === 4);
    expect(waitingOf("a")).toBe(4);
  });

  it("uses our own count if an answer lacks a signal, and counts the malformed line", async () => {
    const { engine, port } = await anEngine();
    const { load, waitingOf, malformed } = scraping([spec("a", port)]);
    await until(() => waitingOf("a") === 1);
    engine.answer = (_, response) => response.end(exposition("broken"));
    await until(() => waitingOf("a") === 0);
    expect(load().runningRequests[0]).toBe(2);
    expect(malformed()).toBeGreaterThan(0);
  });

  it("reports a family with too many series once, counts it each time, and reads the others", async () => {
    const { engine, port } = await anEngine();
    const { load, lines, crowded, waitingOf } = scraping([spec("a", port)]);
    await until(() => waitingOf("a") === 1);
    const series = Array.from(
      { length: samplesMax + 1 },
      (_, index) => `vllm:num_requests_waiting{engine="${index}"} 1\n`,
    );
    engine.answer = (_, response) =>
      response.end(`${series.join("")}vllm:num_requests_running 7\n`);
    await until(() => crowded() > 2);
    expect(load().runningRequests[0]).toBe(7);
    expect(lines).toEqual([
      {
        level: "warn",
        fields: {
          endpoint: "default/a",
          url: `http://127.0.0.1:${port}/metrics`,
          families: ["vllm:num_requests_waiting"],
          seriesMax: samplesMax,
        },
        message: "metric families skipped",
      },
    ]);
  });

  it("unpacks a compressed body, although it did not ask for one", async () => {
    const { engine, port } = await anEngine();
    engine.answer = (_, response) => {
      response.setHeader("content-encoding", "gzip");
      response.end(gzipSync(exposition(4)));
    };
    const { waitingOf, engines } = scraping([spec("a", port)]);
    await until(() => waitingOf("a") === 4);
    expect(engines).toEqual(["vllm"]);
  });

  it("starts with an endpoint that joins and stops with one that leaves", async () => {
    const [a, b] = await Promise.all([anEngine(), anEngine()]);
    const { store, waitingOf } = scraping([spec("a", a.port)]);
    await until(() => waitingOf("a") === 1);
    store.apply([spec("b", b.port)]);
    await until(() => waitingOf("b") === 1);
    await until(() => a.engine.underWay === 0);
    const requestsAtLeave = a.engine.requests;
    const requestsThen = b.engine.requests;
    await until(() => b.engine.requests > requestsThen + 10);
    expect(a.engine.requests).toBe(requestsAtLeave);
  });

  it("continues with an endpoint that only got other labels", async () => {
    const { engine, port } = await anEngine();
    const { store, waitingOf } = scraping([spec("a", port)]);
    await until(() => waitingOf("a") === 1);
    store.apply([{ ...spec("a", port), labels: { role: "decode" } }]);
    engine.answer = (_, response) => response.end(exposition(9));
    await until(() => waitingOf("a") === 9);
    expect(engine.underWayMax).toBe(1);
    expect(engine.sockets.size).toBe(1);
  });
});

describe("Scraper against a bad engine", () => {
  it.each<readonly [string, RequestListener, string]>([
    ["answers 500", (_, response) => response.writeHead(500).end(exposition(9)), "status"],
    ["redirects", (_, response) => response.writeHead(302, { location: "/other" }).end(), "status"],
    ["answers garbage", (_, response) => response.end("<html>\u0000 vllm:"), "parse"],
    ["answers nothing", (_, response) => response.end(), "parse"],
    [
      "breaks the connection",
      ({ socket }) => {
        socket.destroy();
      },
      "connect",
    ],
    [
      "breaks off in the body",
      ({ socket }, response) => {
        response.writeHead(200, { "content-length": 10_000 });
        response.write(exposition(9), () => socket.destroy());
      },
      "connect",
    ],
    [
      "breaks its compressed body",
      (_, response) => {
        response.setHeader("content-encoding", "gzip");
        response.end(gzipSync(exposition(9)).subarray(0, 30));
      },
      "parse",
    ],
    [
      "uses a compression that was not requested",
      (_, response) => {
        response.setHeader("content-encoding", "br");
        response.end(exposition(9));
      },
      "parse",
    ],
    [
      "compresses 9 MiB to a few bytes",
      (_, response) => {
        response.setHeader("content-encoding", "gzip");
        response.end(gzipSync(Buffer.alloc(9 * 2 ** 20, "#")));
      },
      "too-large",
    ],
    [
      "sends over 8 MiB",
      (_, response) => {
        response.write(exposition(9));
        const chunk = Buffer.alloc(2 ** 20, "#");
        for (let count = 0; count < 9; count += 1) response.write(chunk);
      },
      "too-large",
    ],
  ])("keeps the last signals of one that %s", async (_, answer, outcome) => {
    const { engine, port } = await anEngine();
    const { load, lines, outcomes, waitingOf } = scraping([spec("a", port)]);
    await until(() => waitingOf("a") === 1);
    const readAtMs = () => load().signalsAtMs[0];
    engine.answer = answer;
    await until(() => outcomes.slice(-3).every((one) => one === outcome));
    const lastReadMs = readAtMs();
    await until(() => outcomes.slice(-6).every((one) => one === outcome));
    expect([waitingOf("a"), readAtMs()]).toEqual([1, lastReadMs]);
    expect(lines).toMatchObject([
      { level: "warn", fields: { endpoint: "default/a", failure: outcome } },
    ]);

    engine.answer = (_request, response) => response.end(exposition(3));
    await until(() => lines.length === 2);
    expect(lines[1]).toMatchObject({ level: "info", fields: { endpoint: "default/a" } });
    expect(waitingOf("a")).toBe(3);
  });

  it.each<readonly [string, RequestListener]>([
    ["never answers", () => undefined],
    [
      "drips",
      (_, response) => {
        const drip = () => {
          if (response.destroyed) return;
          response.write("# x\n");
          setImmediate(drip);
        };
        response.write(exposition(9));
        drip();
      },
    ],
  ])("gives up in time on one that %s, and never asks twice at once", async (_, answer) => {
    const { engine, port } = await anEngine();
    const { outcomes, waitingOf } = scraping([spec("a", port)], { timeoutMs: 50 });
    await until(() => waitingOf("a") === 1);
    engine.answer = answer;
    await until(() => outcomes.filter((one) => one !== "ok").length >= 3);
    expect(new Set(outcomes)).toEqual(new Set(["ok", "timeout"]));
    expect(waitingOf("a")).toBe(1);
    engine.answer = (_request, response) => response.end(exposition(3));
    await until(() => waitingOf("a") === 3);
    // The engine may see the end of a cancelled scrape only after the start of the next.
    expect(engine.underWayMax).toBeLessThanOrEqual(2);
  });

  it("follows an engine through a restart on its port", async () => {
    const { engine, port } = await anEngine(await freePort());
    const { lines, outcomes, waitingOf } = scraping([spec("a", port)]);
    await until(() => waitingOf("a") === 1);
    await engine.close();
    await until(() => outcomes.at(-1) === "connect");
    engine.answer = (_, response) => response.end(exposition(6));
    await engine.listen(port);
    await until(() => waitingOf("a") === 6);
    await until(() => lines.length === 2);
    expect(lines.map(({ level }) => level)).toEqual(["warn", "info"]);
  });

  it("logs one warning for an engine that fails every second time", async () => {
    const { engine, port } = await anEngine();
    engine.answer = (_, response) =>
      engine.requests % 2 === 0 ? response.end(exposition(1)) : response.writeHead(503).end();
    const { lines } = scraping([spec("a", port)]);
    await until(() => engine.requests > 12);
    expect(lines.map(({ level }) => level)).toEqual(["warn"]);
  });

  it("is not delayed by one that hangs", async () => {
    const [hanging, well] = await Promise.all([anEngine(), anEngine()]);
    hanging.engine.answer = () => undefined;
    scraping([spec("a", hanging.port), spec("b", well.port)]);
    await until(() => well.engine.requests > 20);
    expect(hanging.engine.requests).toBe(1);
  });
});

describe("Scraper.run", () => {
  it("stops at once, in the middle of a scrape, with every connection closed", async () => {
    const { engine, port } = await anEngine();
    const closed: unknown[] = [];
    engine.answer = ({ socket }) => {
      socket.once("close", () => closed.push(socket));
    };
    const { outcomes, lines, stop } = scraping([spec("a", port)]);
    await until(() => engine.underWay === 1);
    await stop();
    await until(() => closed.length === 1);
    expect([outcomes, lines]).toEqual([[], []]);
  });

  it("closes the connection it keeps between scrapes", async () => {
    const { engine, port } = await anEngine();
    const { outcomes, stop } = scraping([spec("a", port)], {
      intervalMs: 300,
      calmIntervalMs: 300,
      idleIntervalMs: 300,
    });
    await until(() => outcomes.length === 1);
    await stop();
    const isClosed = () => [...engine.sockets].every(({ destroyed }) => destroyed);
    // Otherwise it would stay open for 4 s.
    expect(await vi.waitUntil(isClosed, { timeout: 2_000, interval: 2 })).toBe(true);
  });

  it("follows no membership once it has stopped", async () => {
    const { engine, port } = await anEngine();
    const { store, stop } = scraping([]);
    await stop();
    store.apply([spec("a", port)]);
    expect(engine.requests).toBe(0);
  });

  it("does nothing when the signal has aborted before", async () => {
    const { engine, port } = await anEngine();
    const state = new PoolState();
    state.store.apply([spec("a", port)]);
    const { scraper } = scraperOf(state, {});
    await scraper.run(AbortSignal.abort());
    expect(engine.requests).toBe(0);
  });
});
