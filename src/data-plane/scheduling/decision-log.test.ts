import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Endpoint } from "../../core/endpoint.ts";
import type { LatencyPrediction } from "../../core/latency-prediction.ts";
import type { PrefixMatch } from "../../core/prefix-match.ts";
import {
  aContext,
  aHead,
  aLoad,
  aPrediction,
  aRequest,
  endpoints,
  type LoadRow,
} from "#test/support/builders.ts";
import { aPrefixMatch } from "#test/support/request-data.ts";
import { type DecisionFacts, DecisionLog, type DecisionLogOptions } from "./decision-log.ts";
import { runProfile, type SchedulingProfile } from "./profile.ts";

const nothingPicked = { prefixHit: undefined, latency: undefined };
const nothingFound = { prefixMatch: undefined, prediction: undefined, picked: nothingPicked };

/** Scores candidates by their slot. */
const scorerOf = (name: string, weight: number, ...bySlot: number[]) => ({
  name,
  weight,
  scorer: {
    score: (_context: unknown, candidates: readonly Endpoint[], scores: Float64Array) => {
      for (const [index, { slot }] of candidates.entries()) scores[index] = bySlot[slot] ?? 0;
    },
  },
});

const dropping = (name: string, ...slots: number[]) => ({
  name,
  filter: {
    filter: (_context: unknown, candidates: readonly Endpoint[]) =>
      candidates.filter(({ slot }) => !slots.includes(slot)),
  },
});

const profileOf = (parts: Partial<SchedulingProfile> = {}): SchedulingProfile => ({
  name: "default",
  filters: [],
  scorers: [],
  picker: { pick: (totals) => (totals.length === 0 ? [] : [totals.indexOf(Math.max(...totals))]) },
  ...parts,
});

interface Decided {
  readonly requestId?: string;
  readonly rows?: readonly LoadRow[];
  readonly profiles?: readonly SchedulingProfile[];
  readonly prefixMatch?: PrefixMatch;
  readonly prediction?: LatencyPrediction;
  readonly picked?: DecisionFacts["picked"];
  readonly nowMs?: number;
}

/** Runs the profiles over one endpoint per row and records the decision; the last profile is the primary one. */
function decide(log: DecisionLog, decided: Decided = {}): number {
  const { requestId = "r", rows = [{}, {}], profiles = [profileOf()], nowMs = 10_000 } = decided;
  const candidates = endpoints(rows.length);
  const request = aRequest({ head: aHead({ id: requestId }) });
  const context = aContext({ request, load: aLoad(rows), nowMs, endpoints: candidates });
  const runs = profiles.map((profile) =>
    runProfile(profile, context, { endpoints: candidates, rows: log.rows }),
  );
  const { prefixMatch, prediction, picked = nothingPicked } = decided;
  const primary = runs.at(-1);
  return log.record({ context, candidates, runs, primary, prefixMatch, prediction, picked });
}

function recordOf(decided: Decided, options: DecisionLogOptions = {}) {
  const log = new DecisionLog(options);
  decide(log, decided);
  const [record] = log.last(1);
  if (record === undefined) throw new Error("nothing was kept");
  return record;
}

