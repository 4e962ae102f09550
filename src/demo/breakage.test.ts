import { createServer } from "node:http";
import { once } from "node:events";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { eventually } from "#test/support/wait.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { type BreakKind, Breakage } from "./breakage.ts";

/** Stands in for the admin port of two simulators. */
const asked: string[] = [];
let status = 200;
const server = createServer((request, response) => {
  let body = "";
  request.on("data", (piece) => (body += String(piece)));
  request.on("end", () => {
    asked.push(`${request.method} ${request.url} ${body}`.trimEnd());
    response.writeHead(status).end("{}");
  });
});
let enginesUrls: readonly string[] = [];

beforeEach(async () => {
  asked.length = 0;
  status = 200;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" ? address?.port : 0;
  enginesUrls = ["a", "b"].map((pool) => `http://127.0.0.1:${port}/${pool}`);
});
afterEach(() => new Promise((resolve) => server.close(resolve)));

function aBreakage(kind: BreakKind) {
  const clock = new FakeClock();
  const said: string[] = [];
  const onEvent = (text: string) => void said.push(text);
  const breakage = new Breakage(kind, { clock, enginesUrls, engine: "engine-1", onEvent });
  return { clock, said, breakage };
}

const both = (path: string, method: string, body = "") =>
  ["a", "b"].map((pool) => `${method} /${pool}/engine-1${path} ${body}`.trimEnd());

describe("Breakage", () => {
  it("breaks the same engine of both pools at second 10 and mends it 20 s later", async () => {
    const { clock, said, breakage } = aBreakage("slow");
    const ran = breakage.run(new AbortController().signal);
    await clock.advance(9_999);
    expect(asked).toEqual([]);
    await clock.advance(1);
    await eventually("broken", () => (said.length === 1 ? said : undefined));
    expect(asked.toSorted()).toEqual(both("", "PATCH", '{"slowFactor":10}'));
    expect(breakage.times).toEqual({ brokenMs: 10_000, mendedMs: undefined });
    await clock.advance(20_000);
    await ran;
    expect(asked.slice(2).toSorted()).toEqual(both("", "PATCH", '{"slowFactor":1}'));
    expect(said).toEqual(["engine-1 is ten times slower", "engine-1 is as fast as before"]);
    expect(breakage.times).toEqual({ brokenMs: 10_000, mendedMs: 30_000 });
  });

  it("closes the port of an engine before it restarts, and opens it later", async () => {
    const { clock, said, breakage } = aBreakage("restart");
    const ran = breakage.run(new AbortController().signal);
    await clock.advance(10_000);
    await eventually("broken", () => (said.length === 1 ? said : undefined));
    expect(asked.slice(0, 2).toSorted()).toEqual(both("", "PATCH", '{"refuse":true}'));
    expect(asked.slice(2).toSorted()).toEqual(both("/restart", "POST"));
    await clock.advance(5_000);
    await ran;
    expect(asked.slice(4).toSorted()).toEqual(both("", "PATCH", '{"refuse":false}'));
  });

  it("breaks nothing if the demo ends before", async () => {
    const { clock, breakage } = aBreakage("hang");
    const stop = new AbortController();
    const ran = breakage.run(stop.signal);
    stop.abort();
    await ran;
    expect([asked, breakage.times.brokenMs, clock.pendingTimers]).toEqual([[], undefined, 0]);
  });

  it("says so if a simulator refuses", async () => {
    status = 400;
    const { clock, said, breakage } = aBreakage("hang");
    const stop = new AbortController();
    const ran = breakage.run(stop.signal);
    await clock.advance(10_000);
    await eventually("told", () => (said.length === 1 ? said : undefined));
    expect(said).toEqual(["engine-1 could not be changed: 400 {}"]);
    stop.abort();
    await ran;
  });
});
