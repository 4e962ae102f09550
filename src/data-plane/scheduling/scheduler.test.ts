import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Decision } from "../../core/decision.ts";
import type { Endpoint } from "../../core/endpoint.ts";
import type { PoolSnapshot, Standing } from "../../core/pool-snapshot.ts";
import type { RequestFollower } from "../../core/request-follower.ts";
import {
  aContext,
  aDecision,
  aHead,
  aLoad,
  aPrediction,
  aRecord,
  aRequest,
  aResponseHead,
  endpoints,
} from "#test/support/builders.ts";
import { pluginDeps } from "#test/support/plugin-deps.ts";
import { aPool } from "#test/support/pools.ts";
import { aPrefixMatch } from "#test/support/request-data.ts";
import { aSnapshot, aStanding } from "#test/support/snapshots.ts";
import type { Filter, ProfileHandler, SchedulingContext } from "../../core/data-plane-plugin.ts";
import { DecisionLog } from "./decision-log.ts";
import { maxScorePicker } from "./pickers/max-score.ts";
import type { SchedulingProfile } from "./profile.ts";
import { type Scheduled, Scheduler, type SchedulingGraph } from "./scheduler.ts";
import { kvCacheUtilizationScorer } from "./scorers/kv-cache-utilization.ts";
import { queueScorer } from "./scorers/queue.ts";

/** A profile that picks the endpoint in `slot`, or leaves no candidate if that is undefined. */
function profilePicking(name: string, slot: number | undefined): SchedulingProfile {
  const filter = {
    filter: (_context: unknown, candidates: readonly Endpoint[]) =>
      candidates.filter((candidate) => candidate.slot === slot),
  };
  return { name, filters: [{ name: "only", filter }], scorers: [], picker: { pick: () => [0] } };
}

/** Runs the profiles of `order` one after another, for any results, and has `primary` as the primary profile. */
function handlerOf(order: readonly string[], primary: string | undefined): ProfileHandler {
  return {
    next: (_context, _names, run) => order[run.length],
    primary: () => primary,
    mistakeIn: () => undefined,
  };
}

function graphOf(parts: Partial<SchedulingGraph> = {}): SchedulingGraph {
  return {
    profiles: profiles(profilePicking("default", 1)),
    handler: handlerOf(["default"], "default"),
    producers: [],
    admitters: [],
    writers: [],
    hooks: [],
    detector: { saturation: () => 0 },
    ...parts,
  };
}

const profiles = (...each: readonly SchedulingProfile[]) =>
  new Map(each.map((profile) => [profile.name, profile]));

const unreachable = () => expect.unreachable();

const load = aLoad([{}, {}, {}]);
const pool = endpoints(3);

interface Asked {
  readonly subset?: readonly string[];
  readonly of?: readonly Endpoint[];
  readonly log?: DecisionLog;
  readonly ignoresSubset?: boolean;
  readonly refusesUnknownModels?: boolean;
  readonly models?: PoolSnapshot["models"];
  readonly awaitsModels?: boolean;
  readonly pastModels?: ReadonlySet<string>;
  readonly standing?: Standing;
}

function schedule(graph: SchedulingGraph, asked: Asked = {}): Scheduled {
  const { subset, of = pool, log = new DecisionLog(), ignoresSubset = false } = asked;
  const { refusesUnknownModels = false, models, standing = aStanding() } = asked;
  const request = aRequest({ head: aHead({ subset }) });
  const { awaitsModels = false, pastModels = new Set() } = asked;
  const options = { ignoresSubset, refusesUnknownModels, awaitsModels, log };
  const scheduler = new Scheduler(graph, options);
  const snapshot = { endpoints: of, load, standing, models, pastModels, nowMs: 10_000 };
  return scheduler.schedule({ request, snapshot });
}

function decisionOf(graph: SchedulingGraph, asked: Asked = {}): Decision {
  const scheduled = schedule(graph, asked);
  if (scheduled.kind === "refused") throw new Error(scheduled.refusal.message);
  return scheduled.decision;
}

/** Records its inputs and picks the first candidate. */
function seeing(seen: string[][]): SchedulingGraph {
  const watching: Filter = {
    filter: (_, candidates) => {
      seen.push(candidates.map(({ name }) => name));
      return candidates;
    },
  };
  const profile: SchedulingProfile = {
    name: "default",
    filters: [{ name: "watching", filter: watching }],
    scorers: [],
    picker: { pick: (totals) => (totals.length === 0 ? [] : [0]) },
  };
  return graphOf({ profiles: profiles(profile) });
}

