import { expect, it } from "vitest";
import { aContext, aDecision, anEndpoint, aRecord, aRequest } from "#test/support/builders.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { aFlowPlan } from "#test/support/queue-rig.ts";
import { routedIn } from "#test/support/exchanges.ts";
import { quietPool } from "#test/support/quiet-pool.ts";
import { defaultConfigText } from "../config/default-document.ts";
import type { PromptBlocks } from "../core/prefix-match.ts";
import type { RequestStudy } from "../core/request-study.ts";
import { FlowControl } from "../data-plane/admission/flow/flow-control.ts";
import { Routing } from "../data-plane/routing.ts";
import { DecisionLog } from "../data-plane/scheduling/decision-log.ts";
import { PluginMemory } from "../state/plugin-memory.ts";
import { seededRandom } from "../std/random.ts";
import { buildConfig } from "./build-config.ts";
import { createDataPlane, poolViewOf } from "./data-plane.ts";

function aPool() {
  const pool = quietPool();
  const { store, ledger } = pool;
  store.apply([0, 1].map((slot) => anEndpoint({ slot })));
  const view = poolViewOf(pool, { nowMs: () => 0 });
  return { store, ledger, view };
}

it("counts a request on its endpoint to the end, on its helpers until the answer begins", () => {
  const { store, ledger, view } = aPool();
  const [endpoint, helper] = store.endpoints();
  if (endpoint === undefined || helper === undefined) throw new Error("the pool has two");
  const request = aRequest({ promptTokens: 10 });
  const decision = aDecision({ endpoints: [endpoint], helpers: [helper] });
  const inFlight = () => [...view.snapshot(0).load.inFlightRequests.subarray(0, 2)];

  const followers = view.send({ context: aContext({ request }), decision });
  expect([inFlight(), ledger.totalTokens]).toEqual([[1, 1], 20]);
  for (const follower of followers) follower.firstToken?.(5);
  expect(inFlight()).toEqual([1, 0]);
  for (const follower of followers) follower.ended?.(aRecord({ request, decision }));
  expect([inFlight(), ledger.totalTokens]).toEqual([[0, 0], 0]);
});

it("knows an endpoint of a decision until it leaves, even if another takes its slot", () => {
  const { store, view } = aPool();
  const [before] = store.endpoints();
  if (before === undefined) throw new Error("the pool has two");
  store.apply([anEndpoint({ slot: 0, labels: { version: "2" } }), anEndpoint({ slot: 1 })]);
  expect(view.current(before)).toBe(store.endpoints()[0]);
  expect(view.current(before)?.labels).toEqual({ version: "2" });
  store.apply([anEndpoint({ slot: 1 })]);
  const [after] = store.apply([anEndpoint({ slot: 1 }), anEndpoint({ slot: 7 })]).added;
  expect(after?.slot).toBe(before.slot);
  expect(view.current(before)).toBeUndefined();
});

it("shows the endpoints that take requests, and finds them by address", () => {
  const { store, view } = aPool();
  expect(view.snapshot(7)).toMatchObject({ endpoints: store.takers(), nowMs: 7 });
  expect(view.endpointAt("10.0.0.1:8000")?.name).toBe("engine-1");
  expect(view.endpointAt("10.9.9.9:1")).toBeUndefined();
});

const nothing = () => undefined;

