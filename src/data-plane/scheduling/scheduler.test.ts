import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Endpoint } from "../../core/endpoint.ts";
import { aHead, aLoad, anEndpoint, aRequest, endpoints } from "#test/support/builders.ts";
import { aPool } from "#test/support/pools.ts";
import { buildGraph, type GraphSpec } from "./build-graph.ts";
import { maxScorePicker } from "./pickers/max-score.ts";
import type { ProfileHandler } from "./plugin.ts";
import type { SchedulingProfile } from "./profile.ts";
import { singleProfileHandler } from "./profiles/single.ts";
import { createScheduler, type Scheduler, type SchedulingGraph } from "./scheduler.ts";
import { kvCacheUtilizationScorer } from "./scorers/kv-cache-utilization.ts";
import { queueScorer } from "./scorers/queue.ts";

/** A profile that picks the endpoint in `slot`, or has nothing left where that is undefined. */
function profilePicking(name: string, slot: number | undefined): SchedulingProfile {
  return {
    name,
    filters: [{ filter: (_context, candidates) => candidates.filter((c) => c.slot === slot) }],
    scorers: [],
    picker: { pick: () => [0] },
  };
}

/** Runs the profiles of `order` one after another, whatever they say, and answers with `primary`. */
function handlerOf(order: readonly string[], primary: string | undefined): ProfileHandler {
  return {
    next: (_context, _names, run) => order[run.length],
    primary: () => primary,
    mistakeIn: () => undefined,
  };
}

function graphOf(
  profiles: readonly SchedulingProfile[],
  handler: ProfileHandler = handlerOf(["default"], "default"),
): SchedulingGraph {
  return { profiles: new Map(profiles.map((profile) => [profile.name, profile])), handler };
}

const use = (plugin: GraphSpec["handler"]["plugin"], parameters: unknown = {}) => ({
  name: plugin.type,
  plugin,
  parameters,
});

const load = aLoad([{}, {}, {}]);
const pool = endpoints(3);
const honouring = { ignoresSubset: false };

function outcomeOf(graph: SchedulingGraph, subset?: readonly string[], of = pool) {
  const request = aRequest({ head: aHead({ subset }) });
  return createScheduler(graph, honouring)(request, of, load);
}

describe("the scheduler", () => {
  const picksSecond = graphOf([profilePicking("default", 1)]);

  it("routes to the primary profile's choice and says who chose among how many", () => {
    expect(outcomeOf(picksSecond)).toEqual({
      kind: "routed",
      decision: {
        endpoints: [pool[1]],
        profile: "default",
        candidateCount: 3,
        score: Number.NaN,
      },
    });
  });

  it("refuses as saturated where filters leave nobody", () => {
    expect(outcomeOf(graphOf([profilePicking("default", undefined)]))).toEqual({
      kind: "refused",
      refusal: { code: "saturated", message: "no endpoint suits this request now" },
    });
  });

  it("refuses for want of endpoints where the pool is empty", () => {
    expect(outcomeOf(picksSecond, undefined, [])).toEqual({
      kind: "refused",
      refusal: { code: "no_endpoints", message: "no model server is ready" },
    });
  });

  it("refuses for want of endpoints where the subset names none that is ready", () => {
    expect(outcomeOf(picksSecond, ["10.9.9.9"])).toEqual({
      kind: "refused",
      refusal: {
        code: "no_endpoints",
        message: "no model server of the gateway's subset is ready",
      },
    });
  });

  it("asks no profile where there is no candidate", () => {
    const handler = { ...handlerOf([], undefined), next: () => expect.unreachable() };
    expect(outcomeOf(graphOf([], handler), []).kind).toBe("refused");
  });

  it("chooses within the subset and counts only its endpoints", () => {
    const picksFirst = graphOf([{ ...profilePicking("default", 2), filters: [] }]);
    expect(outcomeOf(picksFirst, ["10.0.0.2:8000", "10.0.0.1"])).toMatchObject({
      decision: { endpoints: [pool[1]], candidateCount: 2 },
    });
  });

  it("chooses among all where it is told to ignore the subset", () => {
    const schedule = createScheduler(picksSecond, { ignoresSubset: true });
    const request = aRequest({ head: aHead({ subset: ["10.9.9.9"] }) });
    expect(schedule(request, pool, load)).toMatchObject({
      decision: { endpoints: [pool[1]], candidateCount: 3 },
    });
  });

  it("answers with fallbacks behind the first endpoint", () => {
    const profile = {
      ...profilePicking("default", 0),
      filters: [],
      picker: { pick: () => [2, 0] },
    };
    expect(outcomeOf(graphOf([profile]))).toMatchObject({
      decision: { endpoints: [pool[2], pool[0]] },
    });
  });
});

