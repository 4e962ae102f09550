import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { HeaderChange, Outcome } from "../../../core/decision.ts";
import type { EndedBy, RequestEnd } from "../../../core/request-record.ts";
import type { BodyUse, SeenBody } from "../../../core/parse-result.ts";
import type { RequestHead } from "../../../core/request.ts";
import type { ResponseMetadata } from "../../../core/response-metadata.ts";
import type { ResponseHeadSeen } from "../../answer.ts";
import { Exchange } from "../../exchange.ts";
import type { ResponseHeadChange } from "../../exchange-parts.ts";
import type { ExchangeParts } from "../../exchange-parts.ts";
import { pieceBytesMax } from "./body-pieces.ts";
import type { ProtocolConfig, ProxyAnswer, ProxyMessage } from "./messages.ts";
import { BytePieces } from "../../../std/byte-pieces.ts";
import { StreamMachine } from "./stream-machine.ts";
import { aDecision, aHead, anEndpoint } from "#test/support/builders.ts";
import { aSnapshot } from "#test/support/snapshots.ts";
import { ScriptedRouting } from "#test/support/scripted-routing.ts";

const bodyBytesMax = 1_000_000;
const picked = "127.0.0.1:8000";

/** Records the calls of the machine. */
class FakeExchange extends Exchange {
  readonly outcome: Outcome | Promise<Outcome>;
  decidedOn: SeenBody[] = [];
  responseBytes = 0;
  httpStatus: number | undefined;
  servedBy: string | undefined;
  ends: RequestEnd[] = [];
  endedBy: EndedBy | undefined;
  headersToSet: readonly (readonly [string, string])[] = [];
  /** Settles the changes to the head of the response; undefined if they are known at once. */
  headWait: Promise<void> | undefined;
  /** Changes each chunk of the response; undefined if chunks pass unchanged. */
  replaces: ((chunk: Uint8Array) => Uint8Array) | undefined;
  heldBack: Uint8Array | undefined;
  metadata: ResponseMetadata | undefined;

  constructor(bodyUse: BodyUse, outcome: Outcome | Promise<Outcome>) {
    super(aHead(), exchangeParts(bodyUse), true);
    this.outcome = outcome;
  }

  override decide(body: SeenBody): Outcome | Promise<Outcome> {
    const bytes = body instanceof BytePieces ? body.whole : body;
    this.decidedOn.push(typeof bytes === "string" ? bytes : Buffer.from(bytes));
    return this.outcome;
  }

  override responseHead({ httpStatus, servedBy, showsBody }: ResponseHeadSeen): ResponseHeadChange {
    this.httpStatus = httpStatus;
    this.servedBy = servedBy;
    const change = {
      set: this.headersToSet,
      changesLength: showsBody && this.replaces !== undefined,
    };
    // The machine takes a promise too, which `Exchange` itself never returns.
    return (this.headWait?.then(() => change) ?? change) as ResponseHeadChange;
  }

  override responseChunk(chunk: Uint8Array, isLast: boolean): Uint8Array | undefined {
    this.responseBytes += chunk.length;
    const rest = isLast ? (this.responseRest() ?? "") : "";
    return this.replaces && Buffer.concat([this.replaces(chunk), Buffer.from(rest)]);
  }

  override responseMetadata(): ResponseMetadata | undefined {
    return this.metadata;
  }

  override responseRest(): Uint8Array | undefined {
    const { heldBack } = this;
    this.heldBack = undefined;
    return heldBack;
  }

  override end(end: RequestEnd, endedBy?: EndedBy): void {
    this.ends.push(end);
    this.endedBy = endedBy;
  }
}

/** These parts are unused: the fake overrides all methods that the machine calls. */
function exchangeParts(bodyUse: BodyUse): ExchangeParts {
  const routing = new ScriptedRouting({ bodyUse: () => bodyUse });
  return {
    clock: { nowMs: () => 0, wallMs: () => 0 },
    pool: {
      snapshot: (nowMs) => aSnapshot({ endpoints: [], nowMs }),
      send: () => [],
      current: (endpoint) => endpoint,
      endpointAt: () => undefined,
    },
    routing: () => routing,
    followers: [],
    onWait: () => undefined,
  };
}

const pick = { destination: picked, headers: [], removed: [], bodyBytes: undefined };

function routed(body?: string, headers: Partial<HeaderChange> = {}): Outcome {
  const endpoint = anEndpoint({ name: "a", address: "127.0.0.1", port: 8000 });
  const decision = aDecision({ endpoints: [endpoint] });
  return {
    kind: "routed",
    decision,
    body: body === undefined ? undefined : Buffer.from(body),
    headers: [{ set: [], removed: [], ...headers }],
  };
}

function aMachine({
  bodyUse = "required",
  outcome = routed(),
  bytesMax = bodyBytesMax,
  waitTimeoutMs = 0,
  arrivalDelayMs,
}: {
  bodyUse?: BodyUse;
  outcome?: Outcome | Promise<Outcome>;
  bytesMax?: number;
  waitTimeoutMs?: number;
  arrivalDelayMs?: number | undefined;
} = {}) {
  const exchange = new FakeExchange(bodyUse, outcome);
  const answers: ProxyAnswer[] = [];
  const calls: string[] = [];
  const begun: { head: RequestHead; showsAnswer: boolean }[] = [];
  const begin = (head: RequestHead, showsAnswer: boolean) => {
    begun.push({ head, showsAnswer });
    return exchange;
  };
  const machine = new StreamMachine(
    { dataPlane: { begin }, bodyBytesMax: bytesMax, waitTimeoutMs },
    {
      answer: (answer) => answers.push(answer),
      finish: () => calls.push("finish"),
      pause: () => calls.push("pause"),
      resume: () => calls.push("resume"),
      ...(arrivalDelayMs === undefined ? {} : { arrivalDelayMs }),
    },
  );
  return { machine, exchange, answers, begun, calls };
}