it("counts a stream of 20 minutes to its end, and the queue waits for it", async () => {
  const clock = new FakeClock();
  const { store, view, ledger } = aPool();
  const [endpoint] = store.endpoints();
  if (endpoint === undefined) throw new Error("the pool has two");
  const request = aRequest({ promptTokens: 10 });
  const decision = aDecision({ endpoints: [endpoint] });
  const unbounded = Number.POSITIVE_INFINITY;
  const plan = aFlowPlan({ noEndpointTtlMs: unbounded, bands: [{ ttlMs: unbounded }] });
  const flow = new FlowControl(
    {
      plan,
      // One request at a time.
      detector: { saturation: (_, load) => load.inFlightRequests[endpoint.slot] ?? 0 },
      usageLimit: { limit: nothing },
      priorities: () => [],
      fairnessIdOf: () => "",
      askedTtlMsOf: () => unbounded,
      policiesOf: () => ({ fairness: {}, ordering: { compare: () => 0 } }),
    },
    {
      clock,
      snapshot: () => view.snapshot(clock.nowMs()),
      observer: {
        ...{ passed: nothing, entered: nothing, left: nothing, checked: nothing },
        ...{ evictionIssued: nothing, evictionEnded: nothing, failed: nothing },
      },
    },
  );
  const followers = view.send({ context: aContext({ request }), decision });
  for (const follower of followers) follower.firstToken?.(5);
  let sentAtMs: number | undefined;
  flow.admit({
    request,
    pool: view.snapshot(clock.nowMs()),
    receivedMs: 0,
    waiter: () => ({
      waits: nothing,
      turn: () => void (sentAtMs = clock.nowMs()),
      ownMs: () => Number.NaN,
      refuse: nothing,
    }),
  });
  const minutes = 20;
  for (let second = 0; second < minutes * 60; second += 1) {
    await clock.advance(1_000);
    expect([ledger.totalRequests, sentAtMs]).toEqual([1, undefined]);
  }
  for (const follower of followers) follower.ended?.(aRecord({ request, decision }));
  flow.wake();
  await clock.advance(0);
  expect([ledger.totalRequests, sentAtMs, flow.size]).toEqual([0, 1_200_000, 0]);
});

it("shows studies each request that leaves: after plugins, with its blocks; and follows it to its end", () => {
  const pool = quietPool();
  pool.store.apply([0, 1].map((slot) => anEndpoint({ slot })));
  const memory = new PluginMemory();
  const random = seededRandom(1);
  const result = buildConfig(defaultConfigText, { memory, random, allowsTestOnly: false });
  if (result.kind === "invalid") throw new Error(result.mistakes.join("\n"));
  result.build.keepMemory();
  const { dataPlane } = result.build;
  const heard: string[] = [];
  const told: (PromptBlocks | undefined)[] = [];
  const hook = { sent: () => void heard.push("plugin") };
  const graph = {
    ...dataPlane.graph,
    hooks: [...dataPlane.graph.hooks, { name: "last", instance: hook }],
  };
  const study: RequestStudy = {
    sent: ({ context, decision: { targets } }, match) => {
      // Nothing is counted yet: a study sees what the decision saw.
      heard.push(`study, ${pool.ledger.totalTokens} tokens in flight`);
      told.push(match?.promptBlocks?.(targets[0].endpoint.slot));
      const { id } = context.request.head;
      return { ended: ({ end }) => void heard.push(`${id} ${end}`) };
    },
  };
  const log = new DecisionLog();
  const routing = new Routing(
    { ...dataPlane, graph },
    { ignoresSubset: true, bodyBytesMax: 2 ** 20, log, studies: [study] },
  );
  const clock = { nowMs: () => 5, wallMs: () => 5 };
  const plane = createDataPlane({ clock, pool, routing: () => routing });
  const text = "Tell me about trains. ".repeat(40);
  for (const id of ["one", "two"]) {
    const headers = new Map([["content-type", "application/json"]]);
    const head = { id, method: "POST", path: "/v1/chat/completions", headers, subset: undefined };
    const exchange = plane.begin(head, true);
    const messages = [{ role: "user", content: `${text}${id}` }];
    routedIn(exchange.decide(Buffer.from(JSON.stringify({ model: "m", messages }))));
    exchange.end("aborted");
  }
  expect(heard).toEqual([
    ...["plugin", "study, 0 tokens in flight", "one aborted"],
    ...["plugin", "study, 0 tokens in flight", "two aborted"],
  ]);
  const [one, two] = told.map((blocks) => blocks?.chains[0]);
  // 880 characters in blocks of 256, two words for each: the last block is where they differ.
  expect(told.map((blocks) => blocks?.blockTokens)).toEqual([64, 64]);
  expect([one?.length, two?.length]).toEqual([8, 8]);
  expect(one?.subarray(0, 6)).toEqual(two?.subarray(0, 6));
  expect(one?.subarray(6)).not.toEqual(two?.subarray(6));
});
