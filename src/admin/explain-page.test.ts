import { describe, expect, it } from "vitest";
import type {
  ActualRecord,
  CandidateRecord,
  DecisionRecord,
  RolloutRecord,
  UndecidedRecord,
} from "../core/decision-record.ts";
import { type ErrorCode, ERRORS } from "../core/errors.ts";
import { explainPage, type ExplainSource } from "./explain-page.ts";

type Numbers = Partial<CandidateRecord> & { readonly total?: number; readonly score?: number };

const candidateOf = (slot: number, numbers: Numbers): CandidateRecord => ({
  endpoint: `default/e${slot}`,
  waitingRequests: undefined,
  runningRequests: undefined,
  kvCacheUsedRatio: undefined,
  signalsAgeMs: undefined,
  signalsTrust: 1,
  inFlightRequests: 0,
  inFlightTokens: 0,
  prefixMatchedBlocks: undefined,
  prefixTotalBlocks: undefined,
  prefixBlockTokens: undefined,
  predictedTtftMs: undefined,
  predictedTpotMs: undefined,
  prefillMs: undefined,
  ownPrefillMs: undefined,
  copyMs: undefined,
  adapterMs: undefined,
  decodingRequests: undefined,
  standing: undefined,
  adapter: undefined,
  further: {},
  ...numbers,
});

interface Decided extends Partial<DecisionRecord> {
  readonly numbers: readonly Numbers[];
  readonly scorer?: string;
  readonly filters?: DecisionRecord["profiles"][number]["filters"];
  readonly unwell?: readonly string[];
}

/** A decision whose first candidate is the pick, with a total of 1 for it and of `total` for others. */
function recordOf({
  numbers,
  scorer = "s",
  filters = [],
  unwell = [],
  ...parts
}: Decided): DecisionRecord {
  const gone = new Set([...filters.flatMap(({ dropped }) => dropped), ...unwell]);
  const candidates = numbers.map((each, slot) => candidateOf(slot, each));
  const totals = numbers
    .map(({ total = 1 }, slot) => ({
      endpoint: `default/e${slot}`,
      total,
      scores: { [scorer]: total },
    }))
    .filter(({ endpoint }) => !gone.has(endpoint))
    .toSorted((a, b) => b.total - a.total);
  return {
    ...{ id: 7, requestId: "request-7", atMs: 1_000, api: "chat", model: "m", targetModel: "m" },
    ...{ priority: 0, promptTokens: 100, profile: "default", picked: ["default/e0"] },
    ...{
      refusal: undefined,
      refusalMessage: undefined,
      rollout: undefined,
      stay: undefined,
      isWhole: true,
      leftOut: [],
    },
    margin: 1 - Math.max(...numbers.slice(1).map(({ total = 1 }) => total)),
    candidates,
    candidateCount: candidates.length,
    profiles: [
      {
        name: "default",
        unwell,
        filters,
        scorers: [{ name: scorer, weight: 1 }],
        totals,
        picked: ["default/e0"],
      },
    ],
    predicted: { ttftMs: 120, tpotMs: 20, cachedTokens: 640 },
    actual: undefined,
    ...parts,
  };
}

const clock = { nowMs: () => 3_000, wallMs: () => Date.UTC(2026, 0, 1) };

function sourceOf(
  records: readonly DecisionRecord[],
  undecided: readonly UndecidedRecord[] = [],
): ExplainSource {
  return {
    recordsMax: 5_000,
    lastId: 7_000,
    last: () => records,
    ofRequest: (requestId) => records.filter((each) => each.requestId === requestId),
    byId: (id) => records.find((each) => each.id === id),
    requestIds: (prefix) =>
      [...new Set(records.map(({ requestId }) => requestId))].filter((id) => id.startsWith(prefix)),
    undecidedRequests: undecided,
    missingModel: () => undefined,
    baselinesOf: () => [{ policy: "round robin", picks: ["default/e1"] }],
  };
}

/** The page about the first of the records as text. */
function textOf(records: readonly DecisionRecord[], id = "request-7"): string {
  return explainPage({ id, accept: "text/plain" }, sourceOf(records), clock).body;
}

/** The sentence about one endpoint. */
function sentenceOn(endpoint: string, decided: Decided): string {
  const lines = textOf([recordOf(decided)])
    .replaceAll("\n    ", " ")
    .split("\n");
  const line = lines.find((each) => each.startsWith(`  ${endpoint}: `));
  return line?.slice(`  ${endpoint}: `.length) ?? "";
}

