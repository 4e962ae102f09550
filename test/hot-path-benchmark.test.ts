import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { frameOf, frameTypes, uint32 } from "../loadtest/fuzz-http/http2-frames.ts";
import { cellIn, cellNames, groupsOf } from "../loadtest/hot-path/cells.ts";
import { contestantIn, documentsIn } from "../loadtest/hot-path/contestants.ts";
import { loopDelayMsIn } from "../loadtest/hot-path/entrant.ts";
import { type ControlFrame, FrameReader } from "../loadtest/hot-path/frame-reader.ts";
import {
  type Measure,
  measureOf,
  medianIn,
  ratioOf,
  spreadOf,
} from "../loadtest/hot-path/measures.ts";
import { answerKinds, MessageReader } from "../loadtest/hot-path/message-reader.ts";
import {
  PreparedRequest,
  preparedAnswer,
  preparedRequests,
} from "../loadtest/hot-path/messages.ts";
import { slopeOf } from "../loadtest/hot-path/soak.ts";
import { markdownOf, textOf } from "../loadtest/hot-path/table.ts";
import { pickerAnswers as answers } from "./support/picker-answers.ts";

const cuts = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 12 });

/** The bytes in pieces of these lengths, in turn. */
function piecesOf(bytes: Buffer, lengths: readonly number[]): readonly Buffer[] {
  const pieces: Buffer[] = [];
  for (let from = 0; from < bytes.length;) {
    const length = lengths[pieces.length % lengths.length] ?? bytes.length;
    pieces.push(bytes.subarray(from, from + length));
    from += length;
  }
  return pieces;
}

const ignore = () => undefined;

describe("the reader of frames", () => {
  const frames = Buffer.concat([
    frameOf(frameTypes.settings, 0, 0, Buffer.from([0, 4, 0, 1, 0, 0])),
    frameOf(frameTypes.data, 0, 1, Buffer.from("hello")),
    frameOf(frameTypes.data, 1, 3, Buffer.alloc(0)),
    frameOf(frameTypes.windowUpdate, 0, 1, uint32(7)),
    frameOf(frameTypes.data, 1, 1, Buffer.from(" world")),
  ]);

  it("finds frames, and the end of streams, wherever they are cut", () => {
    fc.assert(
      fc.property(cuts, (lengths) => {
        const texts = new Map<number, string>();
        const ends: (readonly [number, number, boolean])[] = [];
        const controls: ControlFrame[] = [];
        const reader = new FrameReader({
          data: (stream, piece) => {
            texts.set(stream, `${texts.get(stream) ?? ""}${piece.toString()}`);
          },
          dataEnd: (...end) => void ends.push(end),
          control: (frame) => void controls.push(frame),
        });
        for (const piece of piecesOf(frames, lengths)) reader.push(piece);
        expect(texts).toEqual(new Map([[1, "hello world"]]));
        expect(ends).toEqual([
          [1, 5, false],
          [3, 0, true],
          [1, 6, true],
        ]);
        expect(controls).toEqual([
          { type: 4, flags: 0, stream: 0, payload: Buffer.from([0, 4, 0, 1, 0, 0]) },
          { type: 8, flags: 0, stream: 1, payload: Buffer.from([0, 0, 0, 7]) },
        ]);
      }),
    );
  });

  it.each([
    ["padded DATA", frameOf(frameTypes.data, 8, 1, Buffer.from([0])), "pads"],
    ["a frame without a bound", frameOf(1, 0, 1, Buffer.alloc(16_385)), "16385 bytes"],
  ])("refuses %s", (_, bytes, text) => {
    const reader = new FrameReader({ data: ignore, dataEnd: ignore, control: ignore });
    expect(() => reader.push(bytes)).toThrow(text);
  });
});

