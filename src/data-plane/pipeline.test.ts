import { describe, expect, it } from "vitest";
import type { Outcome } from "../core/decision.ts";
import type { RequestRecord } from "../core/request-record.ts";
import type { InferenceRequest, RequestHead } from "../core/request.ts";
import { anEndpoint, aRequest } from "#test/support/builders.ts";
import { Exchange, type Stages } from "./pipeline.ts";

const head: RequestHead = {
  id: "r-1",
  method: "POST",
  path: "/v1/chat/completions",
  headers: new Map(),
  subset: undefined,
};

function aPipeline(overrides: Partial<Stages> = {}) {
  const records: RequestRecord[] = [];
  const failures: unknown[] = [];
  let nowMs = 0;
  let openTickets = 0;
  const routed: Outcome = {
    kind: "routed",
    decision: { endpoints: [anEndpoint()], profile: "default", candidateCount: 1, score: 1 },
  };
  const stages: Stages = {
    nowMs: () => nowMs,
    bodyIsNeeded: () => true,
    parse: (): { kind: "parsed"; request: InferenceRequest } => ({
      kind: "parsed",
      request: aRequest(),
    }),
    endpoints: () => [anEndpoint()],
    load: () => {
      throw new Error("nobody looks at the load here");
    },
    schedule: () => routed,
    send: () => {
      openTickets += 1;
      let isOpen = true;
      return {
        release: () => {
          if (isOpen) openTickets -= 1;
          isOpen = false;
        },
      };
    },
    readUsage: () => {
      let bytes = 0;
      return {
        push: (chunk) => void (bytes += chunk.length),
        end: () => undefined,
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
  const working = { ...stages, load: overrides.load ?? (() => ({}) as ReturnType<Stages["load"]>) };
  return {
    exchange: new Exchange(head, working),
    records,
    failures,
    openTickets: () => openTickets,
    pass: (ms: number) => void (nowMs += ms),
  };
}

describe("a request's life", () => {
  it("is counted in flight from the decision to the end, and told once", () => {
    const { exchange, records, openTickets, pass } = aPipeline();
    expect(exchange.decide(new Uint8Array(0)).kind).toBe("routed");
    expect(openTickets()).toBe(1);
    pass(100);
    exchange.responseHead(200, new Map(), "10.0.0.1:8000");
    pass(20);
    exchange.responseChunk(Buffer.from("abc"));
    pass(30);
    exchange.responseChunk(Buffer.from("d"));
    exchange.responseChunk(new Uint8Array(0));
    exchange.end("complete");
    exchange.end("aborted");
    expect(openTickets()).toBe(0);
    expect(records).toHaveLength(1);
    expect(records[0]).toMatchObject({
      end: "complete",
      httpStatus: 200,
      servedBy: "10.0.0.1:8000",
      responseBytes: 4,
      responseChunks: 2,
      startedMs: 0,
      responseHeadMs: 100,
      firstChunkMs: 120,
      lastChunkMs: 150,
      endedMs: 150,
      usage: { promptTokens: 1, outputTokens: 4 },
    });
  });

  it("asks the scheduler for nothing when the request cannot be read", () => {
    const refusal = { code: "malformed_request", message: "`model` is missing" } as const;
    const { exchange, records, openTickets } = aPipeline({
      parse: () => ({ kind: "refused", refusal }),
      schedule: () => {
        throw new Error("scheduled all the same");
      },
    });
    expect(exchange.decide(undefined)).toEqual({ kind: "refused", refusal });
    exchange.end("refused");
    expect(openTickets()).toBe(0);
    expect(records[0]).toMatchObject({ refusal, decision: undefined, schedulingMs: undefined });
  });

  it("turns a defect of a stage into a 500 that is reported, and goes on", () => {
    const { exchange, failures } = aPipeline({
      schedule: () => {
        throw new Error("a plugin broke");
      },
    });
    expect(exchange.decide(undefined)).toMatchObject({
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
