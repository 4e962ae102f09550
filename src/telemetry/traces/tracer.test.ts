import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { aContext, aDecision, aHead, aRecord, aResponseHead } from "#test/support/builders.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import type { RequestTrace } from "../../core/request-trace.ts";
import { RandomHex } from "../../std/random-hex.ts";
import { seededRandom } from "../../std/random.ts";
import type { SpanGroup } from "./span.ts";
import { spansMax } from "./span-list.ts";
import { type SamplerSettings, SpanTracer } from "./tracer.ts";

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
const parentOf = (flags: string, trace = traceId) => `00-${trace}-00f067aa0ba902b7-${flags}`;

function aTracer(sampler: SamplerSettings) {
  const groups: SpanGroup[] = [];
  const clock = new FakeClock();
  let leftOut = 0;
  const tracer = new SpanTracer({
    ...{ clock, sampler, random: new RandomHex(), chance: seededRandom(7) },
    sink: { add: (group) => void groups.push(group) },
    onLeftOut: (spans) => void (leftOut += spans),
  });
  const begin = (headers: Readonly<Record<string, string>> = {}) =>
    tracer.begin(aHead({ headers: new Map(Object.entries(headers)) }), clock.nowMs());
  return { begin, groups, clock, leftOut: () => leftOut };
}

/** True if a trace is sampled by its id, although its client's span is not. */
const isTakenById = (ratio: number, id: string) =>
  aTracer(roots(ratio, false)).begin({ traceparent: parentOf("00", id) }) !== undefined;

const roots = (ratio: number, followsParent = true) => ({ ratio, followsParent });

describe("sampling", () => {
  it("follows the client's, whatever the ratio is", () => {
    expect(aTracer(roots(0)).begin({ traceparent: parentOf("01") })?.traceId).toBe(traceId);
    expect(aTracer(roots(1)).begin({ traceparent: parentOf("00") })).toBeUndefined();
  });

  it("takes its share of the traces that begin here", () => {
    const { begin } = aTracer(roots(0.1));
    const traces = Array.from({ length: 20_000 }, () => begin()?.traceId);
    const begun = traces.filter((id) => id !== undefined);
    expect(begun.length / traces.length).toBeCloseTo(0.1, 1);
    expect(new Set(begun).size).toBe(begun.length);
  });

  it("begins another trace for a parent that is invalid", () => {
    const found = aTracer(roots(1)).begin({ traceparent: parentOf("01").toUpperCase() });
    expect(found?.traceId).toMatch(/^[\da-f]{32}$/u);
    expect(found?.traceId).not.toBe(traceId);
  });

  it("goes by the id of the trace if the parent does not count: a larger ratio has all of a smaller one", () => {
    const ids = fc
      .uint8Array({ minLength: 16, maxLength: 16 })
      .map((bytes) => Buffer.from(bytes).toString("hex"));
    const ratio = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(ids, ratio, ratio, (id, one, other) => {
        fc.pre(/[^0]/u.test(id));
        const shares = [0, Math.min(one, other), Math.max(one, other), 1];
        const taken = shares.map((share) => isTakenById(share, id));
        expect(taken).toEqual(taken.toSorted((a, b) => Number(a) - Number(b)));
        expect([taken[0], taken[3]]).toEqual([false, true]);
      }),
    );
  });

  it("is that of OpenTelemetry for Go: the last 8 bytes of the id, without the lowest bit", () => {
    const half = `${"0".repeat(16)}8${"0".repeat(15)}`;
    const below = `${"0".repeat(16)}7${"f".repeat(15)}`;
    expect([half, below].map((id) => isTakenById(0.5, id))).toEqual([false, true]);
  });
});

/** A sampled request. */
function aTrace(headers: Readonly<Record<string, string>> = {}) {
  const { begin, ...rest } = aTracer(roots(1));
  const trace = begin(headers);
  if (trace === undefined) throw new Error("every request is sampled");
  return { trace, ...rest };
}

const namesOf = (group: SpanGroup | undefined) => group?.spans.map(({ name }) => name);

function decided(trace: RequestTrace, stages: readonly string[] = []) {
  const decision = trace.scheduling();
  for (const stage of stages) {
    decision.begin(stage);
    decision.end();
  }
  decision.end();
}

