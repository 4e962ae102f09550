import { once } from "node:events";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo, Server } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { generate } from "selfsigned";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { systemClock } from "../../../std/clock.ts";
import { seededRandom } from "../../../std/random.ts";
import type { MetricsAddress } from "../../../core/endpoint.ts";
import type { ReadingState } from "../../../core/signals.ts";
import { loadAt } from "#test/support/reports.ts";
import { PoolState } from "../../../state/pool-state.ts";
import { ReportWriter } from "../../../state/report-writer.ts";
import { Scraper, type ScraperOptions } from "./scraper.ts";

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) {
    // One after another: scrapers stop before the servers that they read.
    await cleanup();
  }
});

/** A self-signed certificate for `engine.internal`, made once. */
let identity: { readonly cert: string; readonly key: string };
let folder: string;

beforeAll(async () => {
  const made = await generate([{ name: "commonName", value: "engine.internal" }], {
    algorithm: "sha256",
    extensions: [{ name: "subjectAltName", altNames: [{ type: 2, value: "engine.internal" }] }],
  });
  identity = { cert: made.cert, key: made.private };
  folder = mkdtempSync(path.join(tmpdir(), "signals-"));
  return () => rmSync(folder, { recursive: true });
});

function fileOf(name: string, text: string): string {
  const file = path.join(folder, name);
  writeFileSync(`${file}.new`, text);
  renameSync(`${file}.new`, file);
  return file;
}

/** Requests to a server, in order. */
interface Asked {
  readonly path: string;
  readonly authorization: string | undefined;
  readonly tenant: unknown;
}

async function listening(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanups.push(() => server.close());
  // A server that listens on TCP has an address object.
  return (server.address() as AddressInfo).port;
}

async function anEngine(answer: RequestListener, kind: "http" | "https" = "http") {
  const asked: Asked[] = [];
  const listener: RequestListener = (request, response) => {
    const { url = "", headers } = request;
    asked.push({ path: url, authorization: headers.authorization, tenant: headers["x-tenant"] });
    answer(request, response);
  };
  const server = kind === "http" ? createServer(listener) : createTlsServer(identity, listener);
  const port = await listening(server);
  cleanups.push(() => server.closeAllConnections());
  return { asked, port };
}

const vllmPage = (waiting: number) =>
  `vllm:num_requests_waiting ${waiting}\nvllm:num_requests_running 2\nvllm:kv_cache_usage_perc 0.5\n`;
const trtllmPage =
  "trtllm_num_requests_waiting 4\ntrtllm_num_requests_running 2\ntrtllm_kv_cache_utilization 0.5\n";

/** Serves pages by path; 404 elsewhere. */
const pages =
  (byPath: Readonly<Record<string, string>>): RequestListener =>
  ({ url = "" }, response) => {
    const page = byPath[url];
    if (page === undefined) response.writeHead(404).end("not found");
    else response.end(page);
  };

const someOptions: ScraperOptions = {
  scheme: "http",
  path: "/metrics",
  isPathGiven: false,
  port: undefined,
  engineAddresses: [],
  usesPodAnnotations: true,
  insecureSkipVerify: true,
  intervalMs: 5,
  calmIntervalMs: 5,
  idleIntervalMs: 5,
  backoffMsMax: 20,
  timeoutMs: 2_000,
  cpuBudgetRatio: 1,
  engines: undefined,
  probes: [],
};

interface Told {
  readonly port: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly metrics?: MetricsAddress;
}

