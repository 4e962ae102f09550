import { describe, expect, it } from "vitest";
import { aHead, aLoad, aRequest, endpoints } from "#test/support/builders.ts";
import type { RolloutRecord } from "../core/decision-record.ts";
import type { RequestFollower } from "../core/request-follower.ts";
import { buildConfig } from "../gateway/build-config.ts";
import { PluginMemory } from "../state/plugin-memory.ts";
import { seededRandom } from "../std/random.ts";
import { Routing } from "./routing.ts";
import { DecisionLog } from "./scheduling/decision-log.ts";
import { Scheduler } from "./scheduling/scheduler.ts";
import type { SecondArm } from "./second-decider.ts";

const document = (type: string) => `apiVersion: pointsman.dev/v1alpha1
kind: EndpointPickerConfig
plugins: [{type: ${type}}]
schedulingProfiles: [{name: by-${type}, plugins: [{pluginRef: ${type}}]}]
`;

function partsOf(text: string) {
  const memory = new PluginMemory();
  const result = buildConfig(text, { memory, random: seededRandom(1), allowsTestOnly: false });
  if (result.kind === "invalid") throw new Error(result.mistakes.join("\n"));
  return result.build.dataPlane;
}

const rollout: RolloutRecord = {
  decidedBy: "shadow",
  shadowHash: "abc",
  state: "comparing",
  shareRatio: 0.1,
  assignedBy: "session",
  hasThrown: false,
};

/** Routing by one document, with an arm by another that decides about requests with the id `second`. */
function routingWith(arm: Partial<SecondArm> = {}) {
  const { graph } = partsOf(document("prefix-cache-scorer"));
  const log = new DecisionLog();
  const failures: unknown[] = [];
  let hasThrown = false;
  const scheduler = new Scheduler(graph, { ignoresSubset: false, log, madeBy: "shadow" });
  const second: SecondArm = {
    graph,
    scheduler,
    failed: (_head, cause) => {
      hasThrown = true;
      failures.push(cause);
    },
    ...arm,
  };
  const routing = new Routing(partsOf(document("queue-scorer")), {
    ignoresSubset: false,
    bodyBytesMax: 1_000,
    log,
    second: {
      assignmentOf: ({ head }) =>
        head.id === "second"
          ? { arm: hasThrown ? undefined : second, rollout: { ...rollout, hasThrown } }
          : undefined,
      arm: second,
    },
  });
  return { routing, failures, log };
}

const snapshot = {
  endpoints: endpoints(2),
  load: aLoad([{}, {}]),
  standing: {
    hasExceptions: false,
    codes: new Uint8Array(2),
    trialPlaces: new Uint8Array(2),
    startRatios: new Float64Array(2),
    isCutOff: false,
  },
  models: undefined,
  nowMs: 1_000,
};
const requestOf = (id: string) => aRequest({ head: aHead({ id }) });

function decisionOf(routing: Routing, id: string) {
  const scheduled = routing.schedule({ request: requestOf(id), snapshot });
  if (scheduled.kind === "refused") throw new Error(scheduled.refusal.message);
  const followers: RequestFollower[] = [];
  routing.sent(scheduled, (follower) => followers.push(follower));
  return { ...scheduled.decision, followers };
}

describe("a second document that decides", () => {
  it("decides about its requests alone, and its plugins follow them", () => {
    const { routing, log } = routingWith();
    const own = decisionOf(routing, "first");
    expect([own.profile, own.madeBy, own.followers.length]).toEqual([
      "by-queue-scorer",
      undefined,
      0,
    ]);
    const second = decisionOf(routing, "second");
    expect([second.profile, second.madeBy]).toEqual(["by-prefix-cache-scorer", "shadow"]);
    // The record of each decision says which document made it, newest first.
    expect(log.last(2).map((record) => record.rollout)).toEqual([rollout, undefined]);
    // The prefix index of that document has taken the prompt.
    expect(second.followers.length).toBe(1);
    const again = routing.reschedule({ request: requestOf("second"), snapshot });
    expect(again).toMatchObject({ decision: { madeBy: "shadow", prefixHit: { ratio: 1 } } });
  });

  it("leaves a request at which it throws to the document in force", () => {
    const thrown = new Error("a plugin has a bug");
    const scheduler = {
      schedule: () => {
        throw thrown;
      },
    } as unknown as Scheduler;
    const { routing, failures, log } = routingWith({ scheduler });
    expect(decisionOf(routing, "second")).toMatchObject({
      profile: "by-queue-scorer",
      madeBy: undefined,
    });
    expect(failures).toEqual([thrown]);
    expect(log.last(1)).toMatchObject([{ rollout: { hasThrown: true } }]);
  });

  it("decides about a request that is only tried, and records the same", () => {
    const { routing } = routingWith();
    const log = new DecisionLog();
    const head = aHead({ id: "second" });
    expect(routing.tried({ head, body: Buffer.from("{}") }, snapshot, log)).toBeUndefined();
    expect(log.last(1)).toMatchObject([{ profile: "by-prefix-cache-scorer", rollout }]);
  });

  it("sends a request on whose plugins throw when it leaves", () => {
    const { routing, failures } = routingWith();
    const scheduled = routing.schedule({ request: requestOf("second"), snapshot });
    if (scheduled.kind === "refused") throw new Error(scheduled.refusal.message);
    expect(() =>
      routing.sent(scheduled, () => {
        throw new Error("a plugin has a bug");
      }),
    ).not.toThrow();
    expect(failures).toHaveLength(1);
  });
});