describe("DecisionLog", () => {
  it("keeps the request and the result", () => {
    const log = new DecisionLog();
    const request = aRequest({
      head: aHead({ id: "request-7" }),
      dialect: "completions",
      model: "tuned",
      targetModel: "llama",
      priority: -1,
      promptTokens: 70,
    });
    const candidates = endpoints(2);
    const context = aContext({ request, load: aLoad([{}, {}]), nowMs: 5_000 });
    const profile = profileOf({ scorers: [scorerOf("queue", 2, 0.5, 1)] });
    const run = runProfile(profile, context, { endpoints: candidates, rows: log.rows });
    log.record({ ...nothingFound, context, candidates, runs: [run], primary: run });
    expect(log.last(1)).toMatchObject([
      {
        id: 1,
        requestId: "request-7",
        atMs: 5_000,
        api: "completions",
        model: "tuned",
        targetModel: "llama",
        priority: -1,
        promptTokens: 70,
        profile: "default",
        picked: ["default/engine-1"],
      },
    ]);
  });

  it("keeps the predicted latency of every candidate and its parts", () => {
    const prediction = aPrediction({
      ttftMs: (slot) => 20 + slot,
      tpotMs: () => 15,
      prefillMs: (slot) => slot,
      copyMs: () => -3,
      adapterMs: () => 1_000,
      decoding: () => 7,
    });
    const { candidates } = recordOf({ rows: [{ waitingRequests: 4 }, {}], prediction });
    const parts = { copyMs: -3, adapterMs: 1_000, decodingRequests: 7 };
    expect(candidates).toMatchObject([
      { waitingRequests: 4, predictedTtftMs: 20, predictedTpotMs: 15, prefillMs: 0, ...parts },
      { predictedTtftMs: 21, predictedTpotMs: 15, prefillMs: 1, ...parts },
    ]);
    expect(recordOf({}).candidates?.map(({ predictedTtftMs }) => predictedTtftMs)).toEqual([
      undefined,
      undefined,
    ]);
  });

  it("keeps the prediction for the pick, and how it turned out", () => {
    const log = new DecisionLog({ recordsMax: 2 });
    const latency = { producer: "predicted", ttftMs: 120, tpotMs: Number.NaN };
    const prefixHit = { producer: "prefix", ratio: 0.5, tokens: 640 };
    const first = decide(log, { picked: { prefixHit, latency } });
    expect(log.last(1)).toMatchObject([
      {
        predicted: { ttftMs: 120, tpotMs: undefined, cachedTokens: 640 },
        actual: undefined,
      },
    ]);
    const actual = {
      ttftMs: 150,
      tpotMs: 14,
      cachedTokens: 512,
      promptTokens: 1_000,
      servedBy: "10.0.0.1:8000",
      end: "complete",
    } as const;
    log.ended(first, actual);
    expect(log.byId(first)?.actual).toEqual(actual);
    // The third takes the place of the first, which then has none.
    decide(log, {});
    decide(log, {});
    log.ended(first, actual);
    expect(log.last(2).map(({ actual: found }) => found)).toEqual([undefined, undefined]);
    expect(log.last(1)[0]?.predicted).toBeUndefined();
  });

  it("keeps the inputs of every candidate, undefined if unknown", () => {
    const rows = [
      {
        waitingRequests: 3,
        runningRequests: 4,
        kvCacheUsedRatio: 0.5,
        signalsAtMs: 9_750,
        inFlightRequests: 2,
        inFlightTokens: 300,
      },
      {},
    ];
    const prefixMatch = aPrefixMatch({ totalBlocks: 8, matchedBlocks: [6, 0] });
    expect(recordOf({ rows, prefixMatch, nowMs: 10_000 }).candidates).toEqual([
      {
        endpoint: "default/engine-0",
        waitingRequests: 3,
        runningRequests: 4,
        kvCacheUsedRatio: 0.5,
        signalsAgeMs: 250, // 10,000 - 9,750
        signalsTrust: 1,
        inFlightRequests: 2,
        inFlightTokens: 300,
        prefixMatchedBlocks: 6,
        prefixTotalBlocks: 8,
        prefixBlockTokens: 64,
        further: {},
      },
      {
        endpoint: "default/engine-1",
        waitingRequests: undefined,
        runningRequests: undefined,
        kvCacheUsedRatio: undefined,
        signalsAgeMs: undefined,
        signalsTrust: 1,
        inFlightRequests: 0,
        inFlightTokens: 0,
        prefixMatchedBlocks: 0,
        prefixTotalBlocks: 8,
        prefixBlockTokens: 64,
        further: {},
      },
    ]);
  });

  it("has no prefix matches if no producer made one", () => {
    expect(recordOf({ rows: [{}] }).candidates).toMatchObject([
      { prefixMatchedBlocks: undefined, prefixTotalBlocks: undefined },
    ]);
  });

  it("keeps inputs unchanged when the load changes later", () => {
    const log = new DecisionLog();
    const load = aLoad([{ waitingRequests: 3 }]);
    const candidates = endpoints(1);
    const context = aContext({ load });
    log.record({ ...nothingFound, context, candidates, runs: [], primary: undefined });
    load.waitingRequests[0] = 99;
    expect(log.last(1)).toMatchObject([{ candidates: [{ waitingRequests: 3 }] }]);
  });

  it("keeps the candidates that each filter kept and dropped, after the one before", () => {
    const profiles = [
      profileOf({ filters: [dropping("role", 0, 3), dropping("busy", 0, 1), dropping("none")] }),
    ];
    expect(recordOf({ rows: [{}, {}, {}, {}], profiles }).profiles[0]?.filters).toEqual([
      { name: "role", keptCount: 2, dropped: ["default/engine-0", "default/engine-3"] },
      { name: "busy", keptCount: 1, dropped: ["default/engine-1"] },
      { name: "none", keptCount: 1, dropped: [] },
    ]);
  });

  it("names only the filters that ran", () => {
    const profiles = [profileOf({ filters: [dropping("all", 0, 1), dropping("never")] })];
    const record = recordOf({ profiles });
    expect(record.profiles).toMatchObject([
      { filters: [{ name: "all", keptCount: 0 }], totals: [], picked: [] },
    ]);
    expect(record).toMatchObject({ profile: undefined, picked: [], margin: undefined });
  });

  it("keeps totals best first, with their scores", () => {
    const scorers = [scorerOf("queue", 2, 0.5, 1, 0), scorerOf("cache", 3, 0.25, 0.5, 1)];
    const [profile] = recordOf({ rows: [{}, {}, {}], profiles: [profileOf({ scorers })] }).profiles;
    expect(profile?.scorers).toEqual([
      { name: "queue", weight: 2 },
      { name: "cache", weight: 3 },
    ]);
    expect(profile?.totals).toEqual([
      // 2 x 1 + 3 x 0.5
      { endpoint: "default/engine-1", total: 3.5, scores: { queue: 1, cache: 0.5 } },
      // 2 x 0 + 3 x 1
      { endpoint: "default/engine-2", total: 3, scores: { queue: 0, cache: 1 } },
      // 2 x 0.5 + 3 x 0.25
      { endpoint: "default/engine-0", total: 1.75, scores: { queue: 0.5, cache: 0.25 } },
    ]);
  });

  it.each([
    { what: "the lead of the best", totals: [1, 3.5, 3], picked: 1, margin: 0.5 },
    { what: "nothing for a tie", totals: [2, 2, 1], picked: 0, margin: 0 },
    { what: "less than nothing for a pick by chance", totals: [1, 3], picked: 0, margin: -2 },
  ])("says $what", ({ totals, picked, margin }) => {
    const weight = 10;
    const scorer = scorerOf("s", weight, ...totals.map((total) => total / weight));
    const profile = profileOf({ scorers: [scorer], picker: { pick: () => [picked] } });
    const rows = totals.map(() => ({}));
    expect(recordOf({ rows, profiles: [profile] }).margin).toBeCloseTo(margin, 12);
  });

  it("has no margin if there is no other candidate", () => {
    expect(recordOf({ rows: [{}] }).margin).toBeUndefined();
  });

  it("keeps every profile that ran, and answers with the primary one", () => {
    const profiles = [
      profileOf({ name: "prefill", picker: { pick: () => [0] } }),
      profileOf({ name: "decode", picker: { pick: () => [1, 0] } }),
    ];
    const record = recordOf({ profiles });
    expect(record).toMatchObject({
      profile: "decode",
      picked: ["default/engine-1", "default/engine-0"],
      profiles: [
        { name: "prefill", picked: ["default/engine-0"] },
        { name: "decode", picked: ["default/engine-1", "default/engine-0"] },
      ],
    });
  });
});

