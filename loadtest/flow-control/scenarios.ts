import { systemClock } from "../../src/std/clock.ts";
import { batchScenarios } from "./batch.ts";
import {
  type Asked,
  documentOf,
  type QueueOptions,
  requestsPerSecondPerEngine,
  type Stand,
} from "./stand.ts";

/** One thing that may happen to a queue. */
export interface Scenario {
  readonly name: string;
  readonly queue: QueueOptions;
  /** Resolves once all requests have ended. */
  run(stand: Stand): Promise<void>;
}

const fair = ["defaultPriorityBand: {fairnessPolicyRef: round-robin-fairness-policy}"];
const tenant = (name: string) => ({ headers: { "x-llm-d-inference-fairness-id": name } });
const objective = (name: string) => ({ headers: { "x-llm-d-inference-objective": name } });

const loadMs = 10_000;
const emptyMs = 20_000;

export const scenarios: readonly Scenario[] = [
  {
    name: "3 tenants, one 10 times louder",
    queue: { engines: 2, flowControl: fair },
    run: (stand) =>
      closedLoops(stand, { loud: 200, a: 20, b: 20 }, { lengthMs: loadMs, askedOf: tenant }),
  },
  {
    name: "priorities at 2 times capacity",
    queue: { engines: 2 },
    async run(stand) {
      const perSecond = 2 * 2 * requestsPerSecondPerEngine;
      const groups = ["100", "0", "-10"];
      const pending: Promise<void>[] = [];
      const startMs = systemClock.nowMs();
      for (let index = 0; index < (perSecond * loadMs) / 1_000; index += 1) {
        const waitMs = startMs + (index * 1_000) / perSecond - systemClock.nowMs();
        if (waitMs > 0) await systemClock.sleep(waitMs);
        const group = groups[index % groups.length] ?? "";
        pending.push(stand.send(group, objective(group)));
      }
      await Promise.all(pending);
    },
  },
  ...[
    "global-strict-fairness-policy",
    "round-robin-fairness-policy",
    "program-aware-fairness",
    "virtual-token-counter-fairness-policy",
    "deficit-round-robin-fairness-policy",
  ].map((policy): Scenario => {
    const flowControl = [`defaultPriorityBand: {fairnessPolicyRef: ${policy}}`];
    const plugins = policy.startsWith("round-robin") ? [] : [`{type: ${policy}}`];
    return {
      name: `fairness of 1 to 10: ${policy}`,
      queue: { engines: 2, flowControl, plugins },
      run: (stand) =>
        closedLoops(stand, { loud: 200, quiet: 20 }, { lengthMs: loadMs, askedOf: tenant }),
    };
  }),
  ...batchScenarios,
  {
    name: "batch and interactive",
    queue: { engines: 2 },
    async run(stand) {
      await Promise.all([batchLoops(stand), atRate(stand, "100", interactivePerSecond)]);
    },
  },
  {
    name: "batch and interactive, with evictions",
    queue: { engines: 2, flowControl: ["enableEviction: true"] },
    async run(stand) {
      await Promise.all([batchLoops(stand), atRate(stand, "100", interactivePerSecond)]);
    },
  },
  {
    name: "burst of 500",
    queue: { engines: 2 },
    run: (stand) => sendMany(stand, 500),
  },
  {
    name: "pool empty for 20 s with 50 requests",
    queue: { engines: 2 },
    async run(stand) {
      const { rig, simulator } = stand;
      await rig.setEndpoints([]);
      await until(async () => (await rig.metric("llm_d_epp_ready_endpoints")) === 0);
      const sent = sendMany(stand, 50);
      await systemClock.sleep(emptyMs);
      await rig.setEndpoints(simulator.engines);
      await sent;
    },
  },
  {
    name: "SIGTERM with 200 waiting",
    queue: { engines: 2, drainTimeoutSeconds: 30 },
    run: (stand) => terminated(stand),
  },
  {
    name: "SIGTERM with 200 waiting, drain of 2 s",
    queue: { engines: 2, drainTimeoutSeconds: 2 },
    run: (stand) => terminated(stand),
  },
  {
    name: "50 reloads under load",
    queue: { engines: 2, flowControl: fair },
    async run(stand) {
      const load = closedLoops(stand, { load: 64 }, { lengthMs: loadMs, askedOf: tenant });
      for (let reload = 1; reload <= 50; reload += 1) {
        // Each one changes a limit, and every second one the policy of flows.
        const flowControl = [`maxRequests: ${1_000 + reload}`, ...(reload % 2 === 0 ? fair : [])];
        await stand.rig.reconfigure(documentOf({ flowControl }));
        await systemClock.sleep(loadMs / 50);
      }
      await load;
    },
  },
  {
    name: "2 of 4 engines die with 200 waiting",
    queue: { engines: 4 },
    async run(stand) {
      await closedLoops(stand, { before: 32 }, { lengthMs: 3_000, askedOf: tenant });
      await withDeaths(stand);
    },
  },
  {
    // Health has no earlier answers to judge by.
    name: "2 of 4 engines die soon after the start with 200 waiting",
    queue: { engines: 4 },
    run: (stand) => withDeaths(stand),
  },
];

/** Interactive requests a second, and clients of batch in closed loops: more than two engines can serve. */
const interactivePerSecond = 20;
const batchClients = 64;

/** Requests of one group at a rate, for the length of a load. */
async function atRate(stand: Stand, group: string, perSecond: number): Promise<void> {
  const pending: Promise<void>[] = [];
  const startMs = systemClock.nowMs();
  for (let index = 0; index < (perSecond * loadMs) / 1_000; index += 1) {
    const waitMs = startMs + (index * 1_000) / perSecond - systemClock.nowMs();
    if (waitMs > 0) await systemClock.sleep(waitMs);
    pending.push(stand.send(group, objective(group)));
  }
  await Promise.all(pending);
}

function batchLoops(stand: Stand): Promise<void> {
  return closedLoops(stand, { "-10": batchClients }, { lengthMs: loadMs, askedOf: objective });
}

async function withDeaths(stand: Stand): Promise<void> {
  const sent = sendMany(stand, 232);
  await until(async () => (await stand.waiting()) > 150);
  await Promise.all(["engine-0", "engine-1"].map((name) => stand.kill(name)));
  await sent;
}

async function terminated(stand: Stand): Promise<void> {
  const sent = sendMany(stand, 216);
  await until(async () => (await stand.waiting()) >= 150);
  stand.rig.pickers[0]?.child.signal("SIGTERM");
  await sent;
}

async function sendMany(stand: Stand, count: number): Promise<void> {
  await Promise.all(Array.from({ length: count }, () => stand.send("all")));
}

interface LoopOptions {
  readonly lengthMs: number;
  readonly askedOf: (group: string) => Asked;
}

/** Clients that send a request as soon as the one before has ended; `clients` is their number by group. */
async function closedLoops(
  stand: Stand,
  clients: Readonly<Record<string, number>>,
  { lengthMs, askedOf }: LoopOptions,
): Promise<void> {
  const endMs = systemClock.nowMs() + lengthMs;
  const loop = async (group: string) => {
    while (systemClock.nowMs() < endMs) await stand.send(group, askedOf(group));
  };
  await Promise.all(
    Object.entries(clients).flatMap(([group, count]) =>
      Array.from({ length: count }, () => loop(group)),
    ),
  );
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const endMs = systemClock.nowMs() + 10_000;
  while (!(await condition())) {
    if (systemClock.nowMs() > endMs) throw new Error("the load did not get as far as expected");
    await systemClock.sleep(10);
  }
}
