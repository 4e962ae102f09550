import { describe, expect, it } from "vitest";
import type { AnswerReader } from "../core/answer-reader.ts";
import type { Decision } from "../core/decision.ts";
import type { EndedBy, RequestEnd, RequestRecord } from "../core/request-record.ts";
import type { RequestHead } from "../core/request.ts";
import type { ParseResult } from "../core/parse-result.ts";
import { aContext, aDecision, aLoad, anEndpoint, aRequest } from "#test/support/builders.ts";
import { Exchange, type ResponseHeadSeen, type Routing, type Stages } from "./pipeline.ts";

const head: RequestHead = {
  id: "r-1",
  method: "POST",
  path: "/v1/chat/completions",
  headers: new Map(),
  subset: undefined,
};

type Parsed = Extract<ParseResult, { kind: "parsed" }>;

const parsedAs = (parts: Partial<Parsed>): Parsed => ({
  kind: "parsed",
  request: aRequest(),
  withModel: undefined,
  unread: undefined,
  ...parts,
});

/** A body that was compressed, with another model. */
const bodyOf = (model: string) => ({
  body: Buffer.from(model),
  removedHeaders: ["content-encoding"],
});

interface Overrides extends Partial<Stages> {
  readonly routed?: Partial<Routing>;
}

function aPipeline({ routed = {}, ...overrides }: Overrides = {}) {
  const records: RequestRecord[] = [];
  const failures: unknown[] = [];
  let nowMs = 0;
  let openTickets = 0;
  let startedTickets = 0;
  const routing: Routing = {
    bodyUse: () => "required",
    usesModel: () => true,
    parse: (_head, body) => parsedAs({ withModel: typeof body === "string" ? undefined : bodyOf }),
    priorityOf: () => 0,
    targetModelOf: (_head, model) => model,
    admit: () => undefined,
    schedule: (request, pool) => ({
      kind: "routed",
      decision: aDecision(),
      context: aContext({ request, ...pool }),
    }),
    sent: () => [],
    ...routed,
  };
  const ticket = () => {
    openTickets += 1;
    let isOpen = true;
    return {
      release: () => {
        if (isOpen) openTickets -= 1;
        isOpen = false;
      },
    };
  };
  const stages: Stages = {
    nowMs: () => nowMs,
    routing: () => routing,
    endpoints: () => [anEndpoint()],
    load: () => aLoad([{}]),
    restoreName: () => undefined,
    modelsOf: () => undefined,
    wellOf: (candidates) => candidates,
    sendHelper: () => ticket(),
    send: () => {
      const { release } = ticket();
      return [{ firstToken: () => void (startedTickets += 1), ended: release }];
    },
    endpointAt: () => undefined,
    readAnswer: () => {
      let bytes = 0;
      return {
        push: (chunk) => void (bytes += chunk.length),
        end: () => undefined,
        isEventStream: true,
        isComplete: false,
        failure: undefined,
        get hasBegun() {
          return bytes > 0;
        },
        get usage() {
          return { promptTokens: 1, outputTokens: bytes, cachedTokens: undefined };
        },
      };
    },
    observer: {
      routed: () => undefined,
      ended: (record) => void records.push(record),
      failed: (_head, cause) => void failures.push(cause),
    },
    ...overrides,
  };
  return {
    stages,
    exchange: new Exchange(head, stages),
    records,
    failures,
    openTickets: () => openTickets,
    startedTickets: () => startedTickets,
    pass: (ms: number) => void (nowMs += ms),
  };
}

const okHead = {
  httpStatus: 200,
  headers: new Map(),
  servedBy: undefined,
  showsBody: true,
  showsWholeBody: true,
};