const requestHeaders = (
  config?: Partial<ProtocolConfig>,
  {
    endOfStream = false,
    contentLength,
    path = "/v1/chat/completions",
  }: { endOfStream?: boolean; contentLength?: number; path?: string } = {},
): ProxyMessage => ({
  kind: "request-headers",
  headers: new Map([
    [":method", "POST"],
    [":path", path],
    ["x-request-id", "r-1"],
    ...(contentLength === undefined ? [] : ([["content-length", `${contentLength}`]] as const)),
  ]),
  endOfStream,
  subset: undefined,
  config: config && {
    requestBody: "full-duplex",
    responseBody: "full-duplex",
    sendsBodyAtOnce: false,
    ...config,
  },
});
const requestBody = (text: string, endOfStream = true): ProxyMessage => ({
  kind: "request-body",
  body: Buffer.from(text),
  endOfStream,
});
const requestTrailers: ProxyMessage = { kind: "request-trailers" };
const responseHeaders = (endOfStream = false): ProxyMessage => ({
  kind: "response-headers",
  headers: new Map([[":status", "200"]]),
  endOfStream,
  servedBy: undefined,
});
const responseBody = (text: string, endOfStream: boolean): ProxyMessage => ({
  kind: "response-body",
  body: Buffer.from(text),
  endOfStream,
});
const responseTrailers: ProxyMessage = { kind: "response-trailers" };

const kindsOf = (answers: readonly ProxyAnswer[]) => answers.map(({ kind }) => kind);

/** The body that the proxy would pass on, from the pieces it was given. */
function passedOn(answers: readonly ProxyAnswer[], kind: "request-body" | "response-body") {
  const pieces = answers.flatMap((answer) =>
    answer.kind === kind && answer.piece !== undefined && "body" in answer.piece
      ? [answer.piece]
      : [],
  );
  return {
    body: Buffer.concat(pieces.map(({ body }) => body)),
    ends: pieces.map(({ endOfStream }) => endOfStream),
    longest: Math.max(0, ...pieces.map(({ body }) => body.length)),
  };
}

describe("ext_proc stream in full duplex", () => {
  it("answers nothing before the body is complete, then the headers, then the body", () => {
    const { machine, answers, exchange } = aMachine();
    machine.receive(requestHeaders());
    machine.receive(requestBody("ab", false));
    expect(answers).toEqual([]);
    machine.receive(requestBody("cd"));
    expect(exchange.decidedOn).toEqual([Buffer.from("abcd")]);
    expect(answers[0]).toEqual({ kind: "request-headers", pick });
    expect(kindsOf(answers)).toEqual(["request-headers", "request-body"]);
    expect(passedOn(answers, "request-body")).toMatchObject({
      body: Buffer.from("abcd"),
      ends: [true],
    });
  });

  it("takes trailers as the end of a body whose last chunk did not end it", () => {
    const { machine, answers } = aMachine();
    machine.receive(requestHeaders());
    machine.receive(requestBody("ab", false));
    machine.receive(requestTrailers);
    expect(kindsOf(answers)).toEqual(["request-headers", "request-body", "request-trailers"]);
    expect(passedOn(answers, "request-body").ends).toEqual([false]);
  });

  it("routes a request whose trailers follow no body", () => {
    const { machine, answers } = aMachine();
    machine.receive(requestHeaders());
    machine.receive(requestTrailers);
    expect(kindsOf(answers)).toEqual(["request-headers", "request-trailers"]);
  });

  it("decides a request without a body at its headers, on an empty body", () => {
    const { machine, answers, exchange } = aMachine();
    machine.receive(requestHeaders(undefined, { endOfStream: true }));
    expect(exchange.decidedOn).toEqual([Buffer.alloc(0)]);
    expect(answers).toEqual([{ kind: "request-headers", pick }]);
  });

  it("passes an unneeded body chunk by chunk", () => {
    const { machine, answers, exchange } = aMachine({ bodyUse: "none" });
    machine.receive(requestHeaders());
    expect(answers).toEqual([{ kind: "request-headers", pick }]);
    machine.receive(requestBody("ab", false));
    machine.receive(requestBody("", true));
    expect(exchange.decidedOn).toEqual(["not_wanted"]);
    expect(passedOn(answers, "request-body")).toMatchObject({
      body: Buffer.from("ab"),
      ends: [false, true],
    });
  });

  it("answers an empty last chunk with one empty piece that ends the stream", () => {
    const { machine, answers } = aMachine();
    machine.receive(requestHeaders());
    machine.receive(requestBody("", true));
    expect(passedOn(answers, "request-body")).toMatchObject({
      body: Buffer.alloc(0),
      ends: [true],
    });
  });

  it("cuts bodies into pieces that proxies with a 64 KiB limit take", () => {
    const { machine, answers } = aMachine();
    machine.receive(requestHeaders());
    machine.receive(requestBody("x".repeat(2 * pieceBytesMax + 1)));
    expect(passedOn(answers, "request-body")).toMatchObject({
      longest: pieceBytesMax,
      ends: [false, false, true],
    });
  });

  it("passes a response through and ends with its last chunk", () => {
    const { machine, answers, exchange } = aMachine();
    machine.receive(requestHeaders(undefined, { endOfStream: true }));
    machine.receive(responseHeaders());
    machine.receive(responseBody("data: 1\n\n", false));
    expect(exchange.ends).toEqual([]);
    machine.receive(responseBody("", true));
    expect(exchange).toMatchObject({ ends: ["complete"], httpStatus: 200, responseBytes: 9 });
    expect(passedOn(answers, "response-body").body.toString()).toBe("data: 1\n\n");
  });

  it.each([
    ["headers that end the stream", [responseHeaders(true)]],
    ["trailers", [responseHeaders(), responseBody("x", false), responseTrailers]],
  ])("takes %s as the response's end", (_, messages) => {
    const { machine, exchange } = aMachine();
    machine.receive(requestHeaders(undefined, { endOfStream: true }));
    for (const message of messages) machine.receive(message);
    expect(exchange.ends).toEqual(["complete"]);
  });

  it("passes on a response that another filter gave before the request was complete", () => {
    const { machine, answers, exchange } = aMachine();
    machine.receive(requestHeaders());
    machine.receive(responseHeaders());
    machine.receive(responseBody("busy", true));
    expect(kindsOf(answers)).toEqual(["response-headers", "response-body"]);
    expect(exchange.ends).toEqual(["complete"]);
  });
});

