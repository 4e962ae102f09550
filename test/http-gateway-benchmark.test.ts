import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AnswerReader } from "../loadtest/http-gateway/answer-reader.ts";
import type { Cell } from "../loadtest/http-gateway/cells.ts";
import { contestantIn, knownContestants } from "../loadtest/http-gateway/contestants.ts";
import {
  footprintsOf,
  type Measure,
  measureOf,
  summariesOf,
} from "../loadtest/http-gateway/measures.ts";
import { RequestReader } from "../loadtest/http-gateway/request-reader.ts";
import { chatBodyOf, requestsOf } from "../loadtest/http-gateway/requests.ts";
import { markdownOf } from "../loadtest/http-gateway/table.ts";

const head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";

/** Pushes the text cut into pieces of these lengths, in turn; the answers of the reader. */
function pushed(
  reader: { push(piece: Buffer): boolean },
  text: string,
  lengths: readonly number[],
): readonly boolean[] {
  const results: boolean[] = [];
  for (let start = 0, piece = 0; start < text.length; piece += 1) {
    const length = lengths[piece % lengths.length] ?? text.length;
    results.push(reader.push(Buffer.from(text.slice(start, start + length))));
    start += length;
  }
  return results;
}

const cuts = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 12 });

describe("the reader of answers", () => {
  it.each([
    ["of a known length", `${head}Content-Length: 5\r\n\r\nhello`, 5],
    ["in chunks", `${head}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`, 15],
    ["without a body", `${head}Content-Length: 0\r\n\r\n`, 0],
  ])("ends an answer %s with its last byte, wherever it is cut", (_, text, bodyBytes) => {
    fc.assert(
      fc.property(cuts, (lengths) => {
        const reader = new AnswerReader();
        const results = pushed(reader, text, lengths);
        expect(results.indexOf(true)).toBe(results.length - 1);
        expect(reader).toMatchObject({ status: 200, bodyBytes });
      }),
    );
  });

  it("ends an answer without a length with its connection", () => {
    const reader = new AnswerReader();
    expect(reader.push(Buffer.from(`${head}Connection: close\r\n\r\nhello`))).toBe(false);
    expect(reader.close()).toBe(true);
    expect(reader.isLast).toBe(true);
  });

  it("does not take a broken answer for a whole one", () => {
    const reader = new AnswerReader();
    expect(reader.push(Buffer.from(`${head}Content-Length: 9\r\n\r\nhello`))).toBe(false);
    expect(reader.close()).toBe(false);
  });
});

describe("the reader of requests", () => {
  const body = '{"model":"bench","stream":true}';
  const chunked = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
  it.each([
    ["of a known length", `content-length: ${body.length}\r\n\r\n${body}`],
    ["in chunks", `Transfer-Encoding: chunked\r\n\r\n${chunked}`],
  ])("finds path and stream of a request %s, wherever it is cut", (_, rest) => {
    fc.assert(
      fc.property(cuts, (lengths) => {
        const reader = new RequestReader();
        const text = `POST /v1/chat/completions?x=1 HTTP/1.1\r\nhost: a\r\n${rest}`;
        const results = pushed(reader, text, lengths);
        expect(results.indexOf(true)).toBe(results.length - 1);
        expect(reader).toMatchObject({ path: "/v1/chat/completions", isStream: true });
        reader.reset();
        expect(reader.push(Buffer.from("GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n"))).toBe(true);
        expect(reader).toMatchObject({ path: "/metrics", isStream: false });
      }),
    );
  });
});