describe("a request's life", () => {
  it("is counted in flight from the decision to the end, and told once", () => {
    const { exchange, records, openTickets, startedTickets, pass } = aPipeline();
    expect(exchange.decide(new Uint8Array(0)).kind).toBe("routed");
    expect(openTickets()).toBe(1);
    pass(100);
    exchange.responseHead({ ...okHead, servedBy: "10.0.0.1:8000" });
    pass(20);
    expect(startedTickets()).toBe(0);
    exchange.responseChunk(Buffer.from("abc"), false);
    expect(startedTickets()).toBe(1);
    pass(30);
    exchange.responseChunk(Buffer.from("d"), false);
    exchange.responseChunk(new Uint8Array(0), true);
    exchange.end("complete");
    exchange.end("aborted");
    expect([openTickets(), startedTickets()]).toEqual([0, 1]);
    expect(records).toHaveLength(1);
    expect(records[0]).toMatchObject({
      end: "complete",
      httpStatus: 200,
      servedBy: "10.0.0.1:8000",
      responseBytes: 4,
      responseChunks: 2,
      startedMs: 0,
      responseHeadMs: 100,
      firstTokenMs: 120,
      lastChunkMs: 150,
      endedMs: 150,
      usage: { promptTokens: 1, outputTokens: 4 },
    });
  });

  it("asks the scheduler for nothing when the request cannot be read", () => {
    const refusal = { code: "malformed_request", message: "`model` is missing" } as const;
    const { exchange, records, openTickets } = aPipeline({
      routed: {
        parse: () => ({ kind: "refused", refusal }),
        schedule: () => {
          throw new Error("scheduled all the same");
        },
      },
    });
    expect(exchange.decide("not_shown")).toEqual({ kind: "refused", refusal });
    exchange.end("refused");
    expect(openTickets()).toBe(0);
    expect(records[0]).toMatchObject({ refusal, decision: undefined, schedulingMs: undefined });
  });

  it("turns a defect of a stage into a 500 that is reported, and goes on", () => {
    const { exchange, failures } = aPipeline({
      routed: {
        schedule: () => {
          throw new Error("a plugin broke");
        },
      },
    });
    expect(exchange.decide("not_shown")).toMatchObject({
      kind: "refused",
      refusal: { code: "internal" },
    });
    expect(failures).toHaveLength(1);
  });

  it("may end before it was decided", () => {
    const { exchange, records } = aPipeline();
    exchange.end("aborted");
    expect(records[0]).toMatchObject({ end: "aborted", request: undefined });
  });

  it("carries the ingress's own refusal", () => {
    const { exchange, records } = aPipeline();
    expect(exchange.refuse("body_too_large", "too large")).toMatchObject({ kind: "refused" });
    exchange.end("refused");
    expect(records[0]?.refusal?.code).toBe("body_too_large");
  });
});

describe("a request whose model is rewritten", () => {
  const rewriting = { routed: { targetModelOf: () => "target" } };

  it("goes out with the target in its body and is scheduled for it", () => {
    const scheduled: string[] = [];
    const { exchange } = aPipeline({
      routed: {
        ...rewriting.routed,
        schedule: (request, pool) => {
          scheduled.push(`${request.model} as ${request.targetModel}`);
          return { kind: "routed", decision: aDecision(), context: aContext({ request, ...pool }) };
        },
      },
    });
    expect(exchange.decide(Buffer.from("{}"))).toMatchObject({
      body: Buffer.from("target"),
      headersRemoved: ["content-encoding"],
    });
    expect(scheduled).toEqual(["llama as target"]);
  });

  it("has its body left alone where nobody shows it", () => {
    const { exchange } = aPipeline(rewriting);
    expect(exchange.decide("not_shown")).toMatchObject({ kind: "routed", body: undefined });
  });

  it("gets the client's name back, with what is held back at the end", () => {
    const asked: unknown[] = [];
    const { exchange } = aPipeline({
      ...rewriting,
      restoreName: (_headers, names) => {
        asked.push(names);
        return { push: (chunk) => chunk.subarray(1), end: () => Buffer.from("!") };
      },
    });
    exchange.decide(Buffer.from("{}"));
    expect(exchange.responseHead(okHead)).toEqual({ set: [], changesLength: true });
    expect(asked).toEqual([{ target: "target", client: "llama" }]);
    expect(exchange.responseChunk(Buffer.from("ab"), false)).toEqual(Buffer.from("b"));
    expect(exchange.responseChunk(Buffer.from("cd"), true)).toEqual(Buffer.from("d!"));
  });

  it("asks for an answer that is not compressed, and says so where it is", () => {
    const { exchange, records } = aPipeline({ ...rewriting, restoreName: () => "compressed" });
    expect(exchange.decide(Buffer.from("{}"))).toMatchObject({ wantsPlainAnswer: true });
    expect(exchange.responseHead(okHead).changesLength).toBe(false);
    expect(exchange.responseChunk(Buffer.from("a"), true)).toBeUndefined();
    exchange.end("complete");
    expect(records[0]?.keepsTargetName).toBe(true);
  });

  it("is not touched in a response nobody shows", () => {
    const { exchange } = aPipeline({
      ...rewriting,
      restoreName: () => {
        throw new Error("asked all the same");
      },
    });
    exchange.decide(Buffer.from("{}"));
    expect(exchange.responseHead({ ...okHead, showsBody: false }).changesLength).toBe(false);
  });

  it("keeps its body where the API is not understood", () => {
    const request = aRequest({ dialect: "passthrough", model: "", targetModel: "" });
    const { exchange } = aPipeline({
      routed: { ...rewriting.routed, parse: () => parsedAs({ request }) },
    });
    expect(exchange.decide(Buffer.from("{}"))).toMatchObject({ kind: "routed", body: undefined });
  });
});