describe("ext_proc stream whose proxy repeats itself", () => {
  const modes = ["full-duplex", "streamed", "buffered", "buffered-partial", "none"] as const;
  const begun = (mode: (typeof modes)[number]) => {
    const started = aMachine();
    started.machine.receive(requestHeaders({ requestBody: mode, sendsBodyAtOnce: true }));
    started.machine.receive(requestBody("{}"));
    const answered = started.answers.length;
    return { ...started, since: () => kindsOf(started.answers.slice(answered)) };
  };

  it.each(modes)("does not answer what follows the end of a request's body (%s)", (mode) => {
    const { machine, since, exchange } = begun(mode);
    machine.receive(requestBody("{}"));
    machine.receive(requestBody("", true));
    machine.receive(requestBody("more", false));
    machine.receive(requestTrailers);
    machine.receive(requestHeaders({ requestBody: mode }));
    expect(since()).toEqual([]);
    machine.receive(responseHeaders());
    machine.receive(responseHeaders());
    machine.receive(requestBody("", true));
    expect(since()).toEqual(["response-headers"]);
    machine.receive(responseBody("x", true));
    machine.receive(responseBody("x", true));
    machine.receive(responseTrailers);
    expect(since()).toEqual(["response-headers", "response-body"]);
    machine.close("unknown");
    expect(exchange).toMatchObject({ ends: ["complete"], responseBytes: 1 });
    expect(exchange.decidedOn).toHaveLength(1);
  });

  it("does not answer a body after headers that ended the request", () => {
    const { machine, answers } = aMachine();
    machine.receive(requestHeaders(undefined, { endOfStream: true }));
    machine.receive(requestBody("", true));
    machine.receive(requestTrailers);
    expect(kindsOf(answers)).toEqual(["request-headers"]);
  });

  it("answers request trailers once", () => {
    const { machine, answers } = aMachine();
    machine.receive(requestHeaders());
    machine.receive(requestBody("{}", false));
    for (let time = 0; time < 3; time += 1) machine.receive(requestTrailers);
    expect(kindsOf(answers)).toEqual(["request-headers", "request-body", "request-trailers"]);
  });

  it("answers nothing of a request that another filter answered while its body was held", () => {
    const { machine, answers } = aMachine();
    machine.receive(requestHeaders());
    machine.receive(requestBody("{", false));
    machine.receive(responseHeaders());
    machine.receive(requestBody("}", true));
    machine.receive(responseBody("busy", true));
    expect(kindsOf(answers)).toEqual(["response-headers", "response-body"]);
  });
});

describe("ext_proc stream in other body modes", () => {
  it("puts the pick on the answer to a buffered body", () => {
    const { machine, answers, exchange } = aMachine();
    machine.receive(requestHeaders({ requestBody: "buffered", responseBody: "buffered" }));
    machine.receive(requestBody("abc"));
    expect(exchange.decidedOn).toEqual([Buffer.from("abc")]);
    expect(answers).toEqual([
      { kind: "request-headers", pick: undefined },
      { kind: "request-body", piece: undefined, pick },
    ]);
    machine.receive(responseHeaders());
    machine.receive(responseBody("whole", true));
    expect(answers.slice(2)).toEqual([
      { kind: "response-headers", set: [], removed: [] },
      { kind: "response-body", piece: undefined },
    ]);
  });

  it("does not read a buffered body that the proxy has cut", () => {
    const { machine, exchange } = aMachine();
    machine.receive(requestHeaders({ requestBody: "buffered-partial" }));
    machine.receive(requestBody('{"model"', false));
    expect(exchange.decidedOn).toEqual(["too_long"]);
  });

  it.each(["none", "streamed"] as const)(
    "decides at the headers if the proxy sends no body before their answer (%s)",
    (mode) => {
      const { machine, answers, exchange } = aMachine();
      machine.receive(requestHeaders({ requestBody: mode }));
      expect(exchange.decidedOn).toEqual(["not_shown"]);
      expect(answers).toEqual([{ kind: "request-headers", pick }]);
    },
  );

  it("waits for a streamed body that arrives before an answer, and passes each chunk", () => {
    const { machine, answers, exchange } = aMachine();
    machine.receive(requestHeaders({ requestBody: "streamed", sendsBodyAtOnce: true }));
    machine.receive(requestBody("ab", false));
    machine.receive(requestBody("cd"));
    expect(exchange.decidedOn).toEqual([Buffer.from("abcd")]);
    const unchanged = { kind: "request-body", piece: undefined, pick: undefined };
    expect(answers).toEqual([{ kind: "request-headers", pick }, unchanged, unchanged]);
  });

  it("decides without a streamed body that is larger than the proxy's own buffer", () => {
    const { machine, answers, exchange } = aMachine();
    machine.receive(requestHeaders({ requestBody: "streamed", sendsBodyAtOnce: true }));
    machine.receive(requestBody("x".repeat(20_000), false));
    expect(answers).toEqual([]);
    machine.receive(requestBody("x".repeat(20_000), false));
    expect(exchange.decidedOn).toEqual(["too_long"]);
    expect(kindsOf(answers)).toEqual(["request-headers", "request-body", "request-body"]);
    machine.receive(requestBody("x"));
    expect(answers).toHaveLength(4);
  });
});

