import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import type { Decision } from "../core/decision.ts";
import type { Endpoint } from "../core/endpoint.ts";
import type { EndedBy, RequestEnd, RequestRecord } from "../core/request-record.ts";
import type { HeaderPair, RequestHead } from "../core/request.ts";
import type { SeenBody } from "../core/parse-result.ts";
import { BytePieces } from "../std/byte-pieces.ts";
import { aDecision, anEndpoint, aRequest, aTarget } from "#test/support/builders.ts";
import { aSnapshot } from "#test/support/snapshots.ts";
import { decidedAtOnce } from "#test/support/exchanges.ts";
import {
  parsedAs,
  scheduledAs,
  type Script,
  ScriptedRouting,
} from "#test/support/scripted-routing.ts";
import type { Refusal } from "../core/errors.ts";
import type { ResponseHeadSeen } from "./answer.ts";
import type { Exchange } from "./exchange.ts";
import { Pipeline } from "./pipeline.ts";
import type { PoolView } from "./pool-view.ts";

const head: RequestHead = {
  id: "r-1",
  method: "POST",
  path: "/v1/chat/completions",
  headers: new Map(),
  subset: undefined,
};

/** Unix time at 0 of the test's clock. */
const startWallMs = 1_700_000_000_000;

interface Overrides extends Script {
  readonly pool?: Partial<PoolView>;
  readonly head?: RequestHead;
}

function aPipeline({ pool = {}, head: ownHead = head, ...script }: Overrides = {}) {
  const records: RequestRecord[] = [];
  const failures: unknown[] = [];
  const routed: Decision[] = [];
  let nowMs = 0;
  let openTickets = 0;
  let startedTickets = 0;
  const poolNow = () => aSnapshot({ endpoints: [anEndpoint()], nowMs });
  const routing = new ScriptedRouting({ poolNow, ...script });
  const pipeline = new Pipeline({
    clock: { nowMs: () => nowMs, wallMs: () => startWallMs + nowMs },
    routing: () => routing,
    pool: {
      snapshot: (atMs) => aSnapshot({ endpoints: [anEndpoint()], nowMs: atMs }),
      send: () => {
        openTickets += 1;
        return [
          { firstToken: () => void (startedTickets += 1), ended: () => void (openTickets -= 1) },
        ];
      },
      current: (endpoint) => endpoint,
      endpointAt: () => undefined,
      ...pool,
    },
    followers: [
      {
        routed: (_, decision) => void routed.push(decision),
        ended: (record) => void records.push(record),
        failed: (_head, cause) => void failures.push(cause),
      },
    ],
  });
  const exchange = pipeline.begin(ownHead, true);
  return {
    pipeline,
    exchange,
    decide: (body: SeenBody = "not_shown") => decidedAtOnce(exchange.decide(body)),
    records,
    failures,
    routed,
    openTickets: () => openTickets,
    startedTickets: () => startedTickets,
    pass: (ms: number) => void (nowMs += ms),
  };
}

const eventStream = [["content-type", "text/event-stream"]] as const;
const okHead: ResponseHeadSeen = {
  httpStatus: 200,
  headers: new Map(eventStream),
  servedBy: undefined,
  showsBody: true,
  showsWholeBody: true,
};

const event = (data: object) => `data: ${JSON.stringify(data)}\n\n`;
const role = event({ choices: [{ index: 0, delta: { role: "assistant" } }] });
const token = event({ choices: [{ index: 0, delta: { content: "a" } }] });
const usage = event({ choices: [], usage: { prompt_tokens: 1, completion_tokens: 4 } });
const done = "data: [DONE]\n\n";

/** A request whose body is read until `finish` is called. */
function aSlowReader() {
  const body = BytePieces.of(Buffer.from("{}"));
  const read = Promise.withResolvers<BytePieces>();
  const asked: (() => boolean)[] = [];
  const parsed: SeenBody[] = [];
  const made = aPipeline({
    readAhead: (_head, _body, isWanted) => {
      asked.push(isWanted);
      return read.promise;
    },
    parse: (_head, seen) => {
      parsed.push(seen);
      return parsedAs({});
    },
  });
  const outcome = Promise.resolve(made.exchange.decide(body));
  const isWanted = () => asked.every((ask) => ask());
  return { ...made, body, outcome, parsed, isWanted, finish: () => read.resolve(body) };
}

