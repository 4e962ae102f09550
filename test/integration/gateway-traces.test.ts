import type { ServerResponse } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import {
  exchanged,
  type HttpGatewayOptions,
  startHttpGateway,
  startScriptedEngine,
} from "#test/support/http-gateway.ts";
import { HttpCollector, type ReceivedSpan } from "#test/support/otlp-receiver.ts";
import { mistakesIn, spanNamed } from "#test/support/span-tree.ts";
import { eventually } from "#test/support/wait.ts";

const opened: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).toReversed()) await close();
});

type Answer = (response: ServerResponse) => void;

const trace = "4bf92f3577b34da6a3ce929d0e0e4736";
const parent = `00-${trace}-00f067aa0ba902b7-01`;
const body = { model: "m", stream: true, messages: [{ role: "user", content: "a-secret" }] };
const streamed =
  'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\ndata: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":4}}}\n\ndata: [DONE]\n\n';

const answers: Answer = (response) =>
  void response.writeHead(200, { "content-type": "text/event-stream" }).end(streamed);
const hasNoRoom: Answer = (response) => void response.writeHead(503).end("{}");
const answersLate: Answer = (response) => void setTimeout(() => answers(response), 1_000);

interface TracedOptions extends Partial<HttpGatewayOptions> {
  readonly sampler?: string;
}

/** A gateway whose engines answer in this order, whichever is asked, and what its collector has got. */
async function traced(order: readonly Answer[], options: TracedOptions = {}) {
  const collector = await HttpCollector.start();
  opened.push(() => collector.close());
  const asked: (string | undefined)[] = [];
  const engines = await Promise.all(
    order.map(() =>
      startScriptedEngine((request, response) => {
        const answer = order[asked.length % order.length];
        asked.push(request.headers["traceparent"]?.toString());
        answer?.(response);
      }),
    ),
  );
  for (const { close } of engines) opened.push(close);
  const gateway = await startHttpGateway({
    engines: engines.map(({ port }) => port),
    otel: {
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/protobuf",
      OTEL_BSP_SCHEDULE_DELAY: "20",
      OTEL_TRACES_SAMPLER: options.sampler ?? "parentbased_always_off",
    },
    ...options,
  });
  opened.push(gateway.close);
  return { collector, gateway, engines, asked };
}

/** The spans of the request of `parent`, once they have come. */
function spansOf(collector: HttpCollector): Promise<readonly ReceivedSpan[]> {
  const ofTrace = () => collector.spans.filter(({ traceId }) => traceId === trace);
  return eventually("the spans", () => (ofTrace().length > 0 ? ofTrace() : undefined));
}

const attemptsIn = (spans: readonly ReceivedSpan[]) =>
  spans
    .filter(({ name }) => name === "engine.request")
    .toSorted((a, b) => Number(a.start - b.start));

const withTrace = { headers: { "content-type": "application/json", traceparent: parent } };