const costs = (prefillMs: number, parts: Numbers = {}) => ({
  ...{ prefillMs, ownPrefillMs: 100, copyMs: 0, adapterMs: 0, decodingRequests: 0 },
  ...{ prefixMatchedBlocks: 5, prefixTotalBlocks: 10, prefixBlockTokens: 64 },
  ...parts,
});
const latency = "expected-latency-scorer";

describe("the sentence about an endpoint that lost", () => {
  it.each([
    {
      what: "prefill ahead of it",
      scorer: latency,
      numbers: [costs(300), costs(2_000, { total: 0.5 })],
      // 2,000 - 100, and 300 - 100
      why: "1.9 s of prefill ahead of it, 200 ms at the pick",
    },
    {
      what: "less of the prompt in its cache",
      scorer: latency,
      numbers: [costs(100), costs(400, { ownPrefillMs: 400, prefixMatchedBlocks: 0, total: 0.5 })],
      // 5 x 64
      why: "320 fewer tokens are cached: 400 ms to compute there, 100 ms at the pick",
    },
    {
      what: "a cost that is higher by less than estimates can tell",
      scorer: latency,
      numbers: [costs(100), costs(100.4, { ownPrefillMs: 100.4, total: 0.99 })],
      why: "it costs almost the same",
    },
    {
      what: "a slower engine",
      scorer: latency,
      numbers: [costs(100), costs(400, { ownPrefillMs: 400, total: 0.5 })],
      why: "the engine is slower: the prompt takes 400 ms to compute there, 100 ms at the pick",
    },
    {
      what: "the wait for an adapter",
      scorer: latency,
      numbers: [costs(100), costs(100, { adapterMs: 1_000, total: 0.5 })],
      why: "the wait for the adapter costs 1.0 s, at the pick 0 ms",
    },
    {
      what: "requests that generate",
      scorer: latency,
      numbers: [costs(100), costs(100, { decodingRequests: 12, total: 0.5 })],
      why: "12 requests generate there, 0 requests at the pick",
    },
    {
      what: "a longer queue",
      scorer: "queue-scorer",
      numbers: [{ waitingRequests: 1 }, { waitingRequests: 4, total: 0.5 }],
      why: "4 requests waiting in its engine, 1 request at the pick",
    },
    {
      what: "a fuller KV cache",
      scorer: "kv-cache-utilization-scorer",
      numbers: [{ kvCacheUsedRatio: 0.2 }, { kvCacheUsedRatio: 0.9, total: 0.5 }],
      why: "90 % of its KV cache is in use, of the pick's 20 %",
    },
    {
      what: "fewer blocks of the prompt",
      scorer: "prefix-cache-scorer",
      numbers: [
        { prefixMatchedBlocks: 8, prefixTotalBlocks: 10 },
        { prefixMatchedBlocks: 3, prefixTotalBlocks: 10, total: 0.5 },
      ],
      why: "it holds 3 of the prompt's 10 blocks, the pick 8",
    },
    {
      what: "a score of a plugin of one's own",
      scorer: "mine",
      numbers: [{}, { total: 0.25 }],
      why: "mine gave it 0.25, the pick 1.00",
    },
    {
      what: "a tie",
      scorer: "mine",
      numbers: [{}, {}],
      why: "same total as the pick; chance decided",
    },
    {
      what: "the draw of a picker",
      scorer: "mine",
      numbers: [{}, { total: 2 }],
      why: "its total is higher, but the picker draws at random",
    },
  ])("names $what", ({ scorer, numbers, why }) => {
    expect(sentenceOn("e1", { scorer, numbers })).toBe(why);
  });

  it("names the filter that dropped it, and its health", () => {
    const filters = [{ name: "role", keptCount: 1, dropped: ["default/e1"] }];
    expect(sentenceOn("e1", { numbers: [{}, {}], filters })).toBe(
      "the filter role dropped it; 1 were left",
    );
    const numbers = [{}, { standing: "ejected" as const }];
    expect(sentenceOn("e1", { numbers, unwell: ["default/e1"] })).toBe(
      "it is ejected; it gets requests if no better one is left",
    );
  });

  it("names models and subsets of endpoints that were no candidates", () => {
    const leftOut = [
      { endpoint: "default/e8", reason: "model" },
      { endpoint: "default/e9", reason: "subset" },
    ] as const;
    expect(sentenceOn("e8", { numbers: [{}, {}], leftOut })).toBe('it does not serve "m"');
    expect(sentenceOn("e9", { numbers: [{}, {}], leftOut })).toBe(
      "the gateway's subset hint does not name it",
    );
  });
});

