import { describe, expect, it } from "vitest";
import type { RequestRecord } from "../core/request-record.ts";
import { aDecision, aHead, anEndpoint, aRecord, aRequest } from "#test/support/builders.ts";
import { gatheredLog } from "#test/support/log-lines.ts";
import type { LogLevel } from "./logger.ts";
import { logRequest } from "./request-log.ts";

function linesFor(record: RequestRecord, level: LogLevel = "info"): readonly string[] {
  const { log, written } = gatheredLog(level);
  logRequest(log, record);
  return written;
}

function lineFor(parts: Partial<RequestRecord> = {}): Record<string, unknown> {
  const [line = "{}"] = linesFor(aRecord(parts));
  // JSON.parse gives any; a log line is an object.
  return JSON.parse(line) as Record<string, unknown>;
}

describe("the request log", () => {
  it("is one line with names, sizes and times", () => {
    const endpoints = [anEndpoint({ slot: 2 }), anEndpoint({ slot: 1 })] as const;
    const record = aRecord({
      request: aRequest({ isStreaming: true, bodyBytes: 321 }),
      decision: aDecision({
        endpoints,
        candidateCount: 5,
        score: 2.5,
        prefixHit: { producer: "approx", ratio: 2 / 3, tokens: 128 },
        latency: { producer: "predicted", ttftMs: 48.12345, tpotMs: 20 },
      }),
      servedBy: "10.0.0.1:8000",
      usage: { promptTokens: 100, outputTokens: 20, cachedTokens: 64 },
      startedMs: 1_000,
      decidedMs: 1_000.1234567,
      firstTokenMs: 1_050,
      endedMs: 1_900.5,
    });
    expect(linesFor(record)).toHaveLength(1);
    expect(lineFor(record)).toEqual({
      level: "info",
      time: expect.any(String),
      msg: "request",
      requestId: "request-1",
      method: "POST",
      path: "/v1/chat/completions",
      api: "chat",
      model: "llama",
      streaming: true,
      endpoint: "10.0.0.2:8000",
      servedBy: "10.0.0.1:8000",
      score: 2.5,
      candidates: 5,
      prefixHit: 0.667,
      predictedTtftMs: 48.123,
      status: 200,
      end: "complete",
      bodyBytes: 321,
      responseBytes: 500,
      promptTokens: 100,
      cachedTokens: 64,
      outputTokens: 20,
      decidedMs: 0.123, // 1,000.1234567 - 1,000, to the microsecond
      ttftMs: 50,
      durationMs: 900.5,
    });
  });

  it("leaves out what there was not", () => {
    const line = lineFor({
      request: undefined,
      decision: undefined,
      refusal: { code: "malformed_request", message: "the body is no JSON" },
      httpStatus: undefined,
      decidedMs: undefined,
      firstTokenMs: undefined,
      end: "refused",
    });
    expect(Object.keys(line).join(" ")).toBe(
      "level time requestId method path status refused end responseBytes durationMs msg",
    );
    expect(line).toMatchObject({ refused: "malformed_request", end: "refused", status: 400 });
  });

  it("leaves out a score where no scorer ran, and the model where none is named", () => {
    const line = lineFor({
      request: aRequest({ model: "" }),
      decision: aDecision({ score: Number.NaN }),
    });
    expect(line).not.toHaveProperty("score");
    expect(line).not.toHaveProperty("model");
    expect(line).not.toHaveProperty("streaming");
  });

  it("holds no header, no query and no prompt", () => {
    const head = aHead({
      path: "/v1/chat/completions?api-key=s3cret?x=s3cret#s3cret",
      headers: new Map([
        ["authorization", "Bearer s3cret"],
        ["cookie", "session=s3cret"],
        ["x-api-key", "s3cret"],
      ]),
    });
    const request = aRequest({
      head,
      prompts: [
        [
          { kind: "text", text: "s3cret" },
          { kind: "media", mediaType: "image", reference: "data:s3cret" },
        ],
      ],
    });
    const line = linesFor(aRecord({ head, request }), "trace").join("");
    expect(line).toContain('"path":"/v1/chat/completions"');
    expect(line).not.toContain("s3cret");
  });

  it("stays one line whatever a client puts into names", () => {
    const head = aHead({ id: 'a"\n{}', path: "/\n\u2028" });
    const [line, ...more] = linesFor(aRecord({ head, request: aRequest({ head, model: "m\nn" }) }));
    expect(more).toEqual([]);
    expect(line?.trimEnd()).not.toContain("\n");
    expect(JSON.parse(line ?? "")).toMatchObject({ requestId: 'a"\n{}', model: "m\nn" });
  });

  it("is silent where only warnings are wanted", () => {
    expect(linesFor(aRecord(), "warn")).toEqual([]);
  });
});