/** Models by slot; an endpoint without an entry lists none. */
function serving(models: Readonly<Record<number, readonly string[]>>): PoolSnapshot["models"] {
  return new Map(Object.entries(models).map(([slot, names]) => [Number(slot), new Set(names)]));
}

const firstIsEjected = aStanding({ 0: { code: "ejected" } });

describe("models and health of endpoints", () => {
  it("restrict a request to endpoints that serve its model or list no models", () => {
    const seen: string[][] = [];
    const models = serving({ 0: ["other"], 1: ["llama", "other"] });
    decisionOf(seeing(seen), { models });
    expect(seen).toEqual([["engine-1", "engine-2"]]);
  });

  it("route a request for a model that no endpoint serves, or refuse it if configured", () => {
    const seen: string[][] = [];
    const models = serving({ 0: [], 1: ["x"], 2: ["x"] });
    decisionOf(seeing(seen), { models });
    expect(seen).toEqual([["engine-0", "engine-1", "engine-2"]]);
    expect(schedule(seeing([]), { models, refusesUnknownModels: true })).toEqual({
      kind: "refused",
      recordId: 1,
      refusal: { code: "model_not_found", message: 'no model server serves the model "llama"' },
    });
  });

  it("let a request wait for a model that an endpoint served before, if requests may wait", () => {
    const models = serving({ 0: [], 1: ["x"], 2: ["x"] });
    const asked = { models, pastModels: new Set(["llama"]) };
    expect(schedule(seeing([]), { ...asked, awaitsModels: true })).toMatchObject({
      refusal: { code: "model_not_found" },
      isUnplaced: true,
    });
    expect(schedule(seeing([]), asked).kind).toBe("routed");
    const never = { models, awaitsModels: true };
    expect(schedule(seeing([]), never).kind).toBe("routed");
  });

  it("leave out endpoints that are not well, and record it", () => {
    const seen: string[][] = [];
    const log = new DecisionLog();
    decisionOf(seeing(seen), { log, standing: firstIsEjected });
    expect(seen).toEqual([["engine-1", "engine-2"]]);
    expect(log.last(1)[0]?.profiles[0]?.unwell).toEqual(["default/engine-0"]);
  });

  it("allow endpoints that are not well if filters leave no other", () => {
    const profile: SchedulingProfile = {
      name: "default",
      filters: [
        { name: "only-0", filter: { filter: (_, all) => all.filter(({ slot }) => slot === 0) } },
      ],
      scorers: [],
      picker: { pick: (totals) => (totals.length === 0 ? [] : [0]) },
    };
    const graph = graphOf({ profiles: profiles(profile) });
    expect(decisionOf(graph, { standing: firstIsEjected }).targets).toMatchObject([
      { endpoint: pool[0] },
    ]);
  });
});