/** Scrapes one endpoint, and returns the results. */
function scraping({ port, labels = {}, metrics }: Told, options: Partial<ScraperOptions> = {}) {
  const restarts: string[] = [];
  const state = new PoolState({ slotsMax: 2, onRestart: ({ id }) => restarts.push(id) });
  const { store } = state;
  state.view.trust = { graceMs: 60_000, halfLifeMs: 1_000, boundMs: 1_000 };
  const name = { id: "default/a", namespace: "default", name: "a" };
  store.apply([
    { ...name, address: "127.0.0.1", port, labels, ...(metrics === undefined ? {} : { metrics }) },
  ]);
  const lines: string[] = [];
  let reading: ReadingState | undefined;
  const scraper = new Scraper(
    { ...someOptions, ...options },
    {
      board: store.board,
      writer: new ReportWriter(store.board, new Map()),
      clock: systemClock,
      random: seededRandom(1),
      cpuMs: () => 0,
      sink: {
        log: (level, fields, message) =>
          lines.push(`${level} ${message} ${JSON.stringify(fields)}`),
        reading: (_, current) => {
          reading = current;
        },
        scraped: () => undefined,
        malformed: () => undefined,
        crowded: () => undefined,
        adapters: () => undefined,
        engine: () => undefined,
        models: () => undefined,
        attribute: () => undefined,
        check: () => undefined,
      },
    },
  );
  const scraped = store
    .endpoints()
    .map((one) => Object.assign({ generation: store.board.generations[one.slot] ?? 0 }, one));
  scraper.apply({ added: scraped, removed: [], updated: [] });
  const stopping = new AbortController();
  const running = scraper.run(stopping.signal);
  cleanups.push(() => {
    stopping.abort();
    return running;
  });
  const waiting = () => loadAt(state, systemClock.nowMs()).told.waitingRequests[0];
  const until = (isMet: () => boolean) =>
    vi.waitUntil(
      () => {
        // Reports are read as decisions read them.
        waiting();
        return isMet();
      },
      { timeout: 10_000, interval: 2 },
    );
  return {
    scraper,
    scraped,
    lines,
    restarts,
    waiting,
    until,
    reading: () => reading,
    tells: async (count: number) => {
      await until(() => waiting() === count);
      return waiting();
    },
    fails: async () => {
      await until(() => reading?.failure !== undefined);
      return reading?.failure?.reason ?? "";
    },
  };
}

const json: RequestListener = (_, response) =>
  response.setHeader("content-type", "application/json").end('[{"iter":1}]');
const trtllm = { "llm-d.ai/engine-type": "trtllm-serve" };