describe("ext_proc stream with a body that may be of use", () => {
  it.for<[string, BodyUse, string[], SeenBody]>([
    ["within the limit", "if-short", ["abc", "de"], Buffer.from("abcde")],
    ["beyond the limit", "if-short", ["abc", "def"], "too_long"],
    ["beyond the limit at once", "if-short", ["abcdef"], "too_long"],
    ["that may be an object", "if-object", ["{", "}"], Buffer.from("{}")],
    ["that begins with white space", "if-object", ["", "\n", "x"], Buffer.from("\nx")],
    ["that is no object", "if-object", ["", "[", "]"], "not_wanted"],
    ["that is no object, at once", "if-object", ["x"], "not_wanted"],
  ])("reads or passes one %s", ([, bodyUse, chunks, decidedOn]) => {
    const { machine, answers, exchange } = aMachine({ bodyUse, bytesMax: 5 });
    machine.receive(requestHeaders());
    for (const [index, text] of chunks.entries()) {
      machine.receive(requestBody(text, index === chunks.length - 1));
    }
    expect(exchange.decidedOn).toEqual([decidedOn]);
    expect(answers[0]).toEqual({ kind: "request-headers", pick });
    const passed = passedOn(answers, "request-body");
    expect(passed.body.toString()).toBe(chunks.join(""));
    expect(passed.ends.filter(Boolean)).toEqual([true]);
    expect(passed.ends.at(-1)).toBe(true);
  });

  it("passes the rest once it is beyond the limit", () => {
    const { machine, answers } = aMachine({ bodyUse: "if-short", bytesMax: 5 });
    machine.receive(requestHeaders());
    machine.receive(requestBody("abc", false));
    expect(answers).toEqual([]);
    machine.receive(requestBody("def", false));
    expect(passedOn(answers, "request-body").body.toString()).toBe("abcdef");
    machine.receive(requestBody("ghi", false));
    expect(passedOn(answers, "request-body").body.toString()).toBe("abcdefghi");
  });

  it("passes one whose announced length is beyond the limit, at its headers", () => {
    const { machine, answers, exchange } = aMachine({ bodyUse: "if-short", bytesMax: 5 });
    machine.receive(requestHeaders(undefined, { contentLength: 6 }));
    expect(exchange.decidedOn).toEqual(["too_long"]);
    expect(answers).toEqual([{ kind: "request-headers", pick }]);
  });

  it("passes one beyond the limit that the proxy sends whole", () => {
    const { machine, answers, exchange } = aMachine({ bodyUse: "if-short", bytesMax: 5 });
    machine.receive(requestHeaders({ requestBody: "buffered" }));
    machine.receive(requestBody("abcdef", true));
    expect(exchange.decidedOn).toEqual(["too_long"]);
    expect(answers.at(-1)).toEqual({ kind: "request-body", piece: undefined, pick });
  });

  it("removes the headers that do not describe a changed body", () => {
    const outcome = routed("{}", { removed: ["content-encoding"] });
    const { machine, answers } = aMachine({ outcome });
    machine.receive(requestHeaders());
    machine.receive(requestBody("packed", true));
    expect(answers[0]).toEqual({
      kind: "request-headers",
      pick: { ...pick, removed: ["content-encoding"], bodyBytes: 2 },
    });
  });
});

describe("ext_proc stream of a proxy whose requests wait", () => {
  it.each([
    [undefined, undefined],
    [250, undefined],
    [251, 503],
  ])("is refused at its head if they wait for %s ms: %s", (arrivalDelayMs, httpStatus) => {
    const { machine, answers, exchange } = aMachine({ arrivalDelayMs });
    machine.receive(requestHeaders());
    const refusals = answers.map((answer) => "response" in answer && answer.response.httpStatus);
    expect(refusals).toEqual(httpStatus === undefined ? [] : [httpStatus]);
    expect(exchange.ends).toEqual(httpStatus === undefined ? [] : ["refused"]);
    expect(machine.isOver).toBe(httpStatus !== undefined);
  });
});

describe("ext_proc stream that is refused", () => {
  const refusal: Outcome = {
    kind: "refused",
    refusal: { code: "no_endpoints", message: "no model server is ready" },
  };

  it("answers in the engine's place and ends", () => {
    const { machine, answers, exchange } = aMachine({ outcome: refusal });
    machine.receive(requestHeaders());
    machine.receive(requestBody("{}"));
    expect(answers).toMatchObject([{ kind: "immediate", response: { httpStatus: 503 } }]);
    expect(exchange.ends).toEqual(["refused"]);
    expect(machine.isOver).toBe(true);
  });

  it("answers nothing more, for any further messages", () => {
    const { machine, answers } = aMachine({ outcome: refusal });
    machine.receive(requestHeaders(undefined, { endOfStream: true }));
    machine.receive(requestTrailers);
    machine.receive(responseHeaders());
    machine.receive(responseBody("x", true));
    expect(kindsOf(answers)).toEqual(["immediate"]);
  });

  it("refuses a body over the limit as soon as it exceeds it, without a decision", () => {
    const { machine, answers, exchange } = aMachine();
    machine.receive(requestHeaders());
    machine.receive(requestBody("x".repeat(bodyBytesMax), false));
    expect(answers).toEqual([]);
    machine.receive(requestBody("x", false));
    expect(answers).toMatchObject([{ kind: "immediate", response: { httpStatus: 413 } }]);
    expect(exchange).toMatchObject({ decidedOn: [], ends: ["refused"] });
  });

  it("refuses a body whose announced length is over the limit, at its headers", () => {
    const { machine, answers } = aMachine();
    machine.receive(requestHeaders(undefined, { contentLength: bodyBytesMax + 1 }));
    expect(answers).toMatchObject([{ kind: "immediate", response: { httpStatus: 413 } }]);
  });

  it.each([
    ["too large by its length", { contentLength: bodyBytesMax + 1 }, "request_too_large"],
    ["without a candidate", { endOfStream: true }, "overloaded_error"],
  ])("answers a request to Anthropic's API in its format: %s", (_, parts, type) => {
    const { machine, answers } = aMachine({ outcome: refusal });
    machine.receive(requestHeaders(undefined, { ...parts, path: "/p/v1/messages?beta=true" }));
    const [answer] = answers;
    expect(answer?.kind === "immediate" && JSON.parse(answer.response.body)).toMatchObject({
      type: "error",
      error: { type },
      request_id: "r-1",
    });
  });
});