/** A log after `count` decisions, of the requests a, b, a, b and so on. */
function logAfter(count: number, options: DecisionLogOptions = {}): DecisionLog {
  const log = new DecisionLog(options);
  for (let made = 0; made < count; made += 1) {
    decide(log, { requestId: made % 2 === 0 ? "a" : "b" });
  }
  return log;
}

const idsOf = (records: readonly { readonly id: number }[]) => records.map(({ id }) => id);

describe("the decisions of a DecisionLog", () => {
  it("come newest first, as many as are asked for", () => {
    expect(idsOf(logAfter(5).last(3))).toEqual([5, 4, 3]);
    expect(idsOf(logAfter(2).last(3))).toEqual([2, 1]);
    expect(logAfter(5).last(0)).toEqual([]);
    expect(logAfter(0).last(3)).toEqual([]);
  });

  it("are kept up to a number, the oldest overwritten", () => {
    const log = logAfter(7, { recordsMax: 3 });
    expect(idsOf(log.last(100))).toEqual([7, 6, 5]);
    expect(log.byId(4)).toBeUndefined();
    expect(log.byId(5)).toMatchObject({ id: 5 });
  });

  it("are found by their id", () => {
    const log = logAfter(3);
    expect(log.byId(2)).toMatchObject({ id: 2, requestId: "b" });
    for (const id of [0, 4, -1, 1.5, Number.NaN, Infinity]) expect(log.byId(id)).toBeUndefined();
  });

  it("are found by the id of their request, newest first", () => {
    const log = logAfter(7, { recordsMax: 4 });
    // 4 to 7 are kept; a has the odd ones.
    expect(idsOf(log.ofRequest("a"))).toEqual([7, 5]);
    expect(idsOf(log.ofRequest("b"))).toEqual([6, 4]);
    expect(log.ofRequest("c")).toEqual([]);
  });

  it("lose their numbers when those are overwritten, and keep the rest", () => {
    // Two candidates: 10 rows of inputs and one of totals, 22 numbers a decision; two fit in 48.
    const log = logAfter(3, { numbersMax: 48 });
    expect(log.byId(1)).toMatchObject({
      candidates: undefined,
      margin: undefined,
      picked: ["default/engine-0"],
      profiles: [{ name: "default", totals: undefined, picked: ["default/engine-0"] }],
    });
    for (const id of [2, 3]) {
      expect(log.byId(id)?.candidates).toHaveLength(2);
      expect(log.byId(id)?.profiles[0]?.totals).toHaveLength(2);
    }
  });

  it("are right with any size of memory for numbers", () => {
    const waiting = [4, 5, 6];
    const rows = waiting.map((waitingRequests) => ({ waitingRequests }));
    const scorers = [scorerOf("s", 10, 0.5, 0, 0.25), scorerOf("t", 1, 0.25, 1, 0.5)];
    // 5 + 0.25, 0 + 1 and 2.5 + 0.5, best first
    const totals = [5.25, 3, 1];
    fc.assert(
      fc.property(fc.nat({ max: 100 }), fc.nat({ max: 12 }), (numbersMax, count) => {
        const log = new DecisionLog({ numbersMax });
        for (let made = 0; made <= count; made += 1) {
          decide(log, { rows, profiles: [profileOf({ scorers })] });
        }
        for (const { picked, candidates, profiles } of log.last(100)) {
          expect(picked).toEqual(["default/engine-0"]);
          expect(candidates?.map((each) => each.waitingRequests) ?? waiting).toEqual(waiting);
          expect(profiles[0]?.totals?.map(({ total }) => total) ?? totals).toEqual(totals);
        }
      }),
    );
  });

  it("take a fixed memory for their numbers", () => {
    // 1,000 numbers of 8 bytes
    expect(logAfter(500, { numbersMax: 1_000 }).memoryBytes).toBe(8_000);
  });
});