describe("the place that metrics are read from", () => {
  it.each<readonly [string, Readonly<Record<string, string>>, RequestListener, readonly string[]]>([
    [
      "named by a label",
      trtllm,
      pages({ "/prometheus/metrics": trtllmPage }),
      ["/prometheus/metrics"],
    ],
    [
      "whose /metrics is not there",
      {},
      pages({ "/prometheus/metrics": trtllmPage }),
      ["/metrics", "/prometheus/metrics"],
    ],
    [
      "whose /metrics is JSON",
      {},
      (request, response) =>
        request.url === "/metrics" ? json(request, response) : response.end(trtllmPage),
      ["/metrics", "/prometheus/metrics"],
    ],
    [
      "that is an older one, with metrics at the usual path",
      trtllm,
      pages({ "/metrics": trtllmPage }),
      ["/prometheus/metrics", "/metrics"],
    ],
  ])(
    "is found for a trtllm-serve %s, and is the only one asked from then on",
    async (...[, labels, answer, first]) => {
      const { port, asked } = await anEngine(answer);
      const { tells, until, lines } = scraping({ port, labels });
      expect(await tells(4)).toBe(4);
      await until(() => asked.length > 8);
      expect(asked.slice(0, first.length).map((each) => each.path)).toEqual(first);
      expect(new Set(asked.slice(first.length).map((each) => each.path))).toEqual(
        new Set([first.at(-1)]),
      );
      expect(lines).toEqual([]);
    },
  );

  it("is the one that the document gives for an engine, before its general address", async () => {
    const own = await anEngine(pages({ "/own": vllmPage(3) }));
    const general = await anEngine(pages({ "/stats": vllmPage(1) }));
    const engineAddresses = [{ name: "vllm", path: "/own", port: own.port }];
    const options = { path: "/stats", isPathGiven: true, port: general.port, engineAddresses };
    const { tells } = scraping({ port: 1, labels: { "llm-d.ai/engine-type": "vllm" } }, options);
    expect(await tells(3)).toBe(3);
    expect(general.asked).toEqual([]);
  });

  it("is the one that the pod names, before all others", async () => {
    const own = await anEngine(pages({ "/own": vllmPage(3) }));
    const general = await anEngine(pages({ "/metrics": vllmPage(1) }));
    const metrics = { path: "/own", port: own.port, scheme: "http" } as const;
    const { tells } = scraping({ port: general.port, metrics });
    expect(await tells(3)).toBe(3);
    expect(general.asked).toEqual([]);
  });

  it.each<readonly [string, RequestListener]>([
    ["has other metrics", (_, response) => response.end("envoy_requests 1\n")],
    ["does not know the path", (_, response) => response.writeHead(404).end()],
    ["is ill", (_, response) => response.writeHead(503).end()],
  ])("is the usual place if the one that a pod names %s", async (_, answer) => {
    const sidecar = await anEngine(answer);
    const engine = await anEngine(pages({ "/metrics": vllmPage(1) }));
    const metrics = { path: "/stats/prometheus", port: sidecar.port };
    const { tells, lines } = scraping({ port: engine.port, metrics });
    expect(await tells(1)).toBe(1);
    expect(lines).toEqual([]);
  });

  it("is the usual place if nothing listens or answers at the port that a pod names", async () => {
    const engine = await anEngine(pages({ "/metrics": vllmPage(1) }));
    const refused = scraping({ port: engine.port, metrics: { port: 1 } });
    expect(await refused.tells(1)).toBe(1);
    const silent = await anEngine(() => undefined);
    const waited = scraping(
      { port: engine.port, metrics: { port: silent.port } },
      { timeoutMs: 50 },
    );
    expect(await waited.tells(1)).toBe(1);
  });

  it("is not the one that pods name if the document turns that off", async () => {
    const engine = await anEngine(pages({ "/metrics": vllmPage(1), "/own": vllmPage(3) }));
    const { tells } = scraping(
      { port: engine.port, metrics: { path: "/own" } },
      { usesPodAnnotations: false },
    );
    expect(await tells(1)).toBe(1);
    expect(new Set(engine.asked.map((each) => each.path))).toEqual(new Set(["/metrics"]));
  });

  it("changes with the annotations of a pod", async () => {
    const { port } = await anEngine(pages({ "/metrics": vllmPage(1), "/own": vllmPage(3) }));
    const { scraper, scraped, tells } = scraping({ port });
    expect(await tells(1)).toBe(1);
    scraper.apply({
      added: [],
      removed: [],
      updated: scraped.map((one) => Object.assign({}, one, { metrics: { path: "/own" } })),
    });
    expect(await tells(3)).toBe(3);
  });
});

describe("a path that looks like the address of another host", () => {
  it.each(["//localhost:PORT/metrics", String.raw`/\localhost:PORT/metrics`])(
    "%s is one of the endpoint itself",
    async (template) => {
      const other = await anEngine(pages({ "/metrics": vllmPage(5) }));
      const own = await anEngine(pages({ "/metrics": vllmPage(1) }));
      const metrics = { path: template.replace("PORT", String(other.port)) };
      expect(await scraping({ port: own.port, metrics }).tells(1)).toBe(1);
      expect(other.asked).toEqual([]);
      expect(own.asked[0]?.path).toContain(`localhost:${other.port}/metrics`);
    },
  );
});