describe("ext_proc stream that closes", () => {
  const answered = [requestHeaders(), requestBody("a"), responseHeaders()];

  it.each([
    ["before its body is complete", [requestHeaders(), requestBody("a", false)], "client"],
    ["after the pick", [requestHeaders(), requestBody("a")], "client"],
    ["after the response's head", answered, "unknown"],
    ["in the response", [...answered, responseBody("x", false)], "unknown"],
  ] as const)("ends the request when it closes %s", (_, messages, endedBy) => {
    for (const by of ["unknown", "proxy", "drain"] as const) {
      const { machine, exchange } = aMachine();
      for (const message of messages) machine.receive(message);
      machine.close(by);
      machine.close("unknown");
      expect(exchange.ends).toEqual(["aborted"]);
      // An engine that dies before its response becomes a response of the proxy.
      expect(exchange.endedBy).toBe(by === "unknown" ? endedBy : by);
    }
  });

  it("counts a response whose body the proxy does not send as complete", () => {
    const { machine, exchange } = aMachine();
    machine.receive(requestHeaders({ responseBody: "none" }, { endOfStream: true }));
    machine.receive(responseHeaders());
    expect(exchange.ends).toEqual([]);
    machine.close("unknown");
    expect(exchange.ends).toEqual(["complete"]);
  });

  it("keeps a complete request complete", () => {
    const { machine, exchange } = aMachine();
    machine.receive(requestHeaders(undefined, { endOfStream: true }));
    machine.receive(responseHeaders(true));
    machine.close("unknown");
    expect(exchange.ends).toEqual(["complete"]);
  });

  it("may close before the first message", () => {
    const { machine, answers } = aMachine();
    machine.close("unknown");
    expect(answers).toEqual([]);
  });
});

const anyMessage: fc.Arbitrary<ProxyMessage> = fc.oneof(
  fc
    .record({
      mode: fc.constantFrom(
        "none" as const,
        "streamed" as const,
        "buffered" as const,
        "buffered-partial" as const,
        "full-duplex" as const,
      ),
      sendsBodyAtOnce: fc.boolean(),
      endOfStream: fc.boolean(),
    })
    .map(({ mode, sendsBodyAtOnce, endOfStream }) =>
      requestHeaders({ requestBody: mode, responseBody: mode, sendsBodyAtOnce }, { endOfStream }),
    ),
  fc.tuple(fc.string(), fc.boolean()).map(([text, end]) => requestBody(text, end)),
  fc.constant(requestTrailers),
  fc.boolean().map(responseHeaders),
  fc.tuple(fc.string(), fc.boolean()).map(([text, end]) => responseBody(text, end)),
  fc.constant(responseTrailers),
);

const anyBodyUse = fc.constantFrom<BodyUse>("none", "if-object", "if-short", "required");