describe("requests", () => {
  it.each([1_024, 2_048, 65_536])("have a body of exactly %d bytes", (bodyBytes) => {
    for (const isStream of [false, true]) {
      expect(chatBodyOf(bodyBytes, isStream, 3)).toHaveLength(bodyBytes);
    }
  });

  it("share half of the prompt within a group of eight", () => {
    const prompts = [0, 7, 8].map((index) => chatBodyOf(2_048, false, index).slice(0, 900));
    expect(prompts[0]).toBe(prompts[1]);
    expect(prompts[0]).not.toBe(prompts[2]);
  });

  it("carry the headers that a contestant needs", () => {
    const headers = { "x-key": "a" };
    const [first] = requestsOf({ port: 1, bodyBytes: 1_024, isStream: false, headers });
    expect(first?.toString()).toMatch(/^POST \/v1\/chat\/completions [^{]*\r\nx-key: a\r\n\r\n\{/);
  });
});

const cell: Cell = { isStream: false, bodyBytes: 2_048, connections: 16, ratePerSecond: 0 };

/** 1 ms more than `ms` for each of 100 answers: p50 is that of index 49, p99 that of index 98. */
function measure(ms: number, overrides: Partial<Measure> = {}): Measure {
  const latenciesMs = Float64Array.from({ length: 100 }, (_, index) => ms + index);
  const load = { latenciesMs, firstBytesMs: latenciesMs, measuredMs: 500, failures: { reset: 2 } };
  return { ...measureOf(cell, { ...load, loadCpuMs: 100 }, 20), ...overrides };
}

function round(name: string, ms: number, overrides?: Partial<Measure>) {
  const measures = [measure(ms, overrides)];
  return { name, startMs: ms * 100, rssStartBytes: 1e6, rssEndBytes: ms * 1e6, measures };
}

describe("measures", () => {
  it("count requests, CPU and failures of a load", () => {
    expect(measure(1)).toMatchObject({
      requestsPerSecond: 200, // 100 / 0.5 s
      p50Ms: 50,
      p99Ms: 99,
      cpuUsPerRequest: 200, // 20 ms / 100
      failed: 2,
      loadBusy: 0.2, // 100 ms / 500 ms
    });
  });

  const rounds = [
    [round("straight", 1), round("gateway", 3)],
    [round("straight", 2), round("gateway", 9)],
    [round("straight", 3), round("gateway", 6)],
  ];

  it("are medians, and what is added is the median of paired differences", () => {
    const [straight, gateway] = summariesOf(rounds);
    expect(straight).toMatchObject({ name: "straight", p50Ms: 51, addedP50Ms: 0, failed: 6 });
    // 2, 7 and 3 more than the straight way of its round; p50 of 3, 9, 6 is 6 + 49.
    expect(gateway).toMatchObject({ name: "gateway", p50Ms: 55, addedP50Ms: 3, addedP99Ms: 3 });
  });

  it("are tables with a note where the load may be the limit", () => {
    const busy = [[round("straight", 1), round("gateway", 3, { loadBusy: 0.95 })]];
    const footprints = footprintsOf(busy, new Map([["gateway", 7e6]]));
    const text = markdownOf({ summaries: summariesOf(busy), footprints });
    expect(text).toContain("| plain | 2 KB | 16 | gateway | 200 | 52.00 |");
    expect(text).toContain("| gateway | 0.30 | 1 | 3 | 7 |");
    expect(text).toContain("95 % of a core against gateway");
  });
});

describe("contestants", () => {
  it("that are not there come with a way to get them", () => {
    const known = knownContestants({
      pointsman: ["pointsman"],
      picker: [],
      portkeyFolder: "/nowhere/portkey",
      sglangFolder: "/nowhere/sglang",
      envoy: { missing: "build one" },
    });
    const missing = Object.fromEntries(known.map(({ name, missing: hint }) => [name, hint]));
    expect(missing["straight"]).toBeUndefined();
    expect(missing["gateway"]).toBeUndefined();
    expect(missing["envoy"]).toBe("build one");
    expect(missing["portkey"]).toContain("npm install --prefix /nowhere/portkey");
    expect(missing["sglang-router"]).toContain("--target /nowhere/sglang sglang-router==0.3.2");
  });

  it.each([
    { picker: [], missing: "--picker CMD names it" },
    { picker: ["/opt/epp", "--pool-name", "epp"], missing: undefined },
  ])(
    "with the picker $picker, the one behind Envoy is missing: $missing",
    ({ picker, missing }) => {
      const places = {
        pointsman: ["pointsman"],
        portkeyFolder: "/nowhere",
        sglangFolder: "/nowhere",
      };
      const known = knownContestants({ ...places, picker, envoy: { path: "/somewhere/envoy" } });
      expect(known.find(({ name }) => name === "envoy-epp")?.missing).toBe(missing);
    },
  );

  it.each(["name", "=x PORT", "name=", "name=cmd"])("refuse the command line %j", (text) => {
    expect(() => contestantIn(text)).toThrow("--contestant");
  });
});