describe("what an answer turns out to be", () => {
  const listed = [
    anEndpoint({ slot: 1 }),
    anEndpoint({ slot: 2 }),
    anEndpoint({ slot: 3 }),
  ] as const;
  const stranger = anEndpoint({ slot: 9 });
  const destination = listed.map(({ hostPort }) => hostPort).join(",");

  /** An exchange that was answered, with all that its follower was told. */
  function answered({
    servedBy,
    reading = {},
    decision = aDecision({ endpoints: listed, destination }),
    ...seen
  }: Partial<ResponseHeadSeen> & {
    readonly reading?: Partial<AnswerReader>;
    readonly decision?: Decision;
  } = {}) {
    const heads: unknown[] = [];
    const silent: AnswerReader = {
      push: () => undefined,
      end: () => undefined,
      usage: undefined,
      isEventStream: true,
      hasBegun: false,
      isComplete: false,
      failure: undefined,
    };
    // Getters stay getters.
    const reader = Object.defineProperties(silent, Object.getOwnPropertyDescriptors(reading));
    const pipeline = aPipeline({
      endpointAt: (hostPort) => (hostPort === stranger.hostPort ? stranger : undefined),
      readAnswer: () => reader,
      routed: {
        schedule: (request, pool) => ({
          kind: "routed",
          decision,
          context: aContext({ request, ...pool }),
        }),
        sent: () => [
          {
            responseHead: (told) => void heads.push(told),
            firstToken: (atMs) => void heads.push(`first token at ${atMs}`),
          },
        ],
      },
    });
    pipeline.exchange.decide("not_shown");
    pipeline.exchange.responseHead({ ...okHead, servedBy, ...seen });
    return { ...pipeline, reader, heads };
  }

  it.each([
    ["not at all", undefined, { served: undefined, failedBefore: [] }],
    ["the first", listed[0].hostPort, { served: listed[0], failedBefore: [] }],
    ["the second", listed[1].hostPort, { served: listed[1], failedBefore: [listed[0]] }],
    ["the last", listed[2].hostPort, { served: listed[2], failedBefore: [listed[0], listed[1]] }],
    // A proxy that does not know the endpoints of the list has not tried them.
    ["another of the pool", stranger.hostPort, { served: stranger, failedBefore: [] }],
    ["a host that is not of the pool", "10.9.9.9:1", { served: undefined, failedBefore: [] }],
  ])("tells on those before the one that served: %s", (_, servedBy, { served, failedBefore }) => {
    const { exchange, records, heads } = answered({ servedBy });
    expect(heads).toEqual([
      { httpStatus: 200, servedBy, served, failedBefore, isEventStream: true },
    ]);
    exchange.end("complete");
    expect(records[0]?.failedBefore).toEqual(failedBefore);
  });

  it("knows the rank that was meant where several are reached at one address", () => {
    const hostPort = "10.0.0.1:8000";
    const decision = aDecision({ endpoints: listed, destination: `${hostPort},${hostPort}` });
    const { heads } = answered({ decision, servedBy: hostPort });
    expect(heads).toMatchObject([{ served: listed[0], failedBefore: [] }]);
  });

  it("tells the first token when it is there, and not the first byte", () => {
    const reading = { hasBegun: false };
    const { exchange, records, heads, pass } = answered({
      reading: Object.defineProperty({}, "hasBegun", {
        get: () => reading.hasBegun,
        enumerable: true,
      }),
    });
    heads.length = 0;
    pass(5);
    exchange.responseChunk(Buffer.from("role"), false);
    expect(heads).toEqual([]);
    pass(595);
    reading.hasBegun = true;
    exchange.responseChunk(Buffer.from("token"), false);
    exchange.responseChunk(Buffer.from("token"), true);
    exchange.end("complete");
    expect(heads).toEqual(["first token at 600"]);
    expect(records[0]).toMatchObject({ firstTokenMs: 600, startedMs: 0 });
  });

  const boom = { code: "answer_error_server", blame: "engine" } as const;
  const cut = { code: "answer_truncated", blame: "engine" } as const;
  const failed = { failure: boom, isComplete: true };

  it.each<[string, Partial<AnswerReader>, { end: [RequestEnd, EndedBy?]; told: object }]>([
    ["goes well", {}, { end: ["complete"], told: { end: "complete", failure: undefined } }],
    ["tells an error", failed, { end: ["complete"], told: { end: "complete", failure: boom } }],
    ["is left after an error", failed, { end: ["aborted"], told: { end: "complete" } }],
    [
      "is left after its marker",
      { isComplete: true },
      { end: ["aborted"], told: { end: "complete" } },
    ],
    [
      "is left before its marker",
      {},
      { end: ["aborted", "client"], told: { end: "aborted", endedBy: "client" } },
    ],
    ["is cut by us", {}, { end: ["aborted", "drain"], told: { end: "aborted", endedBy: "drain" } }],
    ["breaks off", {}, { end: ["aborted"], told: { end: "aborted", endedBy: "unknown" } }],
    [
      "ends before its marker",
      { failure: cut },
      { end: ["complete"], told: { end: "aborted", endedBy: "engine", failure: cut } },
    ],
  ])("says how it ended: an answer that %s", (_, reading, { end, told }) => {
    const { exchange, records } = answered({ reading });
    exchange.responseChunk(Buffer.from("x"), false);
    exchange.end(...end);
    expect(records).toMatchObject([{ endedBy: undefined, ...told }]);
  });

  it("takes the status for the failure where it tells one", () => {
    const { exchange, records } = answered({ httpStatus: 503, reading: { failure: boom } });
    exchange.end("complete");
    expect(records[0]?.failure).toEqual({ code: "upstream_503", blame: "engine" });
  });

  it("takes 101 for success, and the close of what follows for its end", () => {
    const { exchange, records } = answered({ httpStatus: 101 });
    exchange.responseChunk(Buffer.from("frame"), false);
    exchange.end("aborted", "unknown");
    expect(records[0]).toMatchObject({ end: "complete", failure: undefined });
  });

  it("does not take an error that an answer to GET tells of a stored object for one", () => {
    const records: RequestRecord[] = [];
    const { stages } = aPipeline({ readAnswer: () => ({ ...answered().reader, failure: boom }) });
    const observer = {
      ...stages.observer,
      ended: (record: RequestRecord) => void records.push(record),
    };
    const exchange = new Exchange({ ...head, method: "GET" }, { ...stages, observer });
    exchange.decide("not_shown");
    exchange.responseHead(okHead);
    exchange.end("complete");
    expect(records[0]?.failure).toBeUndefined();
  });
});