describe("a traced request", () => {
  it("has its usage and times, and none of its text", async () => {
    const { collector, gateway, asked } = await traced([answers]);
    await (await gateway.ask(body, withTrace)).text();
    const spans = await spansOf(collector);
    expect(mistakesIn(spans)).toEqual([]);
    const request = spanNamed(spans, "gateway.request");
    expect(request.attributes).toMatchObject({
      "gen_ai.operation.name": "chat",
      "gen_ai.usage.input_tokens": 9,
      "gen_ai.usage.output_tokens": 3,
      "gen_ai.usage.cache_read.input_tokens": 4,
      "pointsman.attempts": 1,
    });
    const attempt = spanNamed(spans, "engine.request");
    expect(asked).toEqual([`00-${trace}-${attempt.id}-01`]);
    const ttftMs = Number(request.attributes["pointsman.ttft_ms"]);
    const event = attempt.events.find(({ name }) => name === "first_token");
    expect(Number((event?.at ?? 0n) - request.start) / 1e6).toBeCloseTo(ttftMs, 1);
    const shown = JSON.stringify(spans, (_, value: unknown) =>
      typeof value === "bigint" ? String(value) : value,
    );
    expect(shown).not.toContain("a-secret");
    expect(gateway.requests()[0]).toMatchObject({ traceId: trace });
    const page = await gateway.page("/metrics");
    expect(page).not.toContain(trace);
  });

  it("has a span for each attempt, and tells each engine its own", async () => {
    const { collector, gateway, asked } = await traced([hasNoRoom, answers]);
    expect((await gateway.ask(body, withTrace)).status).toBe(200);
    await eventually("the end", () => gateway.requests()[0]);
    const spans = await spansOf(collector);
    const attempts = attemptsIn(spans);
    expect(attempts).toMatchObject([
      {
        error: "upstream_503",
        attributes: { "pointsman.attempt.kind": "first", "http.response.status_code": 503 },
      },
      {
        error: undefined,
        attributes: { "pointsman.attempt.kind": "retry", "http.response.status_code": 200 },
      },
    ]);
    expect(asked).toEqual(attempts.map(({ id }) => `00-${trace}-${id}-01`));
    expect(spans.filter(({ name }) => name === "decide")).toHaveLength(2);
    expect(spanNamed(spans, "gateway.request")).toMatchObject({
      error: undefined,
      attributes: { "pointsman.attempts": 2 },
    });
  });

  it("has a span for the attempt that a hedge outran", async () => {
    const { collector, gateway, asked } = await traced([answersLate, answers], {
      http: { hedgeAfter: { kind: "fixed", ms: 100 } },
    });
    await (await gateway.ask(body, withTrace)).text();
    const spans = await spansOf(collector);
    const attempts = attemptsIn(spans);
    expect(attempts.map(({ attributes }) => attributes["pointsman.attempt.kind"])).toEqual([
      ...["first", "hedge"],
    ]);
    expect(attempts[0]?.attributes["pointsman.attempt.is_outrun"]).toBe(true);
    expect(attempts.map(({ error }) => error)).toEqual([undefined, undefined]);
    expect(asked).toEqual(attempts.map(({ id }) => `00-${trace}-${id}-01`));
  });

  it("has its wait for a turn", async () => {
    const held: ServerResponse[] = [];
    const { collector, gateway } = await traced([(response) => void held.push(response)], {
      document: `apiVersion: pointsman.dev/v1alpha1
kind: EndpointPickerConfig
plugins: [{type: concurrency-detector, parameters: {maxConcurrency: 1}}]
featureGates: [flowControl]
flowControl: {saturationDetector: {pluginRef: concurrency-detector}}
`,
    });
    const first = gateway.ask(body);
    await eventually("the first request", () => held[0]);
    const headers = { ...withTrace.headers, "x-llm-d-inference-fairness-id": "a-tenant" };
    const second = gateway.ask(body, { headers });
    await eventually("its wait", async () =>
      /"size": 1/u.test(await gateway.page("/debug/queues")) ||
      /"waiting": 1/u.test(await gateway.page("/debug/queues"))
        ? true
        : undefined,
    );
    for (const response of held) answers(response);
    await (await first).text();
    answers(await eventually("the second request", () => held[1]));
    await (await second).text();
    const spans = await spansOf(collector);
    const [wait, orchestration] = [
      spanNamed(spans, "flow_control.wait"),
      spanNamed(spans, "gateway.request_orchestration"),
    ];
    expect(wait).toMatchObject({
      parentId: orchestration.id,
      attributes: {
        "pointsman.flow.outcome": "Dispatched",
        "pointsman.flow.band": 0,
        "pointsman.flow.position": 0,
        "pointsman.flow.held_by": "saturation",
      },
    });
    expect(JSON.stringify(wait.attributes)).not.toContain("a-tenant");
    expect(wait.end).toBeLessThanOrEqual(spanNamed(spans, "engine.request").end);
  });

  it("that is refused names its error", async () => {
    const { collector, gateway } = await traced([answers]);
    expect((await gateway.ask("{", withTrace)).status).toBe(400);
    const spans = await spansOf(collector);
    expect(spanNamed(spans, "gateway.request")).toMatchObject({
      error: "malformed_request",
      attributes: { "http.response.status_code": 400, "pointsman.end": "refused" },
    });
    expect(attemptsIn(spans)).toEqual([]);
  });
});

const ask = (lines: readonly string[]) =>
  `GET /p HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${lines.map((line) => `${line}\r\n`).join("")}\r\n`;

describe("the trace headers of a request", () => {
  const state = "tracestate: vendor=1";
  const begun = (flags: string) =>
    expect.stringMatching(new RegExp(`^00-(?!${trace})[\\da-f]{32}-[\\da-f]{16}-${flags}$`, "u"));
  const goesOn = expect.stringMatching(new RegExp(`^00-${trace}-(?!00f0)[\\da-f]{16}-01$`, "u"));
  const unsampled = parent.replace(/01$/u, "00");

  it.each([
    ["always_off", [], begun("00"), undefined],
    ["always_on", [], begun("01"), undefined],
    ["parentbased_always_off", [`traceparent: ${parent}`, state], goesOn, "vendor=1"],
    ["parentbased_always_on", [`traceparent: ${unsampled}`, state], unsampled, "vendor=1"],
    ["always_on", [`traceparent: ${unsampled}`, state], goesOn, "vendor=1"],
    // A trace that is not valid does not go on, and neither does its state.
    ["always_on", [`traceparent: ${parent.toUpperCase()}`, state], begun("01"), undefined],
    [
      "always_on",
      [`traceparent: ${parent}`, `Traceparent: ${parent}`, state],
      begun("01"),
      undefined,
    ],
    ["always_off", [`traceparent: ${parent}`, `traceparent: ${parent}`], begun("00"), undefined],
    ["always_on", [`traceparent: ff${parent.slice(2)}`, state], begun("01"), undefined],
    ["parentbased_always_off", [`traceparent: cc${parent.slice(2)}-later`], goesOn, undefined],
  ] as const)("with the sampler %s and %j", async (...[sampler, lines, expected, stateSent]) => {
    const { gateway, engines } = await traced([answers], { sampler });
    await exchanged(gateway.port, ask(lines));
    const { headers } = engines[0]?.seen[0] ?? {};
    expect({ parent: headers?.["traceparent"], state: headers?.["tracestate"] }).toEqual({
      parent: expected,
      state: stateSent,
    });
  });
});