describe("the scheduler with several profiles", () => {
  const profiles = [
    profilePicking("prefill", 0),
    profilePicking("decode", 2),
    profilePicking("empty", undefined),
  ];
  const outcomeWith = (order: readonly string[], primary: string | undefined) =>
    outcomeOf(graphOf(profiles, handlerOf(order, primary)));

  it("runs what the handler asks for and takes its primary profile", () => {
    expect(outcomeWith(["prefill", "decode"], "decode")).toMatchObject({
      decision: { profile: "decode", endpoints: [pool[2]] },
    });
    expect(outcomeWith(["prefill", "decode"], "prefill")).toMatchObject({
      decision: { profile: "prefill", endpoints: [pool[0]] },
    });
  });

  it("routes where only a profile beside the primary one has nothing left", () => {
    expect(outcomeWith(["empty", "decode"], "decode")).toMatchObject({ kind: "routed" });
  });

  it("ends with a handler that asks for a profile a second time", () => {
    expect(outcomeWith(["prefill", "prefill", "decode"], "prefill")).toMatchObject({
      decision: { profile: "prefill" },
    });
    const stubborn = { ...handlerOf([], "prefill"), next: () => "prefill" };
    expect(outcomeOf(graphOf(profiles, stubborn))).toMatchObject({
      decision: { profile: "prefill" },
    });
  });

  it("ends with a handler that asks for a profile there is not", () => {
    expect(outcomeWith(["prefill", "nobody", "decode"], "prefill")).toMatchObject({
      decision: { profile: "prefill" },
    });
  });

  it.each([
    { primary: undefined, what: "no primary profile" },
    { primary: "decode", what: "a primary profile that did not run" },
    { primary: "nobody", what: "a primary profile there is not" },
    { primary: "empty", what: "a primary profile with nothing left" },
  ])("refuses as saturated with $what", ({ primary }) => {
    expect(outcomeWith(["prefill", "empty"], primary)).toMatchObject({
      refusal: { code: "saturated" },
    });
  });

  it("tells the handler which profiles there are and which have run", () => {
    const asked: unknown[] = [];
    const noting: ProfileHandler = {
      ...handlerOf(["prefill", "decode"], "decode"),
      next: (_context, names, run) => {
        asked.push([...names, "|", ...run].join(" "));
        return ["prefill", "decode"][run.length];
      },
    };
    outcomeOf(graphOf(profiles, noting));
    expect(asked).toEqual([
      "prefill decode empty |",
      "prefill decode empty | prefill",
      "prefill decode empty | prefill decode",
    ]);
  });
});

describe("a scheduler's working memory", () => {
  const spec: GraphSpec = {
    handler: use(singleProfileHandler),
    profiles: [
      {
        name: "default",
        plugins: [
          { use: use(queueScorer), weight: 2 },
          { use: use(kvCacheUtilizationScorer), weight: 1 },
          { use: use(maxScorePicker, { maxNumOfEndpoints: 4 }), weight: 1 },
        ],
      },
    ],
  };

  /** The same every time: ties always fall alike. */
  function scheduler(): Scheduler {
    const result = buildGraph(spec, { random: () => 0.3 });
    if (result.kind === "invalid") throw new Error(result.mistakes.join());
    return createScheduler(result.graph, honouring);
  }

  it("leaves no trace from one decision to the next, however many candidates each has", () => {
    const big = fc.integer({ min: 0, max: 200 }).map((count) => ({
      request: aRequest(),
      candidates: endpoints(count),
      load: aLoad(endpoints(count).map(({ slot }) => ({ waitingRequests: (slot * 31) % 17 }))),
    }));
    fc.assert(
      fc.property(fc.array(fc.oneof(aPool, big), { minLength: 2, maxLength: 6 }), (pools) => {
        const reused = scheduler();
        for (const { request, candidates, load: of } of pools) {
          expect(reused(request, candidates, of)).toEqual(scheduler()(request, candidates, of));
        }
      }),
    );
  });

  it("prefers the least loaded of the real plugins' totals", () => {
    const rows = aLoad([
      { waitingRequests: 4, kvCacheUsedRatio: 0 },
      { waitingRequests: 0, kvCacheUsedRatio: 0.5 },
      { waitingRequests: 2, kvCacheUsedRatio: 0.2 },
    ]);
    const candidates: readonly Endpoint[] = [0, 1, 2].map((slot) => anEndpoint({ slot }));
    // 2 x 0 + 1 = 1; 2 x 1 + 0.5 = 2.5; 2 x 0.5 + 0.8 = 1.8
    expect(scheduler()(aRequest(), candidates, rows)).toMatchObject({
      decision: { endpoints: [candidates[1], candidates[2], candidates[0]], score: 2.5 },
    });
  });
});