describe("ext_proc stream with any messages", () => {
  it("passes a request body on unchanged, for any chunks", () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 100_000 }), { minLength: 1, maxLength: 5 }),
        anyBodyUse,
        (chunks, bodyUse) => {
          const bytesMax = bodyUse === "required" ? bodyBytesMax : 60_000;
          const { machine, answers } = aMachine({ bodyUse, bytesMax });
          machine.receive(requestHeaders());
          for (const [index, body] of chunks.entries()) {
            const endOfStream = index === chunks.length - 1;
            machine.receive({ kind: "request-body", body, endOfStream });
          }
          const passed = passedOn(answers, "request-body");
          expect(passed.body.equals(Buffer.concat(chunks))).toBe(true);
          expect(passed.ends.filter(Boolean)).toHaveLength(1);
          expect(passed.ends.at(-1)).toBe(true);
          expect(passed.longest).toBeLessThanOrEqual(pieceBytesMax);
          expect(answers[0]?.kind).toBe("request-headers");
        },
      ),
      { numRuns: 60 },
    );
  });

  it("never throws, never answers after an immediate response, and always ends once", () => {
    fc.assert(
      fc.property(
        fc.array(anyMessage, { maxLength: 12 }),
        anyBodyUse,
        fc.boolean(),
        (messages, bodyUse, isRefused) => {
          const outcome: Outcome = isRefused
            ? { kind: "refused", refusal: { code: "saturated", message: "full" } }
            : routed();
          const { machine, answers, exchange } = aMachine({ bodyUse, outcome });
          for (const message of messages) machine.receive(message);
          machine.close("unknown");
          const afterImmediate = answers.slice(
            answers.findIndex(({ kind }) => kind === "immediate") + 1,
          );
          expect(isRefused && exchange.decidedOn.length > 0 ? afterImmediate : []).toEqual([]);
          const hasBegun = messages.some(({ kind }) => kind === "request-headers");
          expect(exchange.ends.length <= 1 || !hasBegun).toBe(true);
          expect(exchange.decidedOn.length).toBeLessThanOrEqual(1);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it("answers a message at most once, and none that follows its own end", () => {
    fc.assert(
      fc.property(
        fc.array(anyMessage, { maxLength: 12 }),
        fc.array(fc.nat(11), { maxLength: 12 }),
        (different, order) => {
          // Proxies repeat messages, so some of these are repeated.
          const messages = [...different, ...order.flatMap((index) => different[index] ?? [])];
          const { machine, answers, exchange } = aMachine();
          const ended = { request: false, response: false };
          let hasHead = false;
          let answeredSurplus = 0;
          for (const message of messages) {
            const side = message.kind.startsWith("request") ? "request" : "response";
            const isSurplus = message.kind === "request-headers" ? hasHead : ended[side];
            hasHead ||= message.kind === "request-headers";
            const before = answers.length;
            machine.receive(message);
            answeredSurplus += isSurplus ? answers.length - before : 0;
            if (message.kind === "response-headers" && answers.length === before) continue;
            if (message.kind.endsWith("trailers")) ended[side] = true;
            else if ("endOfStream" in message) ended[side] ||= message.endOfStream;
          }
          machine.close("unknown");
          expect(answeredSurplus).toBe(0);
          expect(exchange.ends.length).toBeLessThanOrEqual(1);
          for (const kind of ["request-headers", "response-headers"] as const) {
            expect(kindsOf(answers).filter((each) => each === kind).length).toBeLessThan(2);
          }
          expect(exchange.decidedOn.length).toBeLessThan(2);
        },
      ),
      { numRuns: 3_000 },
    );
  });

  it("gives each message at most one answer of its kind, except pieces of a body", () => {
    fc.assert(
      fc.property(fc.array(anyMessage, { maxLength: 12 }), (messages) => {
        const { machine, answers } = aMachine();
        for (const message of messages) machine.receive(message);
        for (const kind of ["request-headers", "response-headers", "request-trailers"] as const) {
          const received = messages.filter((message) => message.kind === kind).length;
          const answered = answers.filter((answer) => answer.kind === kind).length;
          expect(answered).toBeLessThanOrEqual(received);
        }
      }),
      { numRuns: 500 },
    );
  });
});

const upper = (chunk: Uint8Array) => Buffer.from(Buffer.from(chunk).toString().toUpperCase());

describe("the changes of a decision", () => {
  it("are sent with the headers and as pieces of the new body, in full duplex", () => {
    const { machine, answers } = aMachine({ outcome: routed("new body") });
    machine.receive(requestHeaders());
    machine.receive(requestBody("old"));
    expect(answers).toEqual([
      { kind: "request-headers", pick: { ...pick, bodyBytes: 8 } },
      {
        kind: "request-body",
        piece: { body: Buffer.from("new body"), endOfStream: true },
        pick: undefined,
      },
    ]);
  });

  it.each([
    ["full-duplex", true],
    ["streamed", true],
    ["none", false],
  ] as const)("depends on whether the proxy shows the answer (%s)", (mode, showsAnswer) => {
    const { machine, begun } = aMachine();
    machine.receive(requestHeaders({ responseBody: mode }));
    expect(begun).toMatchObject([{ head: { id: "r-1" }, showsAnswer }]);
  });

  it("are sent with the body if it is buffered", () => {
    const { machine, answers } = aMachine({ outcome: routed("new body") });
    machine.receive(requestHeaders({ requestBody: "buffered" }));
    machine.receive(requestBody("old"));
    expect(answers[1]).toEqual({
      kind: "request-body",
      piece: { replaced: Buffer.from("new body") },
      pick: { ...pick, bodyBytes: 8 },
    });
  });

  it("are sent with the first held chunk if it is streamed, and empty the others", () => {
    const { machine, answers } = aMachine({ outcome: routed("new body") });
    machine.receive(requestHeaders({ requestBody: "streamed", sendsBodyAtOnce: true }));
    machine.receive(requestBody("o", false));
    machine.receive(requestBody("ld"));
    expect(answers.slice(1)).toEqual([
      { kind: "request-body", piece: { replaced: Buffer.from("new body") }, pick: undefined },
      { kind: "request-body", piece: { replaced: new Uint8Array(0) }, pick: undefined },
    ]);
  });

  it("set the headers of plugins on request and response", () => {
    const outcome = routed(undefined, { set: [["x-prefiller-host-port", "10.0.0.9:8000"]] });
    const { machine, exchange, answers } = aMachine({ outcome });
    exchange.headersToSet = [["x-session-token", "abc"]];
    machine.receive(requestHeaders());
    machine.receive(requestBody("{}"));
    machine.receive(responseHeaders());
    expect(answers[0]).toMatchObject({
      pick: { headers: [["x-prefiller-host-port", "10.0.0.9:8000"]] },
    });
    expect(answers.at(-1)).toEqual({
      kind: "response-headers",
      set: [["x-session-token", "abc"]],
      removed: [],
    });
  });

  it("remove headers, but never the destination, which they set", () => {
    const removed = ["x-gateway-destination-endpoint", "x-encoder-hosts-ports"];
    const { machine, answers } = aMachine({ outcome: routed(undefined, { removed }) });
    machine.receive(requestHeaders());
    machine.receive(requestBody("{}"));
    expect(answers[0]).toMatchObject({ pick: { removed: ["x-encoder-hosts-ports"] } });
  });

  it("replace the response, remove its length, and send held-back bytes with the last piece", () => {
    const { machine, exchange, answers } = aMachine();
    exchange.replaces = upper;
    exchange.heldBack = Buffer.from("!");
    machine.receive(requestHeaders());
    machine.receive(requestBody("{}"));
    answers.length = 0;
    machine.receive(responseHeaders());
    machine.receive(responseBody("ab", false));
    machine.receive(responseBody("cd", true));
    expect(answers[0]).toEqual({ kind: "response-headers", set: [], removed: ["content-length"] });
    expect(passedOn(answers, "response-body")).toMatchObject({
      body: Buffer.from("ABCD!"),
      ends: [false, true],
    });
  });

  it("report numbers once, with the last piece of the response or with its trailers", () => {
    for (const endOfStream of [true, false]) {
      const { machine, exchange, answers } = aMachine();
      exchange.metadata = new Map([["envoy.lb", new Map([["cost", 42]])]]);
      machine.receive(requestHeaders());
      machine.receive(requestBody("{}", true));
      machine.receive(responseHeaders());
      machine.receive(responseBody("x".repeat(70_000), false));
      machine.receive(responseBody("y".repeat(70_000), endOfStream));
      if (!endOfStream) machine.receive(responseTrailers);
      const reporting = answers.filter((each) => "metadata" in each);
      expect(reporting).toEqual([answers.at(-1)]);
      expect(reporting).toMatchObject([{ metadata: exchange.metadata }]);
    }
  });

  it("send held-back bytes before the trailers that end the response", () => {
    const { machine, exchange, answers } = aMachine();
    exchange.replaces = upper;
    exchange.heldBack = Buffer.from("!");
    machine.receive(requestHeaders());
    machine.receive(requestBody("{}"));
    machine.receive(responseHeaders());
    machine.receive(responseBody("ab", false));
    machine.receive(responseTrailers);
    expect(kindsOf(answers).slice(-2)).toEqual(["response-body", "response-trailers"]);
    expect(passedOn(answers, "response-body").body).toEqual(Buffer.from("AB!"));
  });

  it("replace whole chunks if the response is not in full duplex", () => {
    const { machine, exchange, answers } = aMachine();
    exchange.replaces = upper;
    machine.receive(requestHeaders({ responseBody: "streamed" }));
    machine.receive(requestBody("{}"));
    machine.receive(responseHeaders());
    machine.receive(responseBody("ab", true));
    expect(answers.at(-1)).toEqual({
      kind: "response-body",
      piece: { replaced: Buffer.from("AB") },
    });
  });

  it("keep the length of a response whose body the proxy does not send", () => {
    const { machine, exchange, answers } = aMachine();
    exchange.replaces = upper;
    machine.receive(requestHeaders({ responseBody: "none" }));
    machine.receive(requestBody("{}"));
    machine.receive(responseHeaders());
    expect(answers.at(-1)).toEqual({ kind: "response-headers", set: [], removed: [] });
  });
});

/** A machine, and a function that ends the wait. */
function aWaiting(parts: { bodyUse?: BodyUse; bytesMax?: number; waitTimeoutMs?: number } = {}) {
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  const decided = async (outcome: Outcome) => {
    resolve(outcome);
    await promise;
  };
  return { ...aMachine({ ...parts, outcome: promise }), decided };
}

describe("a stream whose request waits for admission", () => {
  it("answers nothing until the decision, then the same as without a wait", async () => {
    const { machine, answers, decided, calls } = aWaiting();
    machine.receive(requestHeaders());
    machine.receive(requestBody("ab", false));
    machine.receive(requestBody("cd"));
    expect([answers, machine.isOver]).toEqual([[], false]);
    await decided(routed());
    expect(answers[0]).toEqual({ kind: "request-headers", pick });
    expect(passedOn(answers, "request-body")).toMatchObject({
      body: Buffer.from("abcd"),
      ends: [true],
    });
    expect(calls).toEqual([]);
  });

  it.each<Partial<ProtocolConfig>>([{ requestBody: "buffered" }, { requestBody: "none" }, {}])(
    "asks the proxy for time once if it may: %o",
    async (config) => {
      const waiting = aWaiting({ waitTimeoutMs: 90_500 });
      const { machine, answers, decided } = waiting;
      machine.receive(requestHeaders(config));
      machine.receive(requestBody("ab"));
      expect(answers.at(-1)).toEqual({ kind: "later", timeoutMs: 90_500 });
      await decided(routed());
      expect(answers.filter(({ kind }) => kind === "later")).toHaveLength(1);
      expect(answers.at(-1)?.kind).not.toBe("later");
    },
  );

  it("asks for no time if the request does not wait", () => {
    const { machine, answers } = aMachine({ waitTimeoutMs: 90_500 });
    machine.receive(requestHeaders());
    machine.receive(requestBody("ab"));
    expect(answers.map(({ kind }) => kind)).not.toContain("later");
  });

  it.each<[string, Partial<ProtocolConfig>, readonly ProxyMessage[]]>([
    ["trailers in full duplex", {}, [requestBody("a", false), requestTrailers]],
    [
      "trailers of a streamed body",
      { requestBody: "streamed", sendsBodyAtOnce: true },
      [requestBody("a", false), requestTrailers],
    ],
    ["a buffered body", { requestBody: "buffered" }, [requestBody("ab")]],
    ["a body that is cut", { requestBody: "buffered-partial" }, [requestBody("ab", false)]],
    ["headers alone", { requestBody: "none" }, []],
  ])("gives the same answers as without a wait: %s", async (_, config, messages) => {
    const atOnce = aMachine();
    const waited = aWaiting();
    for (const message of [requestHeaders(config), ...messages]) {
      atOnce.machine.receive(message);
      waited.machine.receive(message);
    }
    await waited.decided(routed());
    for (const { machine } of [atOnce, waited]) {
      machine.receive(responseHeaders());
      machine.receive(responseBody("x", true));
    }
    expect(waited.answers).toEqual(atOnce.answers);
    expect(waited.exchange.ends).toEqual(["complete"]);
  });

  it("holds the chunks of a body that is not read, and passes them on in order", async () => {
    const { machine, answers, decided } = aWaiting({ bodyUse: "none" });
    machine.receive(requestHeaders());
    machine.receive(requestBody("ab", false));
    machine.receive(requestBody("cd", false));
    expect(answers).toEqual([]);
    await decided(routed());
    machine.receive(requestBody("ef", true));
    expect(passedOn(answers, "request-body")).toMatchObject({
      body: Buffer.from("abcdef"),
      ends: [false, false, true],
    });
  });

  it("stops reading from a proxy that sends more, until the decision", async () => {
    const { machine, answers, calls, decided } = aWaiting({ bodyUse: "none" });
    machine.receive(requestHeaders());
    const chunk = "x".repeat(40_000);
    machine.receive(requestBody(chunk, false));
    expect(calls).toEqual([]);
    // 80,000 bytes are beyond 65,536.
    machine.receive(requestBody(chunk, false));
    expect(calls).toEqual(["pause"]);
    machine.receive(requestBody("y", true));
    await decided(routed());
    expect(calls).toEqual(["pause", "resume"]);
    expect(passedOn(answers, "request-body").body.length).toBe(80_001);
  });

  it("is refused after a wait, and ends the stream", async () => {
    const { machine, answers, calls, exchange, decided } = aWaiting({ bodyUse: "none" });
    machine.receive(requestHeaders());
    machine.receive(requestBody("x".repeat(70_000), false));
    await decided({ kind: "refused", refusal: { code: "saturated", message: "full" } });
    expect(kindsOf(answers)).toEqual(["immediate"]);
    expect([machine.isOver, exchange.ends]).toEqual([true, ["refused"]]);
    expect(calls).toEqual(["pause", "resume", "finish"]);
  });

  it("releases a request whose client leaves, and answers no later decision", async () => {
    const { machine, answers, exchange, decided } = aWaiting();
    machine.receive(requestHeaders(undefined, { endOfStream: true }));
    machine.close("unknown");
    expect([exchange.ends, exchange.endedBy]).toEqual([["aborted"], "client"]);
    await decided(routed());
    expect(answers).toEqual([]);
  });

  it("is cut off when the time to drain is over", () => {
    const { machine, exchange } = aWaiting();
    machine.receive(requestHeaders(undefined, { endOfStream: true }));
    machine.close("drain");
    expect([exchange.ends, exchange.endedBy]).toEqual([["aborted"], "drain"]);
  });

  it("passes on the answer of another filter, and ignores a later decision", async () => {
    const { machine, answers, exchange, decided } = aWaiting();
    machine.receive(requestHeaders());
    machine.receive(requestBody("ab"));
    machine.receive(responseHeaders());
    await decided({ kind: "gone" });
    machine.receive(responseBody("x", true));
    expect(kindsOf(answers)).toEqual(["response-headers", "response-body"]);
    expect(exchange.ends).toEqual(["complete"]);
  });
});

/** A machine whose request is routed and whose response head waits, and a function that ends the wait. */
function aHeadWait(config: Partial<ProtocolConfig> = {}) {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const parts = aMachine();
  parts.exchange.headWait = promise;
  parts.exchange.headersToSet = [["x-session", "a"]];
  parts.machine.receive(requestHeaders(config));
  parts.machine.receive(requestBody("{}"));
  parts.answers.length = 0;
  const changed = async () => {
    resolve(undefined);
    await promise;
    // The change follows the promise by one more turn.
    await Promise.resolve();
  };
  return { ...parts, changed };
}

describe("a stream whose response head waits for its changes", () => {
  const changedHead = { kind: "response-headers", set: [["x-session", "a"]], removed: [] };

  it("answers nothing of the response before, and then all in order", async () => {
    const { machine, answers, exchange, calls, changed } = aHeadWait();
    machine.receive(responseHeaders());
    machine.receive(responseBody("ab", false));
    machine.receive(responseBody("cd", true));
    expect([answers, machine.isOver]).toEqual([[], false]);
    await changed();
    expect(answers[0]).toEqual(changedHead);
    expect(passedOn(answers, "response-body")).toMatchObject({
      body: Buffer.from("abcd"),
      ends: [false, true],
    });
    expect([exchange.ends, machine.isOver, calls]).toEqual([["complete"], true, ["finish"]]);
  });

  it("ends after a head without a body, and after trailers", async () => {
    const bare = aHeadWait();
    bare.machine.receive(responseHeaders(true));
    expect([bare.exchange.ends, bare.machine.isOver]).toEqual([[], false]);
    await bare.changed();
    expect([bare.answers, bare.exchange.ends]).toEqual([[changedHead], ["complete"]]);

    const { machine, answers, exchange, changed } = aHeadWait();
    machine.receive(responseHeaders());
    machine.receive(responseTrailers);
    await changed();
    expect(kindsOf(answers)).toEqual(["response-headers", "response-trailers"]);
    expect(exchange.ends).toEqual(["complete"]);
  });

  it("lets the rest of the request pass meanwhile", async () => {
    const { promise } = Promise.withResolvers<undefined>();
    const { machine, answers, exchange } = aMachine({ bodyUse: "none" });
    exchange.headWait = promise;
    machine.receive(requestHeaders());
    machine.receive(responseHeaders());
    machine.receive(requestBody("ab", true));
    expect(kindsOf(answers)).toEqual(["request-headers", "request-body"]);
  });

  it("stops reading from a proxy that sends more than 64 KiB, until the change", async () => {
    const { machine, answers, calls, changed } = aHeadWait();
    machine.receive(responseHeaders());
    machine.receive(responseBody("x".repeat(70_000), false));
    expect(calls).toEqual(["pause"]);
    await changed();
    expect(calls).toEqual(["pause", "resume"]);
    machine.receive(responseBody("", true));
    expect(passedOn(answers, "response-body").body.length).toBe(70_000);
  });

  it("answers nothing after the proxy has closed the stream", async () => {
    const { machine, answers, exchange, changed } = aHeadWait();
    machine.receive(responseHeaders());
    machine.close("unknown");
    await changed();
    expect([answers, exchange.ends]).toEqual([[], ["aborted"]]);
  });
});