describe("the scheduler", () => {
  it("routes to the primary profile's choice, with the profile and the number of candidates", () => {
    expect(decisionOf(graphOf())).toEqual({
      targets: [{ endpoint: pool[1], hostPort: "10.0.0.1:8000", requestHeaders: [] }],
      profile: "default",
      candidateCount: 3,
      score: Number.NaN,
      chosen: new Map([["default", [pool[1]]]]),
      helpers: [],
      prefixHit: undefined,
      recordId: 1,
    });
  });

  it("has the total of the first endpoint if a scorer ran", () => {
    const scorer = { score: (_c: unknown, _e: unknown, scores: Float64Array) => scores.fill(0.5) };
    const profile = {
      ...profilePicking("default", 1),
      scorers: [{ name: "half", scorer, weight: 3 }],
    };
    // 3 x 0.5
    expect(decisionOf(graphOf({ profiles: profiles(profile) })).score).toBe(1.5);
  });

  it("refuses as saturated if filters leave no endpoint", () => {
    expect(schedule(graphOf({ profiles: profiles(profilePicking("default", undefined)) }))).toEqual(
      {
        kind: "refused",
        isUnplaced: true,
        recordId: 1,
        refusal: { code: "saturated", message: "no suitable endpoint for this request now" },
      },
    );
  });

  it("refuses with no_endpoints if the pool is empty", () => {
    expect(schedule(graphOf(), { of: [] })).toEqual({
      kind: "refused",
      isUnplaced: true,
      recordId: 1,
      refusal: { code: "no_endpoints", message: "no model server is ready" },
    });
  });

  it("refuses with no_endpoints if the subset names none that is ready", () => {
    expect(schedule(graphOf(), { subset: ["10.9.9.9"] })).toEqual({
      kind: "refused",
      isUnplaced: true,
      recordId: 1,
      refusal: {
        code: "no_endpoints",
        message: "no model server in the gateway's subset is ready",
      },
    });
  });

  it("calls no plugin if there is no candidate", () => {
    const handler = { ...handlerOf([], undefined), next: unreachable };
    const graph = graphOf({
      handler,
      producers: [{ name: "p", produces: "prompt-tokens", instance: { produce: unreachable } }],
      admitters: [{ name: "a", instance: { admit: unreachable } }],
    });
    expect(schedule(graph, { of: [] }).kind).toBe("refused");
  });

  it("chooses within the subset and counts only its endpoints", () => {
    const picksFirst = { ...profilePicking("default", 2), filters: [] };
    const subset = ["10.0.0.2:8000", "10.0.0.1"];
    expect(decisionOf(graphOf({ profiles: profiles(picksFirst) }), { subset })).toMatchObject({
      targets: [{ endpoint: pool[1] }],
      candidateCount: 2,
    });
  });

  it("chooses among all if it is configured to ignore the subset", () => {
    expect(decisionOf(graphOf(), { subset: ["10.9.9.9"], ignoresSubset: true })).toMatchObject({
      targets: [{ endpoint: pool[1] }],
      candidateCount: 3,
    });
  });

  it("shows plugins the whole pool besides the subset", () => {
    const seen: unknown[] = [];
    const admit = (context: SchedulingContext, candidates: readonly Endpoint[]) => {
      seen.push([context.endpoints.length, candidates.length, context.nowMs]);
      return undefined;
    };
    schedule(graphOf({ admitters: [{ name: "a", instance: { admit } }] }), {
      subset: ["10.0.0.1"],
    });
    expect(seen).toEqual([[3, 1, 10_000]]);
  });

  it("has fallbacks after the first endpoint", () => {
    const profile = {
      ...profilePicking("default", 0),
      filters: [],
      picker: { pick: () => [2, 0] },
    };
    expect(decisionOf(graphOf({ profiles: profiles(profile) }))).toMatchObject({
      targets: [
        { endpoint: pool[2], hostPort: "10.0.0.2:8000" },
        { endpoint: pool[0], hostPort: "10.0.0.0:8000" },
      ],
    });
  });
});