describe("the reader of messages", () => {
  it("finds kinds and ends of bodies, wherever they are cut", () => {
    const bytes = Buffer.concat([
      answers.requestHeaders,
      Buffer.alloc(5),
      answers.requestPiece,
      answers.requestBody,
      answers.responseBody,
      answers.backwards,
      answers.withMetadata,
    ]);
    fc.assert(
      fc.property(cuts, (lengths) => {
        const found: (readonly [number, boolean])[] = [];
        const reader = new MessageReader((...message) => void found.push(message));
        for (const piece of piecesOf(bytes, lengths)) reader.push(piece);
        expect(found).toEqual([
          [answerKinds.requestHeaders, false],
          [0, false],
          [answerKinds.requestBody, false],
          [answerKinds.requestBody, true],
          [answerKinds.responseBody, true],
          [answerKinds.requestBody, true],
          [answerKinds.requestHeaders, false],
        ]);
      }),
    );
  });

  it("finds the status of a refusal, wherever it is cut", () => {
    fc.assert(
      fc.property(cuts, (lengths) => {
        const reader = new MessageReader(() => undefined);
        for (const piece of piecesOf(answers.refusal, lengths)) reader.push(piece);
        expect(reader.status).toBe(503);
      }),
    );
  });
});

describe("prepared requests", () => {
  it("have their number in the id and in the last quarter of the prompt, and nowhere else", () => {
    const request = new PreparedRequest(2_048, 3, false);
    const before = Buffer.concat(request.messages);
    request.number(70);
    const after = Buffer.concat(request.messages);
    const changed = [...after.keys()].filter((at) => after[at] !== before[at]);
    // 000000000003 to 000000000070, in two places.
    expect(changed).toHaveLength(4);
    expect(after.toString("latin1")).toContain("r-000000000070");
    const body = after.indexOf('{"model"');
    expect(((changed.at(-1) ?? 0) - body) / 2_048).toBeGreaterThan(0.75);
  });

  it.each([
    [2_048, 256],
    [1_048_576, 64],
    [20_971_520, 3],
  ])("of %d bytes are %d", (bodyBytes, count) => {
    expect(preparedRequests(bodyBytes, false)).toHaveLength(count);
  });

  it("refuse a body that is too small for their number", () => {
    expect(() => new PreparedRequest(8, 0, false)).toThrow("no place");
  });

  it.each([
    [0, 1],
    [5, 5],
  ])("are answered in %d events by %d messages", (chunks, pieces) => {
    expect(preparedAnswer(chunks).pieces).toHaveLength(pieces);
  });
});

describe("cells", () => {
  it.each(cellNames)("has the cell %s", (name) => {
    expect(cellIn(name).name).toBe(name);
  });

  it.each([
    ["small", { endpoints: 8, streams: 32, bodyBytes: 2_048, arrivals: { kind: "closed" } }],
    ["endpoints=16", { endpoints: 16, streams: 32 }],
    ["pool-256,rate=70%own,scrape=5", { endpoints: 256, scrapeMs: 5 }],
    ["rate=70%own", { arrivals: { kind: "share", percent: 70, of: "own" } }],
    ["small-500,rate=70%", { arrivals: { kind: "share", percent: 70, of: "reference" } }],
    ["small-500,rate=0", { arrivals: { kind: "closed" } }],
    ["tls-short", { tls: "short" }],
    ["body=4096,beside=100000", { bodyBytes: 4_096, besideBytes: 100_000 }],
  ])("are written as %s", (text, cell) => {
    expect(cellIn(text)).toMatchObject({ name: text, ...cell });
  });

  it.each([
    "nothing",
    "small,colour=1",
    "endpoints=0",
    "endpoints=2000",
    "rate=x",
    "tls=maybe",
    "",
  ])("are not written as %j", (text) => {
    expect(() => cellIn(text)).toThrow("--cell");
  });

  it("share a start if pool and security are the same", () => {
    const groups = groupsOf(["small", "tls", "pool-64", "one", "tls-short"].map(cellIn));
    expect(groups.map((group) => group.map(({ name }) => name))).toEqual([
      ["small", "one"],
      ["tls", "tls-short"],
      ["pool-64"],
    ]);
  });
});

function measure(overrides: Partial<Measure>): Measure {
  const result = {
    ...{ measuredMs: 500, picksMs: Float64Array.from({ length: 100 }, (_, index) => index + 1) },
    ...{ piecesMs: new Float64Array(), refusalsMs: Float64Array.of(4), answered: 100, aborted: 0 },
    ...{ refusals: { 503: 1 }, failures: { reset: 2 }, lateMs: 1, loadCpuMs: 100 },
  };
  const scrapesMs = Float64Array.of(7);
  const server = { cpuMs: 20, rssBytes: 100e6, loopDelayP99Ms: 3, scrapesMs };
  return { ...measureOf(result, server), ...overrides };
}