describe("redirects", () => {
  it.each([301, 302, 307, 308])("with status %s to the same host are followed", async (status) => {
    const { port } = await anEngine(({ url }, response) => {
      if (url === "/metrics/") response.end(vllmPage(1));
      else response.writeHead(status, { location: "/metrics/" }).end("moved");
    });
    expect(await scraping({ port }).tells(1)).toBe(1);
  });

  it("take credentials along to the same port, and to no other", async () => {
    const other = await anEngine(pages({ "/metrics": vllmPage(5) }));
    const location = `http://127.0.0.1:${other.port}/metrics`;
    const same = await anEngine(({ url }, response) => {
      if (url === "/metrics") response.writeHead(302, { location: "/here" }).end();
      else response.writeHead(302, { location }).end();
    });
    const headers = tokenHeaders(fileOf("redirected", "s3cret"));
    expect(await scraping({ port: same.port }, { headers }).tells(5)).toBe(5);
    expect(same.asked[1]).toMatchObject({ path: "/here", authorization: "Bearer s3cret" });
    expect(other.asked[0]?.authorization).toBeUndefined();
  });

  it.each([
    ["http://localhost:1/metrics", "redirects to another host, localhost:1"],
    ["//127.0.0.2/metrics", "redirects to another host, 127.0.0.2"],
    ["file:///etc/passwd", "redirects to an invalid URL"],
    ["/metrics", "redirects more than 3 times"],
  ])("to %s are not followed", async (location, reason) => {
    const { port } = await anEngine((_, response) => response.writeHead(302, { location }).end());
    expect(await scraping({ port }).fails()).toContain(reason);
  });
});

const tokenHeaders = (file: string) =>
  [{ name: "authorization", prefix: "Bearer ", from: { kind: "file", path: file } }] as const;

/** Answers only requests with a token. */
const guarded =
  (token: () => string): RequestListener =>
  ({ headers }, response) => {
    if (headers.authorization === `Bearer ${token()}`) response.end(vllmPage(1));
    else response.writeHead(401).end();
  };

describe("credentials", () => {
  it("come from files, are followed while these change, and appear in no log line", async () => {
    let token = "first-secret";
    const { port, asked } = await anEngine(guarded(() => token));
    const file = fileOf("token", "first-secret\n");
    const tenant = {
      name: "X-Tenant",
      prefix: "",
      from: { kind: "file", path: fileOf("tenant", "blue") },
    } as const;
    const { tells, fails, until, reading, lines } = scraping(
      { port },
      { headers: [...tokenHeaders(file), tenant] },
    );
    expect(await tells(1)).toBe(1);
    expect(asked[0]?.tenant).toBe("blue");
    token = "second-secret";
    expect(await fails()).toContain("status 401");
    fileOf("token", "second-secret\n");
    await until(() => reading()?.failure === undefined);
    expect(lines.join("\n")).toContain("credentials reloaded");
    expect(lines.join("\n") + JSON.stringify(reading())).not.toMatch(/secret|blue/);
  });

  it("come from Secrets of the cluster as they are reported", async () => {
    let token = "one";
    const { port } = await anEngine(guarded(() => token));
    const secret = { namespace: "n", name: "s", key: "k" };
    const headers = [
      { name: "authorization", prefix: "Bearer ", from: { kind: "secret", secret } },
    ] as const;
    const { scraper, tells, fails, until, reading } = scraping({ port }, { headers });
    expect(await fails()).toContain("status 401");
    scraper.secrets = new Map([["n/s/k", "one"]]);
    expect(await tells(1)).toBe(1);
    token = "two";
    await until(() => reading()?.failure !== undefined);
    scraper.secrets = new Map([["n/s/k", "two"]]);
    await until(() => reading()?.failure === undefined);
  });

  it.each([
    ["is not there", undefined],
    ["has bytes that are invalid in a header", "a\nb"],
    ["is empty", ""],
  ])("do not stop scraping if a file %s", async (_, text) => {
    const { port, asked } = await anEngine(pages({ "/metrics": vllmPage(1) }));
    const file = text === undefined ? path.join(folder, "none") : fileOf("odd", text);
    const { tells } = scraping({ port }, { headers: tokenHeaders(file) });
    expect(await tells(1)).toBe(1);
    expect(asked[0]?.authorization).toBeUndefined();
  });
});