describe("the scheduler with several profiles", () => {
  const three = profiles(
    profilePicking("prefill", 0),
    profilePicking("decode", 2),
    profilePicking("empty", undefined),
  );
  const graphWith = (order: readonly string[], primary: string | undefined) =>
    graphOf({ profiles: three, handler: handlerOf(order, primary) });

  it("runs the profiles of the handler and uses its primary profile", () => {
    expect(decisionOf(graphWith(["prefill", "decode"], "decode"))).toMatchObject({
      profile: "decode",
      targets: [{ endpoint: pool[2] }],
    });
    expect(decisionOf(graphWith(["prefill", "decode"], "prefill"))).toMatchObject({
      profile: "prefill",
      targets: [{ endpoint: pool[0] }],
    });
  });

  it("has the choices of profiles in the order they ran, without those that found none", () => {
    const { chosen } = decisionOf(graphWith(["decode", "empty", "prefill"], "decode"));
    expect([...chosen]).toEqual([
      ["decode", [pool[2]]],
      ["prefill", [pool[0]]],
    ]);
  });

  it("routes if only a profile other than the primary one has no candidate left", () => {
    expect(schedule(graphWith(["empty", "decode"], "decode"))).toMatchObject({ kind: "routed" });
  });

  it("ends if the handler asks for a profile a second time", () => {
    expect(decisionOf(graphWith(["prefill", "prefill", "decode"], "prefill"))).toMatchObject({
      profile: "prefill",
    });
    const stubborn = { ...handlerOf([], "prefill"), next: () => "prefill" };
    expect(decisionOf(graphOf({ profiles: three, handler: stubborn }))).toMatchObject({
      profile: "prefill",
    });
  });

  it("ends if the handler asks for an unknown profile", () => {
    expect(decisionOf(graphWith(["prefill", "nobody", "decode"], "prefill"))).toMatchObject({
      profile: "prefill",
    });
  });

  it.each([
    { primary: undefined, what: "no primary profile" },
    { primary: "decode", what: "a primary profile that did not run" },
    { primary: "nobody", what: "a primary profile there is not" },
    { primary: "empty", what: "a primary profile with nothing left" },
  ])("refuses as saturated with $what", ({ primary }) => {
    expect(schedule(graphWith(["prefill", "empty"], primary))).toMatchObject({
      refusal: { code: "saturated" },
    });
  });

  it("refuses as saturated if no profile runs", () => {
    expect(schedule(graphWith([], undefined))).toMatchObject({ refusal: { code: "saturated" } });
  });

  it("gives the handler the profiles, those that ran and their choices", () => {
    const asked: unknown[] = [];
    const noting: ProfileHandler = {
      ...handlerOf([], "decode"),
      next: ({ chosen }, names, run) => {
        const picks = [...chosen.values()].map(([{ name }]) => name);
        asked.push([...names, "|", ...run, "|", ...picks].join(" "));
        return ["prefill", "empty", "decode"][run.length];
      },
    };
    decisionOf(graphOf({ profiles: three, handler: noting }));
    expect(asked).toEqual([
      "prefill decode empty | |",
      "prefill decode empty | prefill | engine-0",
      "prefill decode empty | prefill empty | engine-0",
      "prefill decode empty | prefill empty decode | engine-0 engine-2",
    ]);
  });

  it("names the first choice of each helper's profile that ran", () => {
    const handler = {
      ...handlerOf(["prefill", "empty", "decode"], "decode"),
      helpers: ["prefill", "empty", "nobody"],
    };
    expect(decisionOf(graphOf({ profiles: three, handler })).helpers).toEqual([pool[0]]);
  });

  it("lets the handler set address and headers of a request for each endpoint", () => {
    const both = { ...profilePicking("default", 0), filters: [], picker: { pick: () => [1, 2] } };
    const handler: ProfileHandler = {
      ...handlerOf(["default"], "default"),
      dispatch: ({ chosen }, { address, name }) => ({
        hostPort: `${address}:9`,
        requestHeaders: [["x-for", `${name} of ${chosen.get("default")?.length}`]],
      }),
    };
    expect(decisionOf(graphOf({ profiles: profiles(both), handler }))).toMatchObject({
      targets: [
        { endpoint: pool[1], hostPort: "10.0.0.1:9", requestHeaders: [["x-for", "engine-1 of 2"]] },
        { endpoint: pool[2], hostPort: "10.0.0.2:9", requestHeaders: [["x-for", "engine-2 of 2"]] },
      ],
    });
  });
});

const producer = (name: string, produce: (context: SchedulingContext) => number | undefined) => ({
  name,
  produces: "prompt-tokens" as const,
  instance: { produce },
});

const refusing = (message: string) => ({
  name: message,
  instance: { admit: () => ({ code: "saturated", message }) as const },
});

describe("the scheduler's producers and admitters", () => {
  it("run before the profiles, each after those before it", () => {
    const seen: unknown[] = [];
    const graph = graphOf({
      producers: [
        producer("first", () => 1),
        producer("nothing", () => undefined),
        producer("second", ({ data }) => Number(data.get("first")) + 1),
      ],
      admitters: [
        {
          name: "a",
          instance: {
            admit: ({ data }) => {
              seen.push(...data);
              return undefined;
            },
          },
        },
      ],
    });
    expect(schedule(graph).kind).toBe("routed");
    expect(seen).toEqual([
      ["first", 1],
      ["second", 2],
    ]);
  });

  it("refuse with the first refusal, and no profile runs", () => {
    const log = new DecisionLog();
    const graph = graphOf({
      admitters: [refusing("too much"), refusing("never asked")],
      handler: { ...handlerOf([], undefined), next: unreachable },
    });
    expect(schedule(graph, { log })).toEqual({
      kind: "refused",
      recordId: 1,
      refusal: { code: "saturated", message: "too much" },
    });
    expect(log.last(1)).toMatchObject([{ refusal: "saturated", picked: [], profiles: [] }]);
  });
});

const matching = (name: string, matched: number) => ({
  name,
  produces: "prefix-match" as const,
  instance: {
    produce: () => aPrefixMatch({ totalBlocks: 9, matchedBlocks: [matched, matched, matched] }),
  },
});