describe("the text of an explanation", () => {
  it.each([1, 3, 8, 200])("fits in 80 columns with %i candidates", (count) => {
    const numbers = Array.from({ length: count }, (_, slot) =>
      slot === 0 ? costs(100) : costs(slot * 900, { total: 1 / (1 + slot), waitingRequests: slot }),
    );
    const lines = textOf([recordOf({ scorer: latency, numbers })]).split("\n");
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(80);
    expect(lines.length).toBeLessThan(45);
  });

  it("groups those that lost for one reason", () => {
    const numbers = Array.from({ length: 200 }, (_, slot) =>
      slot === 0 ? costs(100) : costs(slot * 900, { total: 1 / (1 + slot) }),
    );
    expect(textOf([recordOf({ scorer: latency, numbers })])).toContain(
      "and 192 others, of each group the reason of the first:\n  192 x prefill ahead (e8, e9, e10, …): 7.1 s of prefill",
    );
  });

  it("has no control characters of a client", () => {
    const model = "m\u001b[31m\nred";
    const text = textOf([recordOf({ numbers: [{}], model, targetModel: model })]);
    expect(text).toContain("model m?[31m?red");
    expect(text).not.toContain("\u001b");
  });

  it("says what the queue did", () => {
    const stay = {
      ...{ band: 5, fairnessId: "a", position: 3, waitedMs: 1_900, sentMeanwhile: 4 },
      heldBy: { kind: "engine-wait", fullness: 1.2, ceiling: 1 },
      outcome: "Dispatched",
    } as const;
    expect(textOf([recordOf({ numbers: [{}], stay })]).replaceAll("\n", " ")).toContain(
      "queue: waited 1.9 s in band 5, held by the wait in its engine, 120 % of the longest; 3 were before it, 4 were sent meanwhile; Dispatched",
    );
  });

  it("compares what was predicted with what happened", () => {
    const actual = {
      ...{ ttftMs: 131, tpotMs: 21, cachedTokens: 512, promptTokens: 1_000 },
      ...{ servedBy: "10.0.0.1:8000", end: "complete" as const },
    } as const;
    const text = textOf([recordOf({ numbers: [{}], actual })]).replaceAll("\n", " ");
    expect(text).toContain("predicted: first token after 120 ms, 20 ms for each further one, 640");
    expect(text).toContain(
      "actual: first token after 131 ms, 21 ms for each further one, 512 tokens",
    );
  });

  it.each([
    {
      what: "one that its session assigns to the shadow document",
      parts: {},
      says: "decided by the shadow document abc, which has 12.5 % of the requests: the session assigns this one to it",
    },
    {
      what: "one that its tenant leaves to the document in force",
      parts: { decidedBy: "inForce", assignedBy: "tenant" },
      says: "decided by the document in force: the shadow document abc has 12.5 % of the requests, and the tenant assigns this one to the other",
    },
    {
      what: "one after a rollback",
      parts: { decidedBy: "inForce", state: "rolledBack", shareRatio: 0 },
      says: "the shadow document abc was rolled back; pointsman shadow has the reasons",
    },
    {
      what: "one after a promotion",
      parts: { state: "promoted", shareRatio: 1 },
      says: "decided by the shadow document abc, which was promoted",
    },
    {
      what: "one at which the shadow document threw",
      parts: { decidedBy: "inForce", hasThrown: true },
      says: "decided by the document in force: the shadow document abc threw at this request",
    },
  ] as const)("says which document decided about $what", ({ parts, says }) => {
    const rollout: RolloutRecord = {
      ...{ decidedBy: "shadow", shadowHash: "abc", state: "comparing", shareRatio: 0.125 },
      ...{ assignedBy: "session", hasThrown: false },
      ...parts,
    } as const;
    expect(textOf([recordOf({ numbers: [{}], rollout })]).replaceAll("\n", " ")).toContain(says);
  });

  it("counts the endpoints of a refused request after each step, and names the filter that left none", () => {
    const filters = [
      { name: "first", keptCount: 2, dropped: ["default/e2"] },
      { name: "last", keptCount: 0, dropped: ["default/e0", "default/e1"] },
    ];
    const leftOut = [
      { endpoint: "default/e8", reason: "model" },
      { endpoint: "default/e9", reason: "subset" },
    ] as const;
    const refused = recordOf({
      ...{ numbers: [{}, {}, {}, {}], filters, unwell: ["default/e3"], leftOut },
      ...{ picked: [], refusal: "saturated", refusalMessage: "no suitable endpoint" },
    });
    const text = textOf([refused]).replaceAll("\n", " ");
    expect(text).toContain("=> refused: saturated, no suitable endpoint");
    expect(text).toContain(
      "endpoints: 6 take requests, 5 are in the gateway's subset, 4 may serve the model, 3 are well, 2 pass the filter first, 0 pass the filter last",
    );
    expect(text).toContain("next: the filter last left no endpoint");
  });

  it.each(Object.keys(ERRORS) as ErrorCode[])("has a next step after %s", (refusal) => {
    const text = textOf([recordOf({ numbers: [{}], picked: [], refusal, profiles: [] })]);
    expect(text).toMatch(/^next: .{20}/mu);
    const undecided: UndecidedRecord = {
      ...{ requestId: "gone-1", atMs: 1_000, endedAtMs: 1_500, api: "chat", model: "m" },
      ...{ priority: 0, refusal, refusalMessage: "so", stay: undefined, end: "refused" },
    };
    const page = explainPage(
      { id: "gone-1", accept: "text/plain" },
      sourceOf([], [undecided]),
      clock,
    );
    expect(page.body).toMatch(/^next: .{20}/mu);
  });

  it("names the failure of an answer, and the side that broke it off", () => {
    const actual: ActualRecord = {
      ...{ ttftMs: undefined, tpotMs: undefined, cachedTokens: undefined, promptTokens: undefined },
      servedBy: undefined,
      end: "aborted",
      endedBy: "engine",
      failure: "answer_truncated",
    };
    const text = textOf([recordOf({ numbers: [{}], actual })]).replaceAll("\n", " ");
    expect(text).toContain("actual: aborted by the engine, error answer_truncated");
    expect(text).toContain("next: look at the engine's log");
  });

  it("lists earlier attempts of the request", () => {
    const first = recordOf({
      numbers: [{}],
      id: 6,
      actual: {
        ...{ ttftMs: undefined, tpotMs: undefined, cachedTokens: undefined },
        ...{ promptTokens: undefined, servedBy: undefined, end: "aborted", attempt: "failed" },
      },
    });
    expect(textOf([recordOf({ numbers: [{}] }), first])).toContain(
      "earlier decisions about this request\n  decision 6: sent to default/e0, the only candidate, failed\n",
    );
  });
});