describe("https", () => {
  const secure = { scheme: "https", insecureSkipVerify: false } as const;

  it("verifies certificates by a private authority and a name", async () => {
    const { port } = await anEngine(pages({ "/metrics": vllmPage(1) }), "https");
    const caPath = fileOf("ca.pem", identity.cert);
    expect(
      await scraping({ port }, { ...secure, caPath, serverName: "engine.internal" }).tells(1),
    ).toBe(1);
  });

  it("follows the authority while its file changes", async () => {
    const { port } = await anEngine(pages({ "/metrics": vllmPage(1) }), "https");
    const caPath = fileOf("later.pem", "");
    const { fails, tells } = scraping(
      { port },
      { ...secure, caPath, serverName: "engine.internal" },
    );
    expect(await fails()).toContain("signed by an unknown authority: set caCertPath");
    fileOf("later.pem", identity.cert);
    expect(await tells(1)).toBe(1);
  });

  it("reports that a certificate is for another name", async () => {
    const { port } = await anEngine(pages({ "/metrics": vllmPage(1) }), "https");
    const caPath = fileOf("ca.pem", identity.cert);
    expect(await scraping({ port }, { ...secure, caPath }).fails()).toContain("set serverName");
  });

  it.each<readonly [string, "http" | "https", "http" | "https", RequestListener, string]>([
    ["https of a port of http", "https", "http", pages({}), "set the scheme to http"],
    [
      "http of a port of https",
      "http",
      "https",
      pages({}),
      "to an https port: set the scheme to https",
    ],
    [
      "http of a proxy that says so",
      "http",
      "http",
      (_, response) => response.writeHead(400).end(),
      "status 400",
    ],
  ])("explains that it was asked in %s", async (...[, scheme, kind, answer, words]) => {
    const { port } = await anEngine(answer, kind);
    const { fails, until, lines } = scraping({ port }, { scheme });
    expect(await fails()).toContain(words);
    await until(() => lines.length > 0);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain(words);
  });

  it("continues if an authority's file holds no certificate", async () => {
    const { port } = await anEngine(pages({ "/metrics": vllmPage(1) }), "https");
    const caPath = fileOf(
      "bad.pem",
      "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n",
    );
    const { fails, tells } = scraping(
      { port },
      { ...secure, caPath, serverName: "engine.internal" },
    );
    expect(await fails()).not.toBe("");
    fileOf("bad.pem", identity.cert);
    expect(await tells(1)).toBe(1);
  });
});

describe("a page without a usable signal", () => {
  it.each<readonly [string, Readonly<Record<string, string>>, RequestListener, string]>([
    [
      "names the labelled engine",
      { "llm-d.ai/engine-type": "sglang" },
      pages({ "/metrics": vllmPage(1) }),
      "no usable signal of the engine sglang, which the label llm-d.ai/engine-type names",
    ],
    [
      "names a label that is not known",
      { "llm-d.ai/engine-type": "mine" },
      pages({ "/metrics": "up 1\n" }),
      "names mine, which is not known",
    ],
    ["is reported as JSON", {}, json, "answered with application/json instead of metrics"],
    [
      "reports that every engine was tried",
      {},
      pages({ "/metrics": "up 1\n" }),
      "no usable signal of any known engine",
    ],
  ])("%s", async (...[, labels, answer, words]) => {
    const { port } = await anEngine(answer);
    expect(await scraping({ port, labels }).fails()).toContain(words);
  });
});

/** Each connection belongs to one of the workers, in turn. */
async function aPort(startTimes: { now: readonly number[] }) {
  let connections = 0;
  const workers = new WeakMap<object, number>();
  return anEngine(({ socket }, response) => {
    const worker = workers.get(socket) ?? (connections += 1);
    workers.set(socket, worker);
    const { now } = startTimes;
    const seconds = now[worker % now.length];
    response.end(`${vllmPage(1)}process_start_time_seconds ${seconds}\n`);
  });
}

describe("several workers behind one port", () => {
  it("are no restarts, and a restart of all of them is one", async () => {
    const startTimes = { now: [1.7e9, 1.7e9 + 3] };
    const { port, asked } = await aPort(startTimes);
    const { tells, until, restarts } = scraping({ port });
    expect(await tells(1)).toBe(1);
    await until(() => asked.length > 60);
    expect(restarts).toEqual([]);
    startTimes.now = [1.7e9 + 500, 1.7e9 + 501];
    await until(() => restarts.length > 0);
    const before = asked.length;
    await until(() => asked.length > before + 60);
    expect(restarts).toEqual(["default/a"]);
  });
});