describe("the hit of a decision", () => {
  it("is the match of the first endpoint, by the first producer", () => {
    const graph = graphOf({ producers: [matching("near", 3), matching("far", 9)] });
    // 3 of 9 blocks, of 64 tokens each.
    expect(decisionOf(graph).prefixHit).toEqual({ producer: "near", ratio: 1 / 3, tokens: 192 });
  });

  it("is unknown for a request without a prompt", () => {
    const match = aPrefixMatch({ totalBlocks: 0, matchedBlocks: [0, 0, 0] });
    const nothing = { ...matching("near", 0), instance: { produce: () => match } };
    expect(decisionOf(graphOf({ producers: [nothing] })).prefixHit).toBeUndefined();
  });
});

const predicting = (ttftMs: readonly number[], name = "predicts") => ({
  name,
  produces: "latency-prediction" as const,
  instance: {
    produce: () =>
      aPrediction({ ttftMs: (slot) => ttftMs[slot] ?? Number.NaN, tpotMs: (slot) => 10 + slot }),
  },
});

describe("the predicted latency of a decision", () => {
  it("is that of the first endpoint, by the first producer", () => {
    const producers = [predicting([50, 60, 70]), predicting([1, 1, 1], "other")];
    const { latency, predictedInMs } = decisionOf(graphOf({ producers }));
    expect(latency).toEqual({ producer: "predicts", ttftMs: 60, tpotMs: 11 });
    expect(predictedInMs).toBeUndefined();
  });

  it.each([
    { ttftMs: [90, 60, 70], expected: 90 },
    { ttftMs: [Number.NaN, 60, 70], expected: 60 },
  ])("is $expected ms to the first token where another endpoint prefills", (of) => {
    const both = profiles(profilePicking("prefill", 0), profilePicking("decode", 1));
    const handler = { ...handlerOf(["prefill", "decode"], "decode"), helpers: ["prefill"] };
    const graph = graphOf({ profiles: both, handler, producers: [predicting(of.ttftMs)] });
    expect(decisionOf(graph).latency).toMatchObject({ ttftMs: of.expected, tpotMs: 11 });
  });

  it("is unknown if no producer predicts any", () => {
    expect(decisionOf(graphOf({ producers: [matching("near", 3)] })).latency).toBeUndefined();
  });

  it("tells how long it took, if there is a clock", () => {
    const times = [100, 102.5, 200, 300];
    const log = new DecisionLog();
    const producers = [matching("near", 3), predicting([1, 1, 1]), predicting([2, 2, 2], "other")];
    const options = { ignoresSubset: false, log, nowMs: () => times.shift() ?? 0 };
    const snapshot = {
      endpoints: pool,
      load,
      standing: aStanding(),
      models: undefined,
      nowMs: 10_000,
    };
    const scheduler = new Scheduler(graphOf({ producers }), options);
    const scheduled = scheduler.schedule({ request: aRequest(), snapshot });
    expect(scheduled).toMatchObject({ decision: { predictedInMs: 2.5 } });
    expect(log.last(1)[0]?.candidates?.[2]).toMatchObject({ predictedTtftMs: 1 });
  });
});

describe("the scheduler's log", () => {
  it("keeps decisions under the id that the decision carries", () => {
    const log = new DecisionLog();
    schedule(graphOf(), { log });
    const { recordId } = decisionOf(graphOf(), { log });
    expect(recordId).toBe(2);
    expect(log.byId(2)).toMatchObject({ profile: "default", picked: ["default/engine-1"] });
  });

  it("keeps a request that was refused without a choice", () => {
    const log = new DecisionLog();
    schedule(graphOf({ profiles: profiles(profilePicking("default", undefined)) }), { log });
    expect(log.last(1)).toMatchObject([
      {
        profile: undefined,
        picked: [],
        profiles: [{ name: "default", filters: [{ name: "only", keptCount: 0 }] }],
      },
    ]);
  });

  it("keeps the match of the first producer of prefix matches", () => {
    const log = new DecisionLog();
    const other = { name: "t", produces: "prompt-tokens", instance: { produce: () => 7 } } as const;
    const producers = [other, matching("first", 4), matching("second", 5)];
    schedule(graphOf({ producers }), { log });
    expect(log.last(1)[0]?.candidates?.[0]).toMatchObject({ prefixMatchedBlocks: 4 });
  });
});

const follower = (name: string, seen: string[]): RequestFollower => ({
  responseHeaders: ({ httpStatus }) => [[name, String(httpStatus)]],
  firstToken: () => void seen.push(`${name} first token`),
  ended: ({ end }) => void seen.push(`${name} ${end}`),
});
const schedulerWith = (followers: readonly (RequestFollower | undefined)[]) =>
  new Scheduler(
    graphOf({
      hooks: followers.map((each, index) => ({
        name: String(index),
        instance: { sent: () => each },
      })),
    }),
    { ignoresSubset: false, log: new DecisionLog() },
  );

