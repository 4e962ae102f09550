import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Decision, Outcome } from "../../../core/decision.ts";
import type { RequestEnd } from "../../../core/request-record.ts";
import { hostPortOf } from "../../../core/endpoint.ts";
import { pieceBytesMax } from "./body-pieces.ts";
import type { ProtocolConfig, ProxyAnswer, ProxyMessage } from "./messages.ts";
import { type MachineExchange, StreamMachine } from "./stream-machine.ts";

const bodyBytesMax = 1_000_000;
const picked = "127.0.0.1:8000";

/** Records what the machine asks of a request's life. */
class FakeExchange implements MachineExchange {
  readonly bodyIsNeeded: boolean;
  readonly outcome: Outcome;
  decidedOn: (Buffer | undefined)[] = [];
  responseBytes = 0;
  httpStatus: number | undefined;
  servedBy: string | undefined;
  ends: RequestEnd[] = [];

  constructor(bodyIsNeeded: boolean, outcome: Outcome) {
    this.bodyIsNeeded = bodyIsNeeded;
    this.outcome = outcome;
  }

  decide(body: Uint8Array | undefined): Outcome {
    this.decidedOn.push(body === undefined ? undefined : Buffer.from(body));
    return this.outcome;
  }

  refuse(code: "body_too_large", message: string): Outcome {
    return { kind: "refused", refusal: { code, message } };
  }

  responseHead(httpStatus: number | undefined, _headers: unknown, servedBy?: string): void {
    this.httpStatus = httpStatus;
    this.servedBy = servedBy;
  }

  responseChunk(chunk: Uint8Array): void {
    this.responseBytes += chunk.length;
  }

  /** As in the pipeline, the first end counts. */
  end(end: RequestEnd): void {
    if (this.ends.length === 0) this.ends.push(end);
  }
}

function routed(): Outcome {
  const endpoint: Decision["endpoints"][0] = {
    id: "default/a",
    namespace: "default",
    name: "a",
    address: "127.0.0.1",
    port: 8000,
    hostPort: hostPortOf("127.0.0.1", 8000),
    labels: {},
    slot: 0,
  };
  return {
    kind: "routed",
    decision: { endpoints: [endpoint], profile: "default", candidateCount: 1, score: 1 },
  };
}

function aMachine({ bodyIsNeeded = true, outcome = routed() } = {}) {
  const exchange = new FakeExchange(bodyIsNeeded, outcome);
  const answers: ProxyAnswer[] = [];
  const machine = new StreamMachine({
    begin: () => exchange,
    answer: (answer) => answers.push(answer),
    bodyBytesMax,
  });
  return { machine, exchange, answers };
}

