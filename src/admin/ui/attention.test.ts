import { describe, expect, it } from "vitest";
import { aLivePage, aQueue, type LiveParts, quietRow } from "#test/support/live-source.ts";
import { findingsOf } from "./attention.js";

/** Time of the live page. */
const wallMs = Date.UTC(2026, 0, 1, 12);
const dayMs = 86_400_000;

async function findingsIn(parts: LiveParts): Promise<string[]> {
  const page = await aLivePage(parts);
  return findingsOf(page).map(({ severity, text }) => `${severity}: ${text}`);
}

const answers = (cachedTokens: number, ttftMs: number, promptTokens = 10_000) => ({
  answers: 10,
  promptTokens,
  cachedTokens,
  ttftCount: 10,
  ttftMs: ttftMs * 10,
});

/** Answers of engines 0, 1, ... in this order. */
const answering = (...sums: readonly ReturnType<typeof answers>[]) => ({
  count: sums.length,
  decisions: { answers: new Map(sums.map((each, slot) => [`10.0.0.${slot}:8000`, each])) },
});

const failing = {
  scrapesOf: () => ({ ok: 0, failures: { connect: 1 } }),
  readingOf: () => undefined,
};

describe("what needs attention", () => {
  it("is nothing in a quiet pool", async () => {
    expect(await findingsIn({})).toEqual([]);
  });

  it.each<{ what: string; parts: LiveParts; findings: string[] }>([
    {
      what: "an empty pool",
      parts: { count: 0, pool: { notReady: ["the pool is not known"] } },
      findings: ["bad: Not ready: the pool is not known", "bad: The pool has no endpoints."],
    },
    {
      what: "an ejected endpoint",
      parts: { health: { 1: { phase: "ejected", reason: "refused" } } },
      findings: ["bad: Ejected: default/engine-1"],
    },
    {
      what: "a pool that takes nothing",
      parts: { count: 1, health: { 0: { phase: "ejected", reason: "check" } } },
      findings: ["bad: No endpoint takes requests.", "bad: Ejected: default/engine-0"],
    },
    {
      what: "certificates that were not renewed",
      parts: {
        certificates: [
          { port: "grpc", startMs: wallMs - 80 * dayMs, endMs: wallMs + 9 * dayMs },
          { port: "http", startMs: wallMs - 80 * dayMs, endMs: wallMs - dayMs },
          // A day of certificates that are valid for two.
          { port: "metrics", startMs: wallMs - dayMs, endMs: wallMs + dayMs },
        ],
      },
      findings: [
        "warn: The certificate of the grpc port expires in 9 days.",
        "warn: The certificate of the http port has expired.",
      ],
    },
    {
      what: "engines without metrics",
      parts: { count: 5, rowOf: () => ({ signalsTrust: 0 }), pool: failing },
      findings: [
        "bad: Metrics cannot be read: default/engine-0, default/engine-1, default/engine-2 and 2 more",
      ],
    },
    {
      what: "reports that are old",
      parts: { count: 1, rowOf: (slot) => ({ ...quietRow(slot), signalsTrust: 0.4 }) },
      findings: ["warn: Signals are old: default/engine-0"],
    },
    {
      // 900 / 300 = 3 times the median of 300.
      what: "an engine that is three times as slow",
      parts: answering(answers(5_000, 300), answers(5_000, 290), answers(5_000, 900)),
      findings: ["warn: Time to first token 3 times the median of 300 ms: default/engine-2"],
    },
    {
      what: "an engine without a prefix cache",
      parts: answering(answers(5_000, 300), answers(5_000, 300), answers(0, 300)),
      findings: ["warn: No cached prompt token, where the median is 50 %: default/engine-2"],
    },
    {
      what: "an engine that does not report cached tokens",
      parts: answering(answers(5_000, 300), answers(0, 300, 0)),
      findings: ["info: Cached tokens are not reported: default/engine-1"],
    },
    {
      what: "a refused document, and warnings",
      parts: { config: { isRefused: true, warnings: ["enableEviction has no effect"] } },
      findings: [
        "bad: The last document of the configuration was refused; the previous one is in force.",
        "warn: Configuration: enableEviction has no effect",
      ],
    },
    {
      what: "requests that wait",
      parts: { queues: aQueue(12) },
      findings: ["info: 12 requests in the queue, the oldest for 4.2 s"],
    },
    {
      what: "endpoints that are left out",
      parts: { pool: { leftOut: [{ namespace: "n", name: "p", reason: "duplicate-id" }] } },
      findings: ["warn: 1 endpoint left out of the pool; see below."],
    },
  ])("is $what", async ({ parts, findings }) => {
    expect(await findingsIn(parts)).toEqual(findings);
  });
});