describe("a body whose model is not known", () => {
  it.each([
    { usesModel: true, unread: "encoding" },
    { usesModel: false, unread: undefined },
  ])("is recorded where something goes by the model: $usesModel", ({ usesModel, unread }) => {
    const { exchange, records } = aPipeline({
      routed: { usesModel: () => usesModel, parse: () => parsedAs({ unread: "encoding" }) },
    });
    expect(exchange.decide("not_shown")).toMatchObject({ body: undefined, headersRemoved: [] });
    exchange.end("complete");
    expect(records[0]?.unread).toBe(unread);
  });
});

describe("what plugins do after the decision", () => {
  it("begins before the request leaves and follows it to its end, each step once", () => {
    const steps: string[] = [];
    const { exchange } = aPipeline({
      routed: {
        sent: () => {
          steps.push("sent");
          return [
            {
              responseHead: ({ httpStatus }) => {
                steps.push(`head ${httpStatus}`);
                return [["x-a", "1"]];
              },
              firstToken: () => void steps.push("first token"),
              ended: ({ end }) => void steps.push(`ended ${end}`),
            },
          ];
        },
      },
    });
    exchange.decide("not_shown");
    expect(exchange.responseHead(okHead)).toEqual({ set: [["x-a", "1"]], changesLength: false });
    exchange.responseChunk(Buffer.from("a"), false);
    exchange.responseChunk(Buffer.from("b"), true);
    exchange.end("complete");
    exchange.end("complete");
    expect(steps).toEqual(["sent", "head 200", "first token", "ended complete"]);
  });

  it("counts helpers in flight until the answer begins", () => {
    const { exchange, openTickets } = aPipeline({
      routed: {
        schedule: (request, pool) => ({
          kind: "routed",
          decision: aDecision({ helpers: [anEndpoint({ slot: 1 })] }),
          context: aContext({ request, ...pool }),
        }),
      },
    });
    exchange.decide("not_shown");
    expect(openTickets()).toBe(2);
    exchange.responseHead(okHead);
    exchange.responseChunk(Buffer.from("a"), false);
    expect(openTickets()).toBe(1);
    exchange.end("aborted");
    expect(openTickets()).toBe(0);
  });
});

describe("admission", () => {
  it("refuses before anything is scheduled", () => {
    const refusal = { code: "saturated", message: "full" } as const;
    const { exchange, openTickets } = aPipeline({ routed: { admit: () => refusal } });
    expect(exchange.decide("not_shown")).toEqual({ kind: "refused", refusal });
    expect(openTickets()).toBe(0);
  });

  it("is not asked about an empty pool, which is not a full one", () => {
    const { exchange } = aPipeline({
      endpoints: () => [],
      routed: {
        admit: () => {
          throw new Error("asked all the same");
        },
      },
    });
    expect(exchange.decide("not_shown").kind).toBe("routed");
  });
});