describe("the spans of a request", () => {
  it("have the last of several decisions, and an attempt for each that was sent", () => {
    const { trace, groups } = aTrace();
    trace.deciding();
    trace.waiting(true, undefined);
    decided(trace, ["first try"]);
    decided(trace, ["second try"]);
    trace.waiting(false, undefined);
    trace.attempt({ context: aContext(), decision: aDecision() });
    trace.decided();
    trace.ended?.(aRecord());
    expect(namesOf(groups[0])).toEqual([
      ...["gateway.request", "gateway.request_orchestration", "flow_control.wait"],
      ...["decide", "second try", "engine.request"],
    ]);
  });

  it("keep a decision that refused the request", () => {
    const { trace, groups } = aTrace();
    trace.deciding();
    decided(trace);
    const refusal = { code: "saturated", message: "a secret" } as const;
    trace.ended?.(aRecord({ refusal, httpStatus: undefined }));
    expect(namesOf(groups[0])).toContain("decide");
    expect(groups[0]?.spans[0]).toMatchObject({
      error: "saturated",
      attributes: { "http.response.status_code": 429, "error.type": "saturated" },
    });
    expect(JSON.stringify(groups)).not.toContain("a secret");
  });

  it("tell a retry from a hedge, and name each attempt to its engine", () => {
    const { trace, groups } = aTrace({ traceparent: parentOf("01"), tracestate: "a=1" });
    const [first, retry, hedge] = [aDecision(), aDecision(), aDecision()];
    const attempts = [first, retry, hedge].map((decision) =>
      trace.attempt({ context: aContext(), decision }),
    );
    const failed = { decision: first, httpStatus: 503, hasAnswered: true, failedMs: 1 };
    attempts[0]?.follower.responseHead?.(aResponseHead({ httpStatus: 503 }), 1);
    attempts[0]?.follower.ended?.(
      aRecord({ failure: { code: "upstream_503", blame: "engine" }, endedMs: 1 }),
    );
    trace.retried?.(failed, retry);
    trace.hedged?.(hedge);
    trace.outrun?.(retry, hedge, undefined);
    trace.ended?.(aRecord({ decision: hedge }));
    const spans = groups[0]?.spans.filter(({ name }) => name === "engine.request") ?? [];
    expect(spans.map(({ attributes }) => attributes["pointsman.attempt.kind"])).toEqual([
      ...["first", "retry", "hedge"],
    ]);
    expect(spans.map(({ error }) => error)).toEqual(["upstream_503", undefined, undefined]);
    expect(spans[1]?.attributes["pointsman.attempt.is_outrun"]).toBe(true);
    expect(attempts.map(({ set, removed }) => ({ set, removed }))).toEqual(
      spans.map(({ id }) => ({ set: [["traceparent", `00-${traceId}-${id}-01`]], removed: [] })),
    );
    expect(groups[0]?.traceState).toBe("a=1");
  });

  it("go on with no state of a trace that was not valid", () => {
    const { trace, groups } = aTrace({ traceparent: "x", tracestate: "a=1" });
    const { removed } = trace.attempt({ context: aContext(), decision: aDecision() });
    trace.ended?.(aRecord());
    expect(removed).toEqual(["tracestate"]);
    expect(groups[0]?.traceState).toBe("");
  });

  it("all end, even those of a stage that threw", () => {
    const { trace, groups } = aTrace();
    trace.deciding();
    trace.scheduling().begin("broken");
    trace.ended?.(aRecord({ endedMs: 5 }));
    const spans = groups[0]?.spans ?? [];
    expect(spans.every(({ endedMs }) => Number.isFinite(endedMs))).toBe(true);
    expect(spans.find(({ name }) => name === "broken")?.error).toBe("internal");
  });

  it("have a bound", () => {
    const { trace, groups, leftOut } = aTrace();
    decided(
      trace,
      Array.from({ length: 1_000 }, (_, index) => `stage ${index}`),
    );
    trace.ended?.(aRecord());
    expect(groups[0]?.spans).toHaveLength(spansMax);
    // The request and the decision have spans too.
    expect(leftOut()).toBe(1_002 - spansMax);
  });
});