const requestHeaders = (
  config?: Partial<ProtocolConfig>,
  { endOfStream = false, contentLength }: { endOfStream?: boolean; contentLength?: number } = {},
): ProxyMessage => ({
  kind: "request-headers",
  headers: new Map([
    [":method", "POST"],
    [":path", "/v1/chat/completions"],
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
    answer.kind === kind && answer.piece !== undefined ? [answer.piece] : [],
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
    expect(answers[0]).toEqual({ kind: "request-headers", destination: picked });
    expect(kindsOf(answers)).toEqual(["request-headers", "request-body"]);
    expect(passedOn(answers, "request-body")).toMatchObject({
      body: Buffer.from("abcd"),
      ends: [true],
    });
  });

  it("takes trailers for the end of a body whose last chunk did not say so", () => {
    const { machine, answers } = aMachine();
    machine.receive(requestHeaders());
    machine.receive(requestBody("ab", false));
    machine.receive(requestTrailers);
    expect(kindsOf(answers)).toEqual(["request-headers", "request-body", "request-trailers"]);
    expect(passedOn(answers, "request-body").ends).toEqual([false]);
  });

  it("routes trailers that follow no body at all", () => {
    const { machine, answers } = aMachine();
    machine.receive(requestHeaders());
    machine.receive(requestTrailers);
    expect(kindsOf(answers)).toEqual(["request-headers", "request-trailers"]);
  });

  it("decides a request without a body at its headers, on an empty body", () => {
    const { machine, answers, exchange } = aMachine();
    machine.receive(requestHeaders(undefined, { endOfStream: true }));
    expect(exchange.decidedOn).toEqual([Buffer.alloc(0)]);
    expect(answers).toEqual([{ kind: "request-headers", destination: picked }]);
  });

  it("lets a body that nobody needs pass chunk by chunk", () => {
    const { machine, answers, exchange } = aMachine({ bodyIsNeeded: false });
    machine.receive(requestHeaders());
    expect(answers).toEqual([{ kind: "request-headers", destination: picked }]);
    machine.receive(requestBody("ab", false));
    machine.receive(requestBody("", true));
    expect(exchange.decidedOn).toEqual([undefined]);
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
  ])("takes %s for the response's end", (_, messages) => {
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

describe("ext_proc stream in other body modes", () => {
  it("puts the pick on the answer to a buffered body", () => {
    const { machine, answers, exchange } = aMachine();
    machine.receive(requestHeaders({ requestBody: "buffered", responseBody: "buffered" }));
    machine.receive(requestBody("abc"));
    expect(exchange.decidedOn).toEqual([Buffer.from("abc")]);
    expect(answers).toEqual([
      { kind: "request-headers", destination: undefined },
      { kind: "request-body", piece: undefined, destination: picked },
    ]);
    machine.receive(responseHeaders());
    machine.receive(responseBody("whole", true));
    expect(answers.slice(2)).toEqual([
      { kind: "response-headers" },
      { kind: "response-body", piece: undefined },
    ]);
  });

  it("does not try to read a buffered body that the proxy has cut", () => {
    const { machine, exchange } = aMachine();
    machine.receive(requestHeaders({ requestBody: "buffered-partial" }));
    machine.receive(requestBody('{"model"', false));
    expect(exchange.decidedOn).toEqual([undefined]);
  });

  it.each(["none", "streamed"] as const)(
    "decides at the headers where the proxy shows no body before them (%s)",
    (mode) => {
      const { machine, answers, exchange } = aMachine();
      machine.receive(requestHeaders({ requestBody: mode }));
      expect(exchange.decidedOn).toEqual([undefined]);
      expect(answers).toEqual([{ kind: "request-headers", destination: picked }]);
    },
  );

  it("waits for a streamed body that comes without an answer, and lets each chunk pass", () => {
    const { machine, answers, exchange } = aMachine();
    machine.receive(requestHeaders({ requestBody: "streamed", sendsBodyAtOnce: true }));
    machine.receive(requestBody("ab", false));
    machine.receive(requestBody("cd"));
    expect(exchange.decidedOn).toEqual([Buffer.from("abcd")]);
    const unchanged = { kind: "request-body", piece: undefined, destination: undefined };
    expect(answers).toEqual([
      { kind: "request-headers", destination: picked },
      unchanged,
      unchanged,
    ]);
  });

  it("decides without a streamed body that is larger than the proxy's own buffer", () => {
    const { machine, answers, exchange } = aMachine();
    machine.receive(requestHeaders({ requestBody: "streamed", sendsBodyAtOnce: true }));
    machine.receive(requestBody("x".repeat(20_000), false));
    expect(answers).toEqual([]);
    machine.receive(requestBody("x".repeat(20_000), false));
    expect(exchange.decidedOn).toEqual([undefined]);
    expect(kindsOf(answers)).toEqual(["request-headers", "request-body", "request-body"]);
    machine.receive(requestBody("x"));
    expect(answers).toHaveLength(4);
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

  it("answers nothing more, whatever still arrives", () => {
    const { machine, answers } = aMachine({ outcome: refusal });
    machine.receive(requestHeaders(undefined, { endOfStream: true }));
    machine.receive(requestTrailers);
    machine.receive(responseHeaders());
    machine.receive(responseBody("x", true));
    expect(kindsOf(answers)).toEqual(["immediate"]);
  });

  it("refuses a body over the limit as soon as it is over, without having decided", () => {
    const { machine, answers, exchange } = aMachine();
    machine.receive(requestHeaders());
    machine.receive(requestBody("x".repeat(bodyBytesMax), false));
    expect(answers).toEqual([]);
    machine.receive(requestBody("x", false));
    expect(answers).toMatchObject([{ kind: "immediate", response: { httpStatus: 413 } }]);
    expect(exchange).toMatchObject({ decidedOn: [], ends: ["refused"] });
  });

  it("refuses a body that announces to be over the limit at its headers", () => {
    const { machine, answers } = aMachine();
    machine.receive(requestHeaders(undefined, { contentLength: bodyBytesMax + 1 }));
    expect(answers).toMatchObject([{ kind: "immediate", response: { httpStatus: 413 } }]);
  });
});

describe("ext_proc stream that closes", () => {
  it.each([
    ["before its body is complete", [requestHeaders(), requestBody("a", false)]],
    ["after the pick", [requestHeaders(), requestBody("a")]],
    ["in the middle of the response", [requestHeaders(), requestBody("a"), responseHeaders()]],
  ])("ends the request when it closes %s", (_, messages) => {
    const { machine, exchange } = aMachine();
    for (const message of messages) machine.receive(message);
    machine.close();
    expect(exchange.ends).toEqual(["aborted"]);
  });

  it("takes a response whose body the proxy does not show for complete", () => {
    const { machine, exchange } = aMachine();
    machine.receive(requestHeaders({ responseBody: "none" }, { endOfStream: true }));
    machine.receive(responseHeaders());
    expect(exchange.ends).toEqual([]);
    machine.close();
    expect(exchange.ends).toEqual(["complete"]);
  });

  it("keeps a complete request complete", () => {
    const { machine, exchange } = aMachine();
    machine.receive(requestHeaders(undefined, { endOfStream: true }));
    machine.receive(responseHeaders(true));
    machine.close();
    expect(exchange.ends).toEqual(["complete"]);
  });

  it("may close before anything was said", () => {
    const { machine, answers } = aMachine();
    machine.close();
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

describe("ext_proc stream, whatever comes", () => {
  it("passes a request body on unchanged, however it is split", () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 100_000 }), { minLength: 1, maxLength: 5 }),
        fc.boolean(),
        (chunks, bodyIsNeeded) => {
          const { machine, answers } = aMachine({ bodyIsNeeded });
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
        fc.boolean(),
        fc.boolean(),
        (messages, bodyIsNeeded, isRefused) => {
          const outcome: Outcome = isRefused
            ? { kind: "refused", refusal: { code: "saturated", message: "full" } }
            : routed();
          const { machine, answers, exchange } = aMachine({ bodyIsNeeded, outcome });
          for (const message of messages) machine.receive(message);
          machine.close();
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