describe("the scheduler's hooks", () => {
  const sentRequest = { context: aContext(), decision: aDecision() };
  it("follow a request in the order of their plugins", () => {
    const seen: string[] = [];
    const scheduler = schedulerWith([follower("a", seen), undefined, {}, follower("b", seen)]);
    const all: RequestFollower[] = [];
    scheduler.sent(sentRequest, (each) => all.push(each));
    const head = aResponseHead();
    expect(all.flatMap((each) => each.responseHeaders?.(head) ?? [])).toEqual([
      ["a", "200"],
      ["b", "200"],
    ]);
    for (const each of all) each.firstToken?.(0);
    for (const each of all) each.ended?.(aRecord({ end: "complete" }));
    expect(seen).toEqual(["a first token", "b first token", "a complete", "b complete"]);
  });

  it("see the request and its decision", () => {
    const seen: unknown[] = [];
    const instance = { sent: (sent: unknown) => void seen.push(sent) };
    const graph = graphOf({ hooks: [{ name: "h", instance }] });
    const options = { ignoresSubset: false, log: new DecisionLog() };
    new Scheduler(graph, options).sent(sentRequest, () => undefined);
    expect(seen).toEqual([sentRequest]);
  });
});

describe("a scheduler's working memory", () => {
  const graph = graphOf({
    profiles: profiles({
      name: "default",
      filters: [],
      scorers: [
        { name: "queue", scorer: queueScorer.create({}, pluginDeps()), weight: 2 },
        { name: "kv", scorer: kvCacheUtilizationScorer.create({}, pluginDeps()), weight: 1 },
      ],
      // The same number every time, so that ties always break the same way.
      picker: maxScorePicker.create({ maxNumOfEndpoints: 4 }, pluginDeps({ random: () => 0.3 })),
    }),
  });

  it("leaves no trace from one decision to the next, for any numbers of candidates", () => {
    const big = fc.integer({ min: 0, max: 200 }).map((count) => ({
      request: aRequest(),
      candidates: endpoints(count),
      load: aLoad(endpoints(count).map(({ slot }) => ({ waitingRequests: (slot * 31) % 17 }))),
    }));
    const numbersMax = fc.constantFrom(0, 100, 700, 2_000);
    const decisions = fc.array(fc.oneof(aPool, big), { minLength: 2, maxLength: 6 });
    fc.assert(
      fc.property(decisions, numbersMax, (pools, max) => {
        const log = new DecisionLog({ numbersMax: max, recordsMax: 10 });
        const reused = new Scheduler(graph, { ignoresSubset: false, log });
        for (const { request, candidates, load: of } of pools) {
          const snapshot = aSnapshot({ endpoints: candidates, load: of, nowMs: 0 });
          const input = { request, snapshot };
          const ample = new DecisionLog({ numbersMax: 10_000, recordsMax: 1 });
          const fresh = new Scheduler(graph, { ignoresSubset: false, log: ample });
          expect(chosenIn(reused.schedule(input))).toEqual(chosenIn(fresh.schedule(input)));
        }
      }),
    );
  });

  it("prefers the least loaded by the real plugins' totals", () => {
    const of = aLoad([
      { waitingRequests: 4, kvCacheUsedRatio: 0 },
      { waitingRequests: 0, kvCacheUsedRatio: 0.5 },
      { waitingRequests: 2, kvCacheUsedRatio: 0.2 },
    ]);
    const scheduler = new Scheduler(graph, { ignoresSubset: false, log: new DecisionLog() });
    const snapshot = aSnapshot({ endpoints: pool, load: of, nowMs: 0 });
    const input = { request: aRequest(), snapshot };
    // 2 x 0 + 1 = 1; 2 x 1 + 0.5 = 2.5; 2 x 0.5 + 0.8 = 1.8
    expect(scheduler.schedule(input)).toMatchObject({
      decision: {
        targets: [{ endpoint: pool[1] }, { endpoint: pool[2] }, { endpoint: pool[0] }],
        score: 2.5,
      },
    });
  });
});

/** The result of a request, without the number of its record. */
function chosenIn(scheduled: Scheduled): unknown {
  if (scheduled.kind === "refused") return { ...scheduled, recordId: undefined };
  const { recordId: _recordId, ...decision } = scheduled.decision;
  return decision;
}