describe("measures", () => {
  it("count requests, CPU, refusals and failures of a load", () => {
    expect(measure({})).toMatchObject({
      requestsPerSecond: 200, // 100 / 0.5 s
      p50Ms: 50,
      p99Ms: 99,
      p999Ms: 99,
      maxMs: 100,
      cpuUsPerRequest: 200, // 20 ms / 100
      refusedPerSecond: 2, // 1 / 0.5 s
      refusalP99Ms: 4,
      scrapeP99Ms: 7,
      failed: 2,
      loadBusy: 0.2, // 100 ms / 500 ms
    });
  });

  const reference = { name: "peer", rounds: [2, 4, 8].map((p50Ms) => measure({ p50Ms })) };
  const row = { name: "here", rounds: [1, 1, 8].map((p50Ms) => measure({ p50Ms })) };

  it("are medians with the largest distance from them, and medians of paired ratios", () => {
    expect(spreadOf([2, 4, 8])).toEqual({ median: 4, spread: 1 }); // 8 is 4 from 4
    expect(medianIn(row, "p50Ms")).toBe(1);
    expect(ratioOf(row, reference, "p50Ms")).toBe(0.5); // 1/2, 1/4, 8/8
  });

  it("are tables with ratios to the first, and notes", () => {
    const busy = { name: "here", rounds: [measure({ loadBusy: 0.95 })] };
    const cells = [{ cell: cellIn("small,beside=1000"), rows: [reference, busy] }];
    expect(markdownOf(cells)).toContain("| small,beside=1000 | here | 200 ±0 % | 1.00 |");
    expect(textOf(cells)).toContain("95 % of a core against here at small,beside=1000");
    expect(textOf(cells)).toContain("here at small,beside=1000: 2 requests/s refused, p99 4.00 ms");
    expect(textOf(cells)).toContain("the slowest pick took 100.00 ms");
  });

  it.each([
    ["nodejs_eventloop_lag_p99_seconds 0.014\n", 4], // measured each 10 ms
    ["go_goroutines 8\n", Number.NaN],
  ])("find the delay of the event loop in %j", (text, delayMs) => {
    expect(Math.round(loopDelayMsIn(text))).toBe(delayMs);
  });
});

describe("a long run", () => {
  it("finds the bytes an hour that memory grows by, whatever the noise", () => {
    // 1 MB in 10 s; 5 more and less do not lean to a side.
    const looks = [5e6, -5e6, -5e6, 5e6].map((noise, index) => ({
      atMs: index * 10_000,
      rssBytes: 200e6 + index * 1e6 + noise,
    }));
    expect(slopeOf(looks) / 1e6).toBeCloseTo(360); // 1 MB / 10 s * 3,600 s
  });
});

describe("contestants", () => {
  const none = documentsIn([]);

  it("are this checkout with the default policy, or a command with the peer's scorers", () => {
    const here = contestantIn("here", none);
    expect(here).toMatchObject({ name: "here", isCompiled: false });
    expect(here.document).not.toContain("scorer");
    const other = contestantIn("other=sh -c true", none);
    expect(other).toMatchObject({ command: ["sh", "-c", "true"], isCompiled: true });
    expect(other.document).toContain("prefix-cache-scorer");
  });

  it("have the document that is chosen for them", () => {
    const documents = documentsIn(["here=peer"]);
    expect(contestantIn("here", documents).document).toContain("prefix-cache-scorer");
  });

  it.each([
    ["peer=/nowhere/epp --pool-name epp", "--contestant peer: there is no program /nowhere/epp"],
    ["peer=no-such-program", "there is no program no-such-program"],
    ["peer=", "want NAME=COMMAND"],
    ["=x", "want NAME=COMMAND"],
    ["a b=x", "want NAME=COMMAND"],
  ])("refuse %j", (text, message) => {
    expect(() => contestantIn(text, none)).toThrow(message);
  });

  it.each([["here"], ["=x"]])("refuse the document %j", (text) => {
    expect(() => documentsIn([text])).toThrow("--document");
  });

  it("refuse a document that is not there", () => {
    const documents = documentsIn(["here=/nowhere/document.yaml"]);
    expect(() => contestantIn("here", documents)).toThrow("no file /nowhere/document.yaml");
  });
});