describe("a request whose body is read ahead", () => {
  it("is decided once the body is read, on that body", async () => {
    const { outcome, parsed, body, openTickets, isWanted, finish } = aSlowReader();
    expect([parsed, openTickets(), isWanted()]).toEqual([[], 0, true]);
    finish();
    expect((await outcome).kind).toBe("routed");
    expect([parsed[0] === body, parsed.length, openTickets()]).toEqual([true, 1, 1]);
  });

  it.each<[string, (exchange: Exchange) => void]>([
    ["it has ended", (exchange) => exchange.end("aborted", "client")],
    ["another filter has answered it", (exchange) => void exchange.responseHead(okHead)],
  ])("is not decided if %s meanwhile", async (_, happens) => {
    const { exchange, outcome, parsed, openTickets, isWanted, finish } = aSlowReader();
    happens(exchange);
    expect(isWanted()).toBe(false);
    finish();
    expect(await outcome).toEqual({ kind: "gone" });
    expect([parsed, openTickets()]).toEqual([[], 0]);
  });
});

describe("a request's life", () => {
  it("is counted in flight from the decision to the end, and reported once", () => {
    const { exchange, decide, records, routed, openTickets, startedTickets, pass } = aPipeline();
    expect(decide(new Uint8Array(0)).kind).toBe("routed");
    expect([openTickets(), routed.length]).toEqual([1, 1]);
    pass(100);
    exchange.responseHead({ ...okHead, servedBy: "10.0.0.1:8000" });
    pass(20);
    expect(startedTickets()).toBe(0);
    exchange.responseChunk(Buffer.from(token), false);
    expect(startedTickets()).toBe(1);
    pass(30);
    exchange.responseChunk(Buffer.from(usage + done), false);
    exchange.responseChunk(new Uint8Array(0), true);
    exchange.end("complete");
    exchange.end("aborted");
    expect([openTickets(), startedTickets()]).toEqual([0, 1]);
    expect(records).toHaveLength(1);
    expect(records[0]).toMatchObject({
      end: "complete",
      httpStatus: 200,
      servedBy: "10.0.0.1:8000",
      responseBytes: token.length + usage.length + done.length,
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
    const { exchange, decide, records, openTickets } = aPipeline({
      parse: () => ({ kind: "refused", refusal }),
      schedule: () => {
        throw new Error("scheduled all the same");
      },
    });
    expect(decide()).toEqual({ kind: "refused", refusal });
    exchange.end("refused");
    expect(openTickets()).toBe(0);
    expect(records[0]).toMatchObject({ refusal, decision: undefined, schedulingMs: undefined });
  });

  it("turns a bug in a stage into a 500 that is reported, and continues", () => {
    const { decide, failures } = aPipeline({
      schedule: () => {
        throw new Error("a plugin broke");
      },
    });
    expect(decide()).toMatchObject({
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

  it("counts nothing after its end: an ingress may hear late that the client has left", () => {
    const early = aPipeline();
    early.exchange.end("aborted", "client");
    expect(early.decide()).toEqual({ kind: "gone" });
    expect([early.openTickets(), early.routed.length, early.records.length]).toEqual([0, 0, 1]);

    const steps: string[] = [];
    const late = aPipeline({
      sent: (_, follow) =>
        follow({
          responseHead: () => void steps.push("head"),
          firstToken: () => void steps.push("first token"),
        }),
    });
    late.decide();
    late.exchange.end("aborted", "client");
    expect(late.exchange.responseHead(okHead)).toEqual({ set: [], changesLength: false });
    late.exchange.responseChunk(Buffer.from(token), true);
    expect(steps).toEqual([]);
    expect([late.openTickets(), late.startedTickets()]).toEqual([0, 0]);
  });

  it("has the ingress's own refusal", () => {
    const { exchange, records } = aPipeline();
    expect(exchange.refuse("body_too_large", "too large")).toMatchObject({ kind: "refused" });
    exchange.end("refused");
    expect(records[0]?.refusal?.code).toBe("body_too_large");
  });
});

describe("a request whose model is rewritten", () => {
  const rewriting = { targetModelOf: () => "target" };

  it("goes out with the target in its body and is scheduled for it", () => {
    const scheduled: string[] = [];
    const { decide } = aPipeline({
      ...rewriting,
      schedule: (request) => {
        scheduled.push(`${request.model} as ${request.targetModel}`);
        return scheduledAs(aDecision(), request);
      },
    });
    expect(decide(Buffer.from("{}"))).toMatchObject({
      body: Buffer.from("target"),
      headers: [{ set: [["accept-encoding", "identity"]], removed: ["content-encoding"] }],
    });
    expect(scheduled).toEqual(["llama as target"]);
  });

  it("keeps its body if the proxy does not send it", () => {
    const { decide } = aPipeline(rewriting);
    expect(decide()).toMatchObject({ body: undefined, headers: [{ set: [], removed: [] }] });
  });

  it("gets the client's name back, with the bytes that are held back at the end", () => {
    const { exchange, decide } = aPipeline(rewriting);
    decide(Buffer.from("{}"));
    const headers = new Map([["content-type", "application/json"]]);
    const change = exchange.responseHead({ ...okHead, headers });
    expect(change).toEqual({ set: [], changesLength: true });
    const passed = [
      exchange.responseChunk(Buffer.from('{"model":"tar'), false),
      exchange.responseChunk(Buffer.from('get","n":1}'), true),
    ];
    expect(String(passed[0])).toBe('{"model":');
    expect(Buffer.concat(passed.map((piece) => piece ?? Buffer.alloc(0))).toString()).toBe(
      '{"model":"llama","n":1}',
    );
  });

  it("keeps the engine's name in an answer that is compressed anyway, and records it", () => {
    const { exchange, decide, records } = aPipeline(rewriting);
    decide(Buffer.from("{}"));
    const headers = new Map([...eventStream, ["content-encoding", "gzip"] as const]);
    expect(exchange.responseHead({ ...okHead, headers }).changesLength).toBe(false);
    expect(exchange.responseChunk(gzipSync(token + done), true)).toBeUndefined();
    exchange.end("complete");
    expect(records[0]?.keepsTargetName).toBe(true);
  });

  it("is not changed in a response whose body the proxy does not send", () => {
    const { exchange, decide } = aPipeline(rewriting);
    decide(Buffer.from("{}"));
    expect(exchange.responseHead({ ...okHead, showsBody: false }).changesLength).toBe(false);
  });

  it("may have a compressed answer if the ingress does not show answers", () => {
    const { pipeline } = aPipeline(rewriting);
    const outcome = decidedAtOnce(pipeline.begin(head, false).decide(Buffer.from("{}")));
    expect(outcome).toMatchObject({ headers: [{ set: [], removed: ["content-encoding"] }] });
  });

  it("keeps its body if the API is not understood", () => {
    const request = aRequest({ dialect: "passthrough", model: "", targetModel: "" });
    const { decide } = aPipeline({ ...rewriting, parse: () => parsedAs({ request }) });
    expect(decide(Buffer.from("{}"))).toMatchObject({ kind: "routed", body: undefined });
  });
});

describe("headers that only the picker may set", () => {
  const spoofed = new Map([
    ["x-prefiller-host-port", "10.6.6.6:1"],
    ["x-gateway-destination-endpoint", "10.6.6.6:2"],
    ["x-session-id", "s"],
  ]);
  const prefiller: HeaderPair = ["x-prefiller-host-port", "10.0.0.9:8000"];

  it.each<[string, readonly HeaderPair[], readonly string[]]>([
    ["are removed", [], ["x-gateway-destination-endpoint", "x-prefiller-host-port"]],
    ["are ours if we set them", [prefiller], ["x-gateway-destination-endpoint"]],
  ])("%s, for each target separately", (_, requestHeaders, removed) => {
    const [one, other] = [anEndpoint(), anEndpoint({ slot: 1 })];
    const targets = [aTarget(one, { requestHeaders }), aTarget(other)] as const;
    const { decide } = aPipeline({
      head: { ...head, headers: spoofed },
      schedule: (request) => scheduledAs(aDecision({ targets }), request),
    });
    expect(decide()).toMatchObject({
      headers: [
        { set: requestHeaders, removed },
        { set: [], removed: ["x-gateway-destination-endpoint", "x-prefiller-host-port"] },
      ],
    });
  });
});

describe("the facts of an answer", () => {
  const listed = [
    anEndpoint({ slot: 1 }),
    anEndpoint({ slot: 2 }),
    anEndpoint({ slot: 3 }),
  ] as const;
  const stranger = anEndpoint({ slot: 9 });

  /** A streamed chat completion whose response has begun, with the events of its follower. */
  function answered({
    decision = aDecision({ endpoints: listed }),
    method = "POST",
    left,
    ...seen
  }: Partial<ResponseHeadSeen> & {
    readonly decision?: Decision;
    readonly method?: string;
    /** An endpoint that has left the pool since the decision. */
    readonly left?: Endpoint;
  } = {}) {
    const heads: unknown[] = [];
    const parts = aPipeline({
      head: { ...head, method },
      pool: {
        current: (endpoint) => (endpoint === left ? undefined : endpoint),
        endpointAt: (at) => (at === stranger.hostPort ? stranger : undefined),
      },
      parse: () => parsedAs({ request: aRequest({ isStreaming: true }) }),
      schedule: (request) => scheduledAs(decision, request),
      sent: (_, follow) =>
        follow({
          responseHead: (told) => void heads.push(told),
          firstToken: (atMs) => void heads.push(`first token at ${atMs}`),
        }),
    });
    parts.decide();
    parts.exchange.responseHead({ ...okHead, ...seen });
    return { ...parts, heads };
  }

  it.each([
    ["not at all", undefined, { served: undefined, failedBefore: [] }],
    ["the first", listed[0].hostPort, { served: listed[0], failedBefore: [] }],
    ["the second", listed[1].hostPort, { served: listed[1], failedBefore: [listed[0]] }],
    ["the last", listed[2].hostPort, { served: listed[2], failedBefore: [listed[0], listed[1]] }],
    // A proxy that served from an unlisted endpoint has not tried the listed ones.
    ["another of the pool", stranger.hostPort, { served: stranger, failedBefore: [] }],
    ["a host that is not of the pool", "10.9.9.9:1", { served: undefined, failedBefore: [] }],
  ])(
    "report the endpoints before the one that served as failed: %s",
    (_, servedBy, { served, failedBefore }) => {
      const { exchange, records, heads } = answered({ servedBy });
      expect(heads).toEqual([
        {
          httpStatus: 200,
          servedBy,
          served,
          failedBefore,
          isUnreached: false,
          isEventStream: true,
        },
      ]);
      exchange.end("complete");
      expect(records[0]?.failedBefore).toEqual(failedBefore);
    },
  );

  it("name no endpoint of the pool as serving if it has left since: its slot may be another's", () => {
    const { heads } = answered({ servedBy: listed[1].hostPort, left: listed[1] });
    expect(heads).toMatchObject([{ served: undefined, failedBefore: [listed[0]] }]);
  });

  it("know the chosen rank if several share one address", () => {
    const hostPort = "10.0.0.1:8000";
    const [first, second] = listed;
    const targets = [aTarget(first, { hostPort }), aTarget(second, { hostPort })] as const;
    const decision = aDecision({ targets });
    const { heads } = answered({ decision, servedBy: hostPort });
    expect(heads).toMatchObject([{ served: listed[0], failedBefore: [] }]);
  });

  it("report the first token, not the first byte", () => {
    const { exchange, records, heads, pass } = answered();
    heads.length = 0;
    pass(5);
    exchange.responseChunk(Buffer.from(role), false);
    expect(heads).toEqual([]);
    pass(595);
    exchange.responseChunk(Buffer.from(token), false);
    exchange.responseChunk(Buffer.from(token), true);
    exchange.end("complete");
    expect(heads).toEqual(["first token at 600"]);
    expect(records[0]).toMatchObject({ firstTokenMs: 600, startedMs: 0 });
  });

  const error = event({ error: { message: "x", code: 500 } });
  const boom = { code: "answer_error_server", blame: "engine" } as const;
  const cut = { code: "answer_truncated", blame: "engine" } as const;

  it.each<[string, string, { end: [RequestEnd, EndedBy?]; told: object }]>([
    ["goes well", token + done, { end: ["complete"], told: { end: "complete" } }],
    [
      "tells an error",
      error + done,
      { end: ["complete"], told: { end: "complete", failure: boom } },
    ],
    [
      "is left after an error",
      error + done,
      { end: ["aborted"], told: { end: "complete", failure: boom } },
    ],
    ["is left after its marker", token + done, { end: ["aborted"], told: { end: "complete" } }],
    [
      "is left before its marker",
      token,
      { end: ["aborted", "client"], told: { end: "aborted", endedBy: "client" } },
    ],
    [
      "is cut by us",
      token,
      { end: ["aborted", "drain"], told: { end: "aborted", endedBy: "drain" } },
    ],
    ["breaks off", token, { end: ["aborted"], told: { end: "aborted", endedBy: "unknown" } }],
    [
      "ends before its marker",
      token,
      { end: ["complete"], told: { end: "aborted", endedBy: "engine", failure: cut } },
    ],
  ])("have its end: an answer that %s", (_, body, { end, told }) => {
    const { exchange, records } = answered();
    exchange.responseChunk(Buffer.from(body), false);
    exchange.end(...end);
    expect(records).toMatchObject([{ endedBy: undefined, failure: undefined, ...told }]);
  });

  it("have the status as the failure if it is one", () => {
    const { exchange, records } = answered({ httpStatus: 503 });
    exchange.responseChunk(Buffer.from(error), true);
    exchange.end("complete");
    expect(records[0]?.failure).toEqual({ code: "upstream_503", blame: "engine" });
  });

  it("count 101 as a success, and the close of the connection as its end", () => {
    const { exchange, records } = answered({ httpStatus: 101 });
    exchange.responseChunk(Buffer.from("frame"), false);
    exchange.end("aborted", "unknown");
    expect(records[0]).toMatchObject({ end: "complete", failure: undefined });
  });

  it("do not count an error of a stored object in an answer to GET", () => {
    const headers = new Map([["content-type", "application/json"]]);
    const body = Buffer.from(JSON.stringify({ error: { message: "x", code: 500 } }));
    const failures = ["POST", "GET"].map((method) => {
      const { exchange, records } = answered({ method, headers });
      exchange.responseChunk(body, true);
      exchange.end("complete");
      return records[0]?.failure;
    });
    expect(failures).toEqual([boom, undefined]);
  });

  it("count the bytes of a body whose head the proxy does not send", () => {
    const { exchange, decide, records } = aPipeline();
    decide();
    exchange.responseChunk(Buffer.from("abc"), true);
    exchange.end("complete");
    expect(records[0]).toMatchObject({ responseBytes: 3, httpStatus: undefined, end: "complete" });
  });

  it("count the bytes and chunks of a body that arrive before its head", () => {
    const { exchange, decide, records } = aPipeline();
    decide();
    exchange.responseChunk(Buffer.from("abc"), false);
    exchange.responseHead(okHead);
    exchange.responseChunk(Buffer.from("de"), true);
    exchange.end("complete");
    // 3 bytes before the head, 2 after it.
    expect(records[0]).toMatchObject({ responseBytes: 5, responseChunks: 2, httpStatus: 200 });
  });
});

describe("a body whose model is not known", () => {
  it.each([
    { usesModel: true, unread: "encoding" },
    { usesModel: false, unread: undefined },
  ])("is recorded if something uses the model: $usesModel", ({ usesModel, unread }) => {
    const { exchange, decide, records } = aPipeline({
      usesModel: () => usesModel,
      parse: () => parsedAs({ unread: "encoding" }),
    });
    expect(decide()).toMatchObject({ body: undefined, headers: [{ set: [], removed: [] }] });
    exchange.end("complete");
    expect(records[0]?.unread).toBe(unread);
  });
});

describe("the work of plugins after the decision", () => {
  it("begins before the request leaves and follows it to its end, each step once", () => {
    const steps: string[] = [];
    const { exchange, decide } = aPipeline({
      sent: (_, follow) => {
        steps.push("sent");
        follow({
          responseHead: ({ httpStatus }) => void steps.push(`head ${httpStatus}`),
          responseHeaders: () => [["x-a", "1"]],
          firstToken: () => void steps.push("first token"),
          ended: ({ end }) => void steps.push(`ended ${end}`),
        });
      },
    });
    decide();
    expect(exchange.responseHead(okHead)).toEqual({ set: [["x-a", "1"]], changesLength: false });
    exchange.responseChunk(Buffer.from(token), false);
    exchange.responseChunk(Buffer.from(token), true);
    exchange.end("complete");
    exchange.end("complete");
    expect(steps).toEqual(["sent", "head 200", "first token", "ended complete"]);
  });

  it("ends for plugins that follow the request when a later plugin throws", () => {
    let open = 0;
    const { exchange, decide, openTickets, failures } = aPipeline({
      sent: (_, follow) => {
        open += 1;
        follow({ ended: () => void (open -= 1) });
        throw new Error("another plugin broke");
      },
    });
    expect(decide()).toMatchObject({ kind: "refused", refusal: { code: "internal" } });
    expect([open, openTickets(), failures.length]).toEqual([1, 0, 1]);
    exchange.end("refused");
    expect([open, openTickets()]).toEqual([0, 0]);
  });

  it.each(["responseHead", "responseHeaders", "firstToken", "ended"] as const)(
    "is complete for all others when one throws in `%s`, which is reported",
    (step) => {
      const steps: string[] = [];
      const { exchange, decide, failures, openTickets, records } = aPipeline({
        sent: (_, follow) => {
          follow({
            [step]: () => {
              throw new Error("a plugin broke");
            },
          });
          follow({
            responseHeaders: () => [["x-a", "1"]],
            firstToken: () => void steps.push("first token"),
            ended: () => void steps.push("ended"),
          });
        },
      });
      decide();
      expect(exchange.responseHead(okHead).set).toEqual([["x-a", "1"]]);
      exchange.responseChunk(Buffer.from(token), true);
      exchange.end("complete");
      expect(steps).toEqual(["first token", "ended"]);
      expect([failures.length, openTickets(), records.length]).toEqual([1, 0, 1]);
    },
  );
});

/** A request that waits until the test admits it. */
function waiting(script: Overrides = {}) {
  const queue = Promise.withResolvers<Refusal | undefined>();
  let leaveCount = 0;
  const scheduledAtMs: number[] = [];
  const parts = aPipeline({
    admit: () => queue.promise,
    onLeave: () => void (leaveCount += 1),
    schedule: (request, pool) => {
      scheduledAtMs.push(pool.nowMs);
      return scheduledAs(aDecision(), request);
    },
    ...script,
  });
  const outcome = parts.exchange.decide("not_shown");
  return { ...parts, outcome, queue, scheduledAtMs, leaveCount: () => leaveCount };
}

describe("admission", () => {
  const full = { code: "saturated", message: "full" } as const;

  it("refuses before anything is scheduled", () => {
    const { decide, openTickets } = aPipeline({ admit: () => full });
    expect(decide()).toEqual({ kind: "refused", refusal: full });
    expect(openTickets()).toBe(0);
  });

  it("does not count a request as waiting that the queue refuses at once", () => {
    const { decide, exchange, pipeline, records } = aPipeline({
      admit: ({ waiter }) => {
        waiter();
        return full;
      },
    });
    expect(decide()).toEqual({ kind: "refused", refusal: full });
    exchange.end("refused");
    expect([pipeline.waitingRequests, records[0]?.stay]).toEqual([0, undefined]);
  });

  it("may wait: the request is scheduled and counted after the wait, on the pool at that time", async () => {
    const { outcome, queue, pipeline, scheduledAtMs, openTickets, pass } = waiting();
    expect(outcome).toBeInstanceOf(Promise);
    expect([pipeline.waitingRequests, openTickets()]).toEqual([1, 0]);
    pass(250);
    queue.resolve(undefined);
    expect(await outcome).toMatchObject({ kind: "routed" });
    expect(scheduledAtMs).toEqual([250]);
    expect([pipeline.waitingRequests, openTickets()]).toEqual([0, 1]);
  });

  it("may ask for the same decision again only while the request waits", async () => {
    const repeats: boolean[] = [];
    const schedule: Script["schedule"] = (request, _pool, mayRepeat) => {
      repeats.push(mayRepeat);
      return scheduledAs(aDecision(), request);
    };
    aPipeline({ schedule }).decide();
    const { outcome, queue } = waiting({ schedule });
    queue.resolve(undefined);
    await outcome;
    expect(repeats).toEqual([false, true]);
  });

  it("may refuse after a wait", async () => {
    const { outcome, queue, exchange, records, scheduledAtMs, pass } = waiting();
    pass(30);
    queue.resolve(full);
    expect(await outcome).toEqual({ kind: "refused", refusal: full });
    exchange.end("refused");
    expect(records[0]).toMatchObject({ refusal: full, decidedMs: 30, schedulingMs: undefined });
    expect(scheduledAtMs).toEqual([]);
  });

  type Leave = (parts: ReturnType<typeof waiting>) => void;
  it.each<[string, Leave]>([
    ["the request ends", ({ exchange }) => exchange.end("aborted", "client")],
    ["another filter answers", ({ exchange }) => void exchange.responseHead(okHead)],
    [
      "it ends and is admitted at once",
      ({ exchange, queue }) => {
        exchange.end("aborted", "client");
        queue.resolve(undefined);
      },
    ],
  ])("stops waiting when %s: nothing is scheduled or counted", async (_, leave) => {
    const parts = waiting();
    leave(parts);
    expect(await parts.outcome).toEqual({ kind: "gone" });
    expect(parts.leaveCount()).toBe(1);
    expect([parts.pipeline.waitingRequests, parts.openTickets()]).toEqual([0, 0]);
    expect(parts.scheduledAtMs).toEqual([]);
    parts.exchange.end("aborted", "client");
    expect(parts.records).toHaveLength(1);
  });

  it("turns a queue that fails into a 500 that is reported", () => {
    const { decide, failures, pipeline } = aPipeline({
      admit: () => {
        throw new Error("a queue broke");
      },
    });
    expect(decide()).toMatchObject({ kind: "refused", refusal: { code: "internal" } });
    expect([failures.length, pipeline.waitingRequests]).toEqual([1, 0]);
  });

  it("lets a request wait on whose turn finds no endpoint", async () => {
    const turns: boolean[] = [];
    const { exchange, outcome, queue, pipeline, records } = waiting({
      onTurn: (isTaken) => void turns.push(isTaken),
      schedule: () => ({
        kind: "refused",
        isUnplaced: true,
        refusal: { code: "no_endpoints", message: "none" },
      }),
    });
    queue.resolve(undefined);
    await queue.promise;
    expect([turns, pipeline.waitingRequests]).toEqual([[false], 1]);
    exchange.end("aborted", "client");
    expect(await outcome).toEqual({ kind: "gone" });
    expect(records[0]).toMatchObject({ refusal: undefined, stay: undefined });
  });

  it("turns a scheduler that fails after a wait into a 500 that is reported", async () => {
    const { outcome, queue, failures } = waiting({
      schedule: () => {
        throw new Error("a plugin broke");
      },
    });
    queue.resolve(undefined);
    expect(await outcome).toMatchObject({ kind: "refused", refusal: { code: "internal" } });
    expect(failures).toHaveLength(1);
  });
});

describe("further attempts", () => {
  const listed = [0, 1, 2].map((slot) => anEndpoint({ slot })) as [Endpoint, Endpoint, Endpoint];
  const failedHead: ResponseHeadSeen = {
    httpStatus: 503,
    headers: new Map(),
    servedBy: undefined,
    showsBody: false,
    showsWholeBody: false,
  };

  /** A pipeline whose scheduler takes the first endpoint that it is given. */
  function retrying() {
    const retried: [number | undefined, string][] = [];
    const hedged: string[] = [];
    const outrun: string[][] = [];
    const ended: string[] = [];
    const records: RequestRecord[] = [];
    let inFlight = 0;
    const pipeline = new Pipeline({
      clock: { nowMs: () => 0, wallMs: () => 0 },
      routing: () =>
        new ScriptedRouting({
          schedule: (request, { endpoints }) => {
            const [endpoint] = endpoints;
            return endpoint === undefined
              ? { kind: "refused", refusal: { code: "no_endpoints", message: "" } }
              : scheduledAs(aDecision({ endpoints: [endpoint] }), request);
          },
        }),
      pool: {
        snapshot: (nowMs) => aSnapshot({ endpoints: listed, nowMs }),
        send: ({ decision }) => {
          inFlight += 1;
          return [
            {
              ended: (record) => {
                inFlight -= 1;
                ended.push(
                  `${decision.targets[0].endpoint.name} ${record.httpStatus} ${record.end}`,
                );
              },
            },
          ];
        },
        current: (endpoint) => endpoint,
        endpointAt: () => undefined,
      },
      followers: [
        {
          retried: ({ httpStatus }, decision) =>
            void retried.push([httpStatus, decision.targets[0].endpoint.name]),
          hedged: (decision) => void hedged.push(decision.targets[0].endpoint.name),
          outrun: (lost, kept) =>
            void outrun.push([lost, kept].map(({ targets }) => targets[0].endpoint.name)),
          ended: (record) => void records.push(record),
        },
      ],
    });
    const exchange = pipeline.begin(head, true, true);
    return { exchange, retried, hedged, outrun, ended, records, inFlight: () => inFlight };
  }

  it("goes to an endpoint that was not tried, and ends the attempt before", () => {
    const { exchange, retried, ended, records, inFlight } = retrying();
    decidedAtOnce(exchange.decide(new Uint8Array(0)));
    expect(exchange.retry(failedHead, true)?.decision.targets[0].endpoint).toBe(listed[1]);
    expect(
      exchange.retry({ ...failedHead, httpStatus: 502 }, false)?.decision.targets[0].endpoint,
    ).toBe(listed[2]);
    expect(inFlight()).toBe(1);
    expect(exchange.retry(failedHead, true)).toBeUndefined();
    exchange.responseHead({ ...okHead, servedBy: listed[2].hostPort });
    exchange.end("complete");
    expect(retried).toEqual([
      [503, listed[1].name],
      [502, listed[2].name],
    ]);
    expect(ended).toEqual([
      `${listed[0].name} 503 complete`,
      `${listed[1].name} 502 aborted`,
      `${listed[2].name} 200 complete`,
    ]);
    expect(inFlight()).toBe(0);
    expect(records[0]).toMatchObject({
      httpStatus: 200,
      failedBefore: [listed[0], listed[1]],
      failedAttempts: [{ httpStatus: 503 }, { httpStatus: 502, hasAnswered: false }],
    });
  });

  it("is not possible once the answer has begun, after the end, or for an ingress that does not retry", () => {
    const { exchange } = retrying();
    expect(exchange.retry(failedHead, true)).toBeUndefined();
    decidedAtOnce(exchange.decide(new Uint8Array(0)));
    exchange.responseHead(okHead);
    expect(exchange.retry(failedHead, true)).toBeUndefined();
    exchange.end("complete");
    expect(exchange.retry(failedHead, true)).toBeUndefined();
    const { exchange: ofProxy, decide } = aPipeline({
      pool: { snapshot: (nowMs) => aSnapshot({ endpoints: listed, nowMs }) },
    });
    decide(new Uint8Array(0));
    expect(ofProxy.retry(failedHead, true)).toBeUndefined();
  });

  /** The first attempt, and a second one next to it. */
  function twoAttempts() {
    const parts = retrying();
    const first = decidedAtOnce(parts.exchange.decide(new Uint8Array(0)));
    const second = parts.exchange.hedge();
    if (first.kind !== "routed" || second === undefined) throw new Error("not routed");
    return { ...parts, first: first.decision, second: second.decision };
  }

  const [one, two, three] = listed.map(({ name }) => name) as [string, string, string];

  it("may run beside the first one, and the better of both is kept", () => {
    for (const keepsFirst of [true, false]) {
      const { exchange, inFlight, first, second, ...parts } = twoAttempts();
      expect(inFlight()).toBe(2);
      expect(exchange.hedge()).toBeUndefined();
      const [kept, lost] = keepsFirst ? [first, second] : [second, first];
      exchange.keep(kept);
      exchange.keep(kept);
      expect(inFlight()).toBe(1);
      exchange.responseHead({ ...okHead, servedBy: kept.targets[0].hostPort });
      exchange.end("complete");
      expect(inFlight()).toBe(0);
      const [keptName, lostName] = [kept, lost].map(({ targets }) => targets[0].endpoint.name);
      // For the endpoint that lost, the client has left.
      expect(parts.ended).toEqual([`${lostName} undefined aborted`, `${keptName} 200 complete`]);
      expect(parts.hedged).toEqual([two]);
      expect(parts.outrun).toEqual([[lostName, keptName]]);
      expect(parts.records).toMatchObject([
        { decision: kept, outrun: [lost.targets[0].endpoint], failedBefore: [] },
      ]);
    }
  });

  it("leave the other one if one of two fails, and a retry after it", () => {
    const { exchange, inFlight, first, second, ended, retried, records } = twoAttempts();
    exchange.fail(first, failedHead, true);
    exchange.fail(first, failedHead, true);
    expect([inFlight(), ended]).toEqual([1, [`${two} 503 complete`]]);
    const third = exchange.retry({ ...failedHead, httpStatus: 502 }, false);
    expect(third?.decision.targets[0].endpoint).toBe(listed[2]);
    expect(exchange.hedge()).toBeUndefined();
    exchange.responseHead(okHead);
    exchange.end("complete");
    expect(retried).toEqual([[502, three]]);
    expect(ended).toEqual([`${two} 503 complete`, `${one} 502 aborted`, `${three} 200 complete`]);
    expect(records[0]?.failedAttempts.map(({ decision }) => decision)).toEqual([second, first]);
  });

  it("all end with the request", () => {
    const { exchange, inFlight, ended, records } = twoAttempts();
    exchange.end("aborted", "client");
    expect([inFlight(), ended]).toEqual([
      0,
      [`${one} undefined aborted`, `${two} undefined aborted`],
    ]);
    expect(records).toHaveLength(1);
  });

  /** An exchange whose second attempt meets a bug. */
  function failingAtSecond() {
    let sent = 0;
    const ended: string[] = [];
    const failures: unknown[] = [];
    const pipeline = new Pipeline({
      clock: { nowMs: () => 0, wallMs: () => 0 },
      routing: () =>
        new ScriptedRouting({
          schedule: (request, { endpoints }) =>
            scheduledAs(aDecision({ endpoints: [endpoints[0] ?? listed[0]] }), request),
        }),
      pool: {
        snapshot: (nowMs) => aSnapshot({ endpoints: listed, nowMs }),
        send: ({ decision }) => {
          sent += 1;
          if (sent === 2) throw new Error("a bug");
          return [{ ended: () => void ended.push(decision.targets[0].endpoint.name) }];
        },
        current: (endpoint) => endpoint,
        endpointAt: () => undefined,
      },
      followers: [{ failed: (_, cause) => void failures.push(cause) }],
    });
    const exchange = pipeline.begin(head, true, true);
    decidedAtOnce(exchange.decide(new Uint8Array(0)));
    return { exchange, ended, failures };
  }

  it("leave the first one as it was if a plugin throws at the second", () => {
    const { exchange, ended, failures } = failingAtSecond();
    expect(exchange.hedge()).toBeUndefined();
    expect(failures).toHaveLength(1);
    expect(ended).toEqual([]);
    expect(exchange.hedge()?.decision.targets[0].endpoint).toBe(listed[1]);
    exchange.end("complete");
    expect(ended).toEqual([one, two]);
  });

  it("ends the first one once if a plugin throws at the second", () => {
    const { exchange, ended, failures } = failingAtSecond();
    expect(exchange.retry(failedHead, true)).toBeUndefined();
    exchange.responseHead(failedHead);
    exchange.end("complete");
    expect([failures.length, ended]).toEqual([1, [one]]);
  });

  it("may schedule a request again that was refused, counting it once", () => {
    let isKnown = false;
    const routed: Decision[] = [];
    const records: RequestRecord[] = [];
    const pipeline = new Pipeline({
      clock: { nowMs: () => 0, wallMs: () => 0 },
      routing: () =>
        new ScriptedRouting({
          schedule: (request, { endpoints }) =>
            isKnown
              ? scheduledAs(aDecision({ endpoints: [endpoints[0] ?? listed[0]] }), request)
              : { kind: "refused", refusal: { code: "model_not_found", message: "" } },
        }),
      pool: {
        snapshot: (nowMs) => aSnapshot({ endpoints: listed, nowMs }),
        send: () => [],
        current: (endpoint) => endpoint,
        endpointAt: () => undefined,
      },
      followers: [
        {
          routed: (_, decision) => void routed.push(decision),
          ended: (record) => void records.push(record),
        },
      ],
    });
    const exchange = pipeline.begin(head, true, true);
    expect(exchange.decideAgain().kind).toBe("gone");
    expect(decidedAtOnce(exchange.decide(new Uint8Array(0))).kind).toBe("refused");
    expect(exchange.decideAgain().kind).toBe("refused");
    isKnown = true;
    expect(exchange.decideAgain().kind).toBe("routed");
    exchange.end("complete");
    expect(exchange.decideAgain().kind).toBe("gone");
    expect([routed.length, records.length, records[0]?.refusal]).toEqual([1, 1, undefined]);
  });
});
