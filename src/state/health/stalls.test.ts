import { describe, expect, it } from "vitest";
import { scriptedSigns } from "#test/support/engine-signs.ts";
import { EndpointPace } from "../pace/endpoint-pace.ts";
import { Contact } from "./contact.ts";
import type { EngineReport } from "./engine-signs.ts";
import { stallOf } from "./stalls.ts";
import { Waits } from "./waits.ts";

const stallMs = 10_000;

interface Situation {
  readonly streams?: number;
  readonly whole?: number;
  /** Requests that are being streamed. */
  readonly streaming?: number;
  readonly waitedMs?: number;
  /** The engine's reports at second 0 and now; undefined for no fresh report. */
  readonly reports?: readonly [
    Partial<EngineReport> | undefined,
    Partial<EngineReport> | undefined,
  ];
  readonly contacts?: readonly ("answered" | "refused" | "silent")[];
  readonly mostRunning?: number;
  readonly promptTokens?: number;
  readonly longestWholeMs?: number;
}

function stallIn(situation: Situation) {
  const { streams = 0, whole = 0, streaming = 0, waitedMs = 11_000 } = situation;
  const { reports = [undefined, undefined], contacts = [], promptTokens = 100 } = situation;
  const nowMs = 100_000;
  const sentMs = nowMs - waitedMs;
  const waits = new Waits();
  const pace = new EndpointPace();
  const signs = scriptedSigns(1);
  const contact = new Contact();
  if (situation.longestWholeMs !== undefined) {
    waits.sent(false, 0);
    waits.over(false, 0, situation.longestWholeMs);
  }
  for (let count = 0; count < streams + whole; count += 1) {
    waits.sent(count < streams, sentMs);
    pace.sent({ tokensMin: promptTokens, tokensMax: promptTokens }, sentMs);
  }
  const [before, now] = reports.map((report, index) => {
    signs.say(0, report);
    const full = signs.reportOf(0);
    waits.noteReport(full, index === 0 ? sentMs : nowMs);
    return full;
  });
  void before;
  for (const how of contacts) {
    signs.contact(0, how);
    contact.look(0, signs);
  }
  const { mostRunning = 1 } = situation;
  const openRequests = streams + whole + streaming;
  const row = { waits, pace, contact, openRequests, mostRunning };
  return stallOf(row, now, { stallMs, nowMs });
}

const same = (report: Partial<EngineReport>) => [report, report] as const;
const gone = ["answered", "silent", "silent"] as const;

describe("silence", () => {
  it.each<[string, Situation]>([
    ["a stream, and the engine reports no requests", { streams: 1, reports: same({}) }],
    [
      "a stream, and the engine always reports the same",
      { streams: 1, reports: same({ runningRequests: 3, kvCacheUsedRatio: 0.2 }) },
    ],
    ["a stream, and the engine is out of reach", { streams: 1, contacts: gone }],
    ["an answer without streaming, out of reach", { whole: 1, contacts: gone }],
    ["with running streams, out of reach", { streams: 1, streaming: 3, contacts: gone }],
    ["a stream of an engine that never reported", { streams: 1, mostRunning: 0 }],
    ["a lost answer without streaming", { whole: 1, reports: same({}) }],
  ])("is a stall: %s", (_, situation) => {
    const evidence = stallIn(situation);
    expect(evidence).toMatchObject({ silentMs: 11_000, patienceMs: stallMs, waitingRequests: 1 });
  });

  it.each<[string, Situation]>([
    ["too short", { streams: 1, waitedMs: 9_900, contacts: gone }],
    ["without a waiting request", { streaming: 5, contacts: gone }],
    [
      "of an answer without streaming that the engine runs",
      { whole: 1, reports: same({ runningRequests: 1 }) },
    ],
    [
      "of an answer without streaming that fills the cache",
      {
        whole: 1,
        reports: [
          { runningRequests: 1, kvCacheUsedRatio: 0.1 },
          { runningRequests: 1, kvCacheUsedRatio: 0.2 },
        ],
      },
    ],
    [
      "of a stream, while the engine works on others",
      { streams: 1, reports: [{ runningRequests: 8 }, { runningRequests: 7 }] },
    ],
    [
      "of a stream, while an engine that does not report its cache streams others",
      {
        streams: 1,
        streaming: 2,
        reports: same({ runningRequests: 2, waitingRequests: 1, kvCacheUsedRatio: Number.NaN }),
      },
    ],
    ["without a report of an engine that does report", { streams: 1, contacts: ["answered"] }],
    ["of an answer without streaming, never scraped", { whole: 1, mostRunning: 0 }],
    [
      "while streams continue, of an engine that was never scraped",
      { streams: 1, streaming: 1, mostRunning: 0 },
    ],
    // 5 x 100,000 / 2,000 tokens a second are 250 s.
    [
      "of a prompt that takes long",
      { streams: 1, promptTokens: 100_000, reports: same({ runningRequests: 1 }) },
    ],
    // 3 x 16 s
    [
      "no longer than answers without streaming take",
      { whole: 1, waitedMs: 40_000, longestWholeMs: 16_000, contacts: gone },
    ],
  ])("is no stall: %s", (_, situation) => {
    expect(stallIn(situation)).toBeUndefined();
  });
});