const slotsIn = (ids: readonly string[]) => ids.map((id) => Number(id.split("-")[1]));

describe("the record of a decision over more than 64 endpoints", () => {
  /** Totals by slot: 0 to 99 in an order without a pattern. */
  const totals = Array.from({ length: 100 }, (_, slot) => (slot * 37) % 100);
  const best = totals.flatMap((total, slot) => (total >= 36 ? [slot] : []));
  const rows = totals.map((_, slot) => ({ waitingRequests: slot }));
  const scoring = scorerOf("s", 100, ...totals.map((total) => total / 100));
  const profile = profileOf({ scorers: [scoring] });

  it("keeps the numbers of the 64 with the best totals", () => {
    const prediction = aPrediction({ prefillMs: (slot) => slot });
    const record = recordOf({ rows, profiles: [profile], prediction });
    const kept = record.candidates ?? [];
    const slots = slotsIn(kept.map(({ endpoint }) => endpoint));
    expect(slots.toSorted((a, b) => a - b)).toEqual(best);
    expect(kept.map(({ waitingRequests }) => waitingRequests)).toEqual(slots);
    expect(kept.map(({ prefillMs }) => prefillMs)).toEqual(slots);
    // 99 down to 36
    expect(record.profiles[0]?.totals?.map(({ total }) => Math.round(total))).toEqual(
      Array.from({ length: 64 }, (_, index) => 99 - index),
    );
    expect(record.margin).toBeCloseTo(1, 9);
  });

  it("keeps the pick, even if its total is low", () => {
    const lowest = totals.indexOf(0);
    const picker = { pick: () => [lowest] };
    const record = recordOf({ rows, profiles: [profileOf({ scorers: [scoring], picker })] });
    expect(record.picked).toEqual([`default/engine-${lowest}`]);
    expect(record.candidates).toHaveLength(64);
    expect(record.candidates).toContainEqual(
      expect.objectContaining({ endpoint: `default/engine-${lowest}`, waitingRequests: lowest }),
    );
    // 0 - 99
    expect(record.margin).toBeCloseTo(-99, 9);
  });

  it("keeps what a filter dropped by name", () => {
    const few = dropping("few", ...Array.from({ length: 95 }, (_, index) => index + 5));
    const record = recordOf({
      rows,
      profiles: [profileOf({ filters: [few], scorers: [scoring] })],
    });
    expect(record.profiles[0]?.filters[0]).toMatchObject({ keptCount: 5 });
    expect(record.profiles[0]?.filters[0]?.dropped).toHaveLength(95);
    expect(record.candidates?.map(({ waitingRequests }) => waitingRequests)).toEqual([
      0, 1, 2, 3, 4,
    ]);
  });

  it("keeps the first 64 if no profile scored any", () => {
    const none = dropping("all", ...totals.keys());
    const record = recordOf({ rows, profiles: [profileOf({ filters: [none] })] });
    expect(record.candidates?.map(({ waitingRequests }) => waitingRequests)).toEqual(
      Array.from({ length: 64 }, (_, slot) => slot),
    );
  });

  it("keeps the best of each profile", () => {
    const reversed = scorerOf("r", 100, ...totals.map((total) => 1 - total / 100));
    const profiles = [
      profileOf({ name: "prefill", scorers: [reversed] }),
      profileOf({ name: "decode", scorers: [scoring] }),
    ];
    const record = recordOf({ rows, profiles });
    // The best 64 and the worst 64 of 100 are all of them.
    expect(record.candidates).toHaveLength(100);
    expect(record.profiles.map(({ totals: each }) => each?.[0]?.total)).toEqual([
      expect.closeTo(100, 9),
      expect.closeTo(99, 9),
    ]);
  });

  it("takes the same memory however large the pool is", () => {
    // Numbers of two decisions over 64 endpoints: 10 inputs, their slots, a total, a score, and slots of these.
    const log = new DecisionLog({ numbersMax: 2 * 64 * (10 + 1 + 1 + 1 + 1) });
    const [first, second] = [0, 1].map(() => decide(log, { rows, profiles: [profile] }));
    expect(log.byId(first ?? 0)?.candidates).toHaveLength(64);
    expect(log.byId(second ?? 0)?.candidates).toHaveLength(64);
  });
});