describe("the look-up of an explanation", () => {
  const records = [
    recordOf({ numbers: [{}] }),
    recordOf({ numbers: [{}], id: 6, requestId: "request-6" }),
  ];
  const undecided: UndecidedRecord = {
    ...{
      requestId: "shed-1",
      atMs: 1_000,
      endedAtMs: 1_500,
      api: "chat",
      model: "m",
      priority: -1,
    },
    ...{ refusal: "saturated", refusalMessage: "full", stay: undefined, end: "refused" },
  };
  const statusOf = (id: string) =>
    explainPage({ id, accept: "" }, sourceOf(records, [undecided]), clock).httpStatus;

  it.each([
    { id: "request-7", status: 200 },
    { id: "request-7.txt", status: 200 },
    { id: "7", status: 200 },
    { id: "#6", status: 200 },
    { id: "shed", status: 200 },
    { id: "request-", status: 400 },
    { id: "req", status: 404 },
    { id: "9", status: 404 },
    { id: "", status: 404 },
    { id: "__proto__", status: 404 },
  ])("answers $status to $id", ({ id, status }) => {
    expect(statusOf(id)).toBe(status);
  });

  it("tells how long the ring is if it has no such request", () => {
    const text = textOf(records, "gone");
    expect(text).toContain("This picker keeps its last 5,000 decisions: it has 5,000 of 7,000.");
  });
});
